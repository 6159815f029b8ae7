"""Files that are still being written: what of them is whole."""

from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framebus_services.video.fragments import open_growing, whole_bytes
from services.export.recorded import Recorded, grow, record


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory, rich_video: Path) -> tuple[Path, Recorded]:
    """An open segment with all of its fragments but the last."""
    data = tmp_path_factory.mktemp("growing")
    segment = record(data, rich_video, segment_s=12.0)[0]
    return grow(data / "open.mp4.part", segment, 1.0, reaches_s=0.0), segment


@given(share=st.floats(0.0, 1.0))
@settings(max_examples=60, deadline=None)
def test_a_file_cut_anywhere_gives_whole_pictures_only(growing: tuple[Path, Recorded], share: float) -> None:
    path, segment = growing
    cut = path.with_name("cut.mp4.part")
    data = path.read_bytes()
    cut.write_bytes(data[: round(len(data) * share)])

    if whole_bytes(cut) == 0:
        with pytest.raises(EOFError, match="no fragment is whole yet"):
            open_growing(cut)
        return
    with open_growing(cut) as container:
        found = [bytes(packet) for packet in container.demux(video=0) if packet.size]

    assert found == segment.payloads[: len(found)]
    assert len(found) * len(data) >= 120 * len(cut.read_bytes()) - 25 * len(data)  # a fragment of 0.5 s and what waits


def test_what_is_added_after_opening_is_not_seen(growing: tuple[Path, Recorded]) -> None:
    path, _ = growing
    data = path.read_bytes()
    cut = path.with_name("grows.mp4.part")
    cut.write_bytes(data[: len(data) // 2])

    with open_growing(cut) as container:
        before = whole_bytes(cut)
        with cut.open("ab") as file:
            file.write(data[len(data) // 2 :])
        found = sum(1 for packet in container.demux(video=0) if packet.size)

    assert before < whole_bytes(cut)
    assert found < 80


def test_a_closed_file_is_whole(rich_video: Path) -> None:
    assert whole_bytes(rich_video) == rich_video.stat().st_size
    with open_growing(rich_video) as container:
        assert container.duration == pytest.approx(12 * av.time_base, abs=av.time_base // 10)


@pytest.mark.parametrize("junk", [b"", b"\0" * 64, b"\xff" * 64, b"\0\0\0\x08free" * 4, b"\0\0\0\x01mdat\0\0"])
def test_what_is_no_video_has_nothing_whole(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.part"
    path.write_bytes(junk)

    assert whole_bytes(path) == 0
