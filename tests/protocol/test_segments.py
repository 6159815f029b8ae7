"""The folder tree of recordings is the index: names, listing, gaps."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framebus.recordings import (
    LONGEST_SEGMENT_S,
    Segment,
    closed_name,
    gaps,
    hour_folder,
    latest_segment_end_s,
    list_segments,
    open_name,
    parse_segment,
    recordings_folder,
)

NOON_S = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
MS = st.integers(0, 4 * 10**12)


def record(data: Path, start_s: float, duration_s: float | None, camera: str = "front") -> Path:
    """A segment on disk; without a duration one that is being written."""
    folder = hour_folder(data, camera, start_s)
    folder.mkdir(parents=True, exist_ok=True)
    start_ms = round(1_000 * start_s)
    path = folder / (open_name(start_ms) if duration_s is None else closed_name(start_ms, round(1_000 * duration_s)))
    path.touch()
    return path


def listed(data: Path, start_s: float, end_s: float) -> list[Path]:
    return [segment.path for segment in list_segments(data, "front", start_s, end_s)]


@given(MS, st.integers(0, 10**7), st.integers(1, 9))
def test_the_name_of_a_closed_segment_tells_its_times(start_ms: int, duration_ms: int, copy: int) -> None:
    path = Path(closed_name(start_ms, duration_ms, copy))

    assert parse_segment(path) == Segment(start_ms, start_ms + duration_ms, path)


@given(MS)
def test_the_name_of_an_open_segment_tells_its_start_and_no_end(start_ms: int) -> None:
    segment = parse_segment(Path(open_name(start_ms)))

    assert segment is not None
    assert (segment.start_ms, segment.end_ms, segment.is_open) == (start_ms, None, True)


@pytest.mark.parametrize(
    "name",
    ["", "clip.mp4", "1.mp4", "1_2.mp4.part", "-1_2.mp4", "1_2_3.mp4", "1_2.mkv", ".1_2.mp4", "a1_2.mp4"],
)
def test_other_files_are_no_segments(name: str) -> None:
    assert parse_segment(Path(name)) is None


def test_segments_lie_in_folders_of_their_hour_in_utc() -> None:
    folder = hour_folder(Path("/data"), "front", NOON_S)

    assert folder == Path("/data/recordings/front/2026-09-21/14")


@pytest.mark.parametrize(
    ("start_s", "duration_s", "is_found"),
    [
        (NOON_S - 10, 10.0, False),
        (NOON_S - 10, 10.001, True),
        (NOON_S + 5, 1.0, True),
        (NOON_S + 59.999, 10.0, True),
        (NOON_S + 60, 10.0, False),
        (NOON_S - LONGEST_SEGMENT_S, LONGEST_SEGMENT_S + 1, True),
        (NOON_S - 100, None, True),
        (NOON_S + 60, None, False),
    ],
)
def test_segments_that_overlap_the_range_are_listed(
    tmp_path: Path, start_s: float, duration_s: float | None, is_found: bool
) -> None:
    path = record(tmp_path, start_s, duration_s)

    assert listed(tmp_path, NOON_S, NOON_S + 60) == ([path] if is_found else [])


def test_segments_are_listed_in_the_order_of_their_starts_across_hours_and_days(tmp_path: Path) -> None:
    starts = [NOON_S + hour * 3_600 for hour in (20, 0, 5, 11, 1)]
    for start_s in starts:
        record(tmp_path, start_s, 10.0)

    found = list_segments(tmp_path, "front", NOON_S, NOON_S + 86_400)

    assert [segment.start_ms / 1_000 for segment in found] == sorted(starts)


def test_segments_of_other_cameras_and_other_files_are_not_listed(tmp_path: Path) -> None:
    record(tmp_path, NOON_S, 10.0, camera="front2")
    (record(tmp_path, NOON_S, 10.0).parent / "notes.txt").touch()

    assert len(listed(tmp_path, NOON_S, NOON_S + 60)) == 1


def test_where_nothing_was_recorded_nothing_is_listed(tmp_path: Path) -> None:
    assert listed(tmp_path, NOON_S, NOON_S + 60) == []
    assert latest_segment_end_s(tmp_path, "front") is None


def test_a_file_in_place_of_a_folder_does_no_harm(tmp_path: Path) -> None:
    folder = hour_folder(tmp_path, "front", NOON_S)
    folder.parent.mkdir(parents=True)
    folder.touch()
    (recordings_folder(tmp_path, "front") / "stray").touch()

    assert listed(tmp_path, NOON_S, NOON_S + 60) == []
    assert latest_segment_end_s(tmp_path, "front") is None


def test_the_latest_end_is_that_of_closed_segments(tmp_path: Path) -> None:
    record(tmp_path, NOON_S, 10.0)
    record(tmp_path, NOON_S + 3_600, None)

    assert latest_segment_end_s(tmp_path, "front") == NOON_S + 10.0


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(-7_300, 7_300), st.integers(1, 3_600)), max_size=12, unique=True),
    st.integers(-7_200, 7_200),
    st.integers(0, 7_200),
)
def test_listing_finds_exactly_what_overlaps(
    tmp_path_factory: pytest.TempPathFactory, recorded: list[tuple[int, int]], start: int, length: int
) -> None:
    data = tmp_path_factory.mktemp("data")
    for at, duration in recorded:
        record(data, NOON_S + at, float(duration))

    found = list_segments(data, "front", NOON_S + start, NOON_S + start + length)

    expected = [at for at, duration in recorded if at < start + length and at + duration > start]
    assert [segment.start_ms / 1_000 - NOON_S for segment in found] == sorted(expected)


SPANS = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=10).map(
    lambda some: sorted((float(at), float(at + length)) for at, length in some)
)


@given(SPANS, st.integers(0, 100), st.integers(1, 100))
def test_gaps_are_exactly_the_seconds_that_no_span_covers(
    spans: list[tuple[float, float]], start: int, length: int
) -> None:
    end = start + length
    missing = {second for second in range(start, end) if not any(first <= second < last for first, last in spans)}

    found = gaps(spans, float(start), float(end), least_s=0.0)

    assert {second for first, last in found for second in range(int(first), int(last))} == missing
    assert all(first < last for first, last in found)


@given(SPANS, st.floats(0.0, 5.0))
def test_gaps_that_are_too_short_are_left_out(spans: list[tuple[float, float]], least_s: float) -> None:
    every = gaps(spans, 0.0, 130.0, least_s=0.0)

    assert gaps(spans, 0.0, 130.0, least_s=least_s) == [gap for gap in every if gap[1] - gap[0] > least_s]


def test_where_nothing_is_the_whole_range_is_a_gap() -> None:
    assert gaps([], 5.0, 10.0) == [(5.0, 10.0)]
