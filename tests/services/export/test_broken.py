"""Segments that are damaged or go missing: what is left of a clip, and what is told."""

from pathlib import Path
from typing import Any

import pytest

from framebus.requests import FailKind
from framebus.runner import WorkError
from services.export.clipping import WatchedReport, make_clip
from services.export.looking import look
from services.export.recorded import START_S, Recorded, record

ENCODED = {"mode": "encode", "preset": "small"}
TIMELAPSE = {"mode": "timelapse", "speed": 10}
INSTANT = {"mode": "timelapse", "speed": 10, "instant": True}


def wipe(segment: Recorded, first: float, last: float) -> None:
    """Write zeros over a share of a segment's pictures, as a disk does that lost them."""
    data = bytearray(segment.path.read_bytes())
    index = data.rindex(b"moov") - 4
    begin, end = data.index(b"mdat") + 4, index
    begin, end = begin + round((end - begin) * first), begin + round((end - begin) * last)
    data[begin:end] = bytes(end - begin)
    segment.path.write_bytes(data)


@pytest.mark.parametrize("mode", [{}, ENCODED, TIMELAPSE, INSTANT])
def test_a_segment_that_can_not_be_opened_is_left_out_with_a_warning_when_gaps_are_allowed(
    data: Path, video: Path, mode: dict[str, Any]
) -> None:
    broken = record(data, video)[2]
    broken.path.write_bytes(b"\0" * 20_000)

    with pytest.raises(WorkError, match=f"has gaps: .*set allow_gaps=true.*segment {broken.path.name} can't be read"):
        make_clip(data, START_S, START_S + 12.0, report=WatchedReport(data.with_name("other")), **mode)
    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True, **mode)

    assert not {40, 50} & set(look(made.path).numbers)
    assert {30, 60} <= set(look(made.path).numbers)
    assert made.result.gaps == [(START_S + 4.0, START_S + 6.0)]
    assert made.result.warnings[0].startswith(f"segment {broken.path.name} can't be read: ")


@pytest.mark.parametrize("mode", [{}, ENCODED, TIMELAPSE, INSTANT])
def test_a_segment_whose_pictures_are_wiped_out_ends_the_clip_or_is_left_out(
    data: Path, rich_video: Path, mode: dict[str, Any]
) -> None:
    broken = record(data, rich_video)[2]
    wipe(broken, 0.0, 1.0)

    with pytest.raises(
        WorkError, match=f"segment {broken.path.name} can't be read: its pictures are destroyed"
    ) as caught:
        make_clip(data, START_S, START_S + 12.0, report=WatchedReport(data.with_name("other")), **mode)
    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True, **mode)

    assert caught.value.kind is FailKind.NO_SOURCE
    assert not {40, 50} & set(look(made.path).numbers)
    assert made.result.warnings == [f"segment {broken.path.name} can't be read: its pictures are destroyed"]


def test_what_can_be_read_of_a_damaged_segment_is_kept(data: Path, video: Path) -> None:
    segments = record(data, video, segment_s=4.0)
    wipe(segments[1], 0.6, 1.0)

    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True)

    shown = look(made.path)
    assert set(range(55)) < set(shown.numbers)
    assert set(range(80, 120)) < set(shown.numbers)
    assert 79 not in shown.numbers
    assert shown.duration_s == pytest.approx(12.0, abs=0.01)


@pytest.mark.parametrize("mode", [{}, ENCODED, TIMELAPSE, INSTANT])
@pytest.mark.parametrize("number", [0, 3, 5])
def test_a_segment_that_is_deleted_while_the_clip_is_made_is_left_out_when_gaps_are_allowed(
    data: Path, video: Path, mode: dict[str, Any], number: int
) -> None:
    gone = record(data, video)[number].path
    report = WatchedReport(data)
    for step in ("copying", "encoding"):
        report.when[step] = lambda: gone.unlink(missing_ok=True)

    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True, report=report, **mode)

    shown = look(made.path).numbers
    assert shown == sorted(shown)
    assert {0, 60, 110} - {20 * number, 20 * number + 10} <= set(shown)
    is_read_already = 20 * number in shown  # it was open when it was deleted
    assert is_read_already or any(gone.name in warning for warning in made.result.warnings)


def test_a_range_of_which_no_picture_is_good_is_no_clip(data: Path, video: Path) -> None:
    for segment in record(data, video):
        wipe(segment, 0.0, 1.0)

    with pytest.raises(
        WorkError, match=r"there is no picture in the range; segment .*pictures are destroyed"
    ) as caught:
        make_clip(data, START_S, START_S + 12.0, allow_gaps=True)

    assert caught.value.kind is FailKind.NO_SOURCE


def test_many_warnings_are_cut_and_counted(data: Path, video: Path) -> None:
    segments = record(data, video, segment_s=1.0)
    for segment in segments[1:]:
        segment.path.write_bytes(b"nothing at all")

    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True)

    assert len(made.result.warnings) == 10
    assert made.result.more_warnings >= 1
