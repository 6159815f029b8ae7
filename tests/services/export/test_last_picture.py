"""The last picture of a clip is shown, wherever it stands in the order of decoding."""

from pathlib import Path

import av
import pytest

from services.export.clipping import make_clip
from services.export.recorded import START_S, record

AGAIN_S = START_S + 13.37
"""the recording goes on after a gap"""


def shown(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("tenths", range(20, 60, 5))
def test_every_picture_of_an_encoded_clip_is_shown_wherever_it_ends(data: Path, rich_video: Path, tenths: int) -> None:
    record(data, rich_video)
    record(data, rich_video, start_s=AGAIN_S)

    clip = make_clip(data, START_S + 9.0, AGAIN_S + tenths / 10, mode="encode", preset="small", allow_gaps=True)

    assert shown(clip.path) == clip.result.frames


@pytest.mark.parametrize("mode", [{}, {"mode": "encode", "preset": "small"}, {"mode": "timelapse", "speed": 4}])
def test_a_clip_has_no_fragments(data: Path, rich_video: Path, mode: dict[str, object]) -> None:
    """Where the border of two falls between the last picture and those that are decoded after it, players hide it."""
    record(data, rich_video)

    clip = make_clip(data, START_S + 1.0, START_S + 9.0, **mode)

    assert b"moof" not in clip.path.read_bytes()
