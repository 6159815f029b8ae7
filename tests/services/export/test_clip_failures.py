"""Clips that cannot be made: which end their jobs have, and that nothing is left behind."""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from framebus.requests import FailKind
from framebus.runner import WorkError
from media import frames_of, make_video
from services.export.clipping import WatchedReport, make_clip
from services.export.recorded import START_S, grow, open_path, record


def test_a_gap_is_refused_with_its_times(data: Path, video: Path) -> None:
    record(data, video)[2].path.unlink()

    with pytest.raises(WorkError, match="gaps: 2026-09-21T14:13:24Z to 2026-09-21T14:13:26Z") as caught:
        make_clip(data, START_S, START_S + 12.0)

    assert caught.value.kind is FailKind.NO_SOURCE
    assert list((data / "exports").rglob("*")) == []


def test_a_broken_segment_is_a_gap_and_named(data: Path, video: Path) -> None:
    broken = record(data, video)[2].path
    broken.write_bytes(broken.read_bytes()[:500])

    with pytest.raises(WorkError, match=f"has gaps.*segment {broken.name} can't be read"):
        make_clip(data, START_S, START_S + 12.0)
    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True)

    assert frames_of(made.path) == [*range(40), *range(60, 120)]


def test_a_segment_that_is_deleted_after_the_plan_ends_the_job_with_its_name(data: Path, video: Path) -> None:
    last = record(data, video)[-1].path
    report = WatchedReport(data)
    report.when["copying"] = last.unlink

    with pytest.raises(WorkError, match=f"segment {last.name} can't be read: No such file") as caught:
        make_clip(data, START_S, START_S + 12.0, report=report)

    assert caught.value.kind is FailKind.NO_SOURCE


def test_a_recording_that_breaks_off_is_no_clip(data: Path, video: Path) -> None:
    segments = record(data, video)
    report = WatchedReport(data)
    report.when["copying"] = lambda: shutil.copy(segments[0].path, segments[-1].path) and _shorten(segments[-1].path)

    with pytest.raises(WorkError, match=r"breaks off 1\.0 s before the end") as caught:
        make_clip(data, START_S, START_S + 12.0, report=report)

    assert caught.value.kind is FailKind.NO_SOURCE


def _shorten(path: Path) -> None:
    """Leave only the first second of a segment."""
    short = path.with_suffix(".short")
    with av.open(str(path)) as source, av.open(str(short), "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in list(source.demux(video=0))[:10]:
            packet.stream = stream
            target.mux(packet)
    short.rename(path)


def test_a_change_of_the_picture_inside_the_range_is_told_with_its_time(
    data: Path, video: Path, tmp_path: Path
) -> None:
    record(data, video)
    make_video(tmp_path / "large.mp4", seconds=2, width=640, height=480)
    record(data, tmp_path / "large.mp4", start_s=START_S + 12.0)

    with pytest.raises(WorkError, match="from h264 320x240 to h264 640x480 at 2026-09-21T14:13:32Z") as caught:
        make_clip(data, START_S + 6.0, START_S + 14.0, on_change="refuse")

    assert caught.value.kind is FailKind.PERMANENT
    assert "set on_change=split for a file of each part, or on_change=encode for one" in str(caught.value)
    assert make_clip(data, START_S + 6.0, START_S + 12.0).result.width == 320


def test_a_range_without_recordings_is_no_clip(data: Path, video: Path) -> None:
    record(data, video)

    with pytest.raises(WorkError, match="front has nothing in the range") as caught:
        make_clip(data, START_S - 100.0, START_S - 50.0)

    assert caught.value.kind is FailKind.NO_SOURCE


def test_a_range_whose_first_fragment_is_still_being_written_is_tried_again(data: Path, video: Path) -> None:
    segment = record(data, video, segment_s=12.0)[0]
    grow(open_path(segment), segment, 0.01, reaches_s=START_S + 0.5)

    with pytest.raises(WorkError, match=r"nothing in the range; .* no fragment is whole yet") as caught:
        make_clip(data, START_S, START_S + 2.0, now_at_s=START_S + 2.0)

    assert caught.value.kind is FailKind.TRANSIENT


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 80 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk can't be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_up(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4_096))
        except OSError:
            return


MODES: list[dict[str, Any]] = [
    {},
    {"precise": True},
    {"mode": "encode"},
    {"mode": "timelapse", "speed": 2},
    {"mode": "timelapse", "speed": 2, "instant": True},
]


@pytest.mark.parametrize("mode", MODES)
def test_a_disk_that_fills_up_while_a_clip_is_made_ends_the_job_and_leaves_nothing(
    small_disk: Path, rich_video: Path, mode: dict[str, Any]
) -> None:
    record(small_disk, rich_video)
    report = WatchedReport(small_disk)
    for step in ("copying", "encoding"):
        report.when[step] = lambda: fill_up(small_disk)

    with pytest.raises(OSError, match="No space left") as caught:
        make_clip(small_disk, START_S, START_S + 12.0, report=report, **mode)
    report.remove_temps()

    assert caught.value.errno == errno.ENOSPC  # by which the worker knows that it is to be tried again

    assert [path for path in (small_disk / "exports").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("mode", MODES)
def test_a_disk_without_room_to_spare_is_told_before_anything_is_written(
    small_disk: Path, rich_video: Path, mode: dict[str, Any]
) -> None:
    record(small_disk, rich_video)
    (small_disk / "filler").write_bytes(bytes(20 * 1024 * 1024))

    with pytest.raises(WorkError, match=r"the clip takes .* MB, 67 MB stay free; .* MB are free now") as caught:
        make_clip(small_disk, START_S, START_S + 12.0, **mode)

    assert caught.value.kind is FailKind.NO_SPACE
    assert [path for path in (small_disk / "exports").rglob("*") if path.is_file()] == []
