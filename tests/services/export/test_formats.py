"""Each way of making a clip, of recordings of other codecs, and of the segment that is being written."""

from pathlib import Path
from typing import Any

import pytest

from media import make_video
from services.export.clipping import make_clip
from services.export.looking import look
from services.export.recorded import START_S, grow, open_path, record

COPY: dict[str, Any] = {}
WAYS: list[tuple[dict[str, Any], int]] = [
    (COPY, 10),
    ({"precise": True}, 14),
    ({"mode": "encode", "preset": "small"}, 14),
    ({"mode": "timelapse", "speed": 4}, 10),
    ({"mode": "timelapse", "speed": 4, "instant": True}, 10),
]


@pytest.fixture(scope="session")
def hevc_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "hevc.mp4"
    make_video(path, seconds=6, b_frames=2, codec="libx265")
    return path


@pytest.mark.parametrize(("way", "first"), WAYS)
def test_hevc_is_made_into_clips_as_h264_is(data: Path, hevc_video: Path, way: dict[str, Any], first: int) -> None:
    record(data, hevc_video)

    made = make_clip(data, START_S + 1.33, START_S + 6.0, thumbnail=True, **way)

    shown = look(made.path).numbers
    assert shown[0] == first
    assert shown[-1] == (50 if "speed" in way else 59)
    assert made.result.codec == ("h264" if made.result.encoder else "hevc")
    assert len(made.files) == 2


@pytest.mark.parametrize(("way", "first"), WAYS)
def test_the_segment_that_is_being_written_is_used_up_to_its_last_whole_fragment(
    data: Path, rich_video: Path, way: dict[str, Any], first: int
) -> None:
    segments = record(data, rich_video, segment_s=4.0)
    grow(open_path(segments[-1]), segments[-1], 0.7, reaches_s=START_S + 10.5)

    made = make_clip(data, START_S + 1.33, START_S + 60.0, now_at_s=START_S + 12.0, **way)

    shown = look(made.path).numbers
    assert shown[0] == first
    assert shown[-1] >= 80
    assert made.result.cut_at_s == pytest.approx(START_S + 10.0, abs=1.0)
