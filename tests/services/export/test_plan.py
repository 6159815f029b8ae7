"""Which segments a clip is made of."""

import os
from pathlib import Path

from framebus.recordings import closed_name, hour_folder, open_name
from framebus_services.export.plan import Span, cover, find_again, find_spans

START_S = 1_790_000_000.0


def put(data: Path, name: str, changed_s: float | None = None) -> Path:
    folder = hour_folder(data, "front", START_S)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.touch()
    if changed_s is not None:
        os.utime(path, (changed_s, changed_s))
    return path


def closed(data: Path, at_s: float, length_s: float, copy: int = 1) -> Path:
    return put(data, closed_name(round((START_S + at_s) * 1_000), round(length_s * 1_000), copy))


def opened(data: Path, at_s: float, changed_at_s: float) -> Path:
    return put(data, open_name(round((START_S + at_s) * 1_000)), START_S + changed_at_s)


def found(data: Path, start_s: float, end_s: float) -> list[Span]:
    return find_spans(data, "front", START_S + start_s, START_S + end_s)


def test_segments_come_in_order_of_their_start(data: Path) -> None:
    paths = [closed(data, at_s, 10.0) for at_s in (20.0, 0.0, 10.0)]

    assert [span.segment.path for span in found(data, 5.0, 25.0)] == [paths[1], paths[2], paths[0]]


def test_a_segment_under_both_of_its_names_counts_once(data: Path) -> None:
    closed(data, 0.0, 10.0)
    for changed_at_s in (9.9, 10.2):
        opened(data, 0.0, changed_at_s)

        assert len(found(data, 0.0, 20.0)) == 1


def test_a_copy_of_a_segment_counts_once(data: Path) -> None:
    closed(data, 0.0, 10.0)
    closed(data, 0.0, 10.0, copy=2)

    assert len(found(data, 0.0, 20.0)) == 1


def test_an_open_segment_that_was_left_long_ago_holds_nothing_of_later_times(data: Path) -> None:
    opened(data, 0.0, changed_at_s=5.0)

    assert len(found(data, 4.0, 20.0)) == 1
    assert found(data, 6.0, 20.0) == []


def test_an_open_segment_is_found_again_under_its_final_name(data: Path) -> None:
    path = opened(data, 0.0, changed_at_s=5.0)
    segment = found(data, 0.0, 20.0)[0].segment
    path.unlink()

    assert find_again(segment) is None
    final = closed(data, 0.0, 10.0)
    again = find_again(segment)
    assert again is not None
    assert again.path == final


def test_only_what_is_younger_than_two_segments_may_be_missing_at_the_end() -> None:
    spans = [(0.0, 100.0)]

    assert cover(spans, 50.0, 200.0, now_at_s=119.0) == cover(spans, 50.0, 119.0, now_at_s=119.0)
    assert cover(spans, 50.0, 200.0, now_at_s=119.0).is_cut
    assert cover(spans, 50.0, 200.0, now_at_s=119.0).gaps == []
    assert cover(spans, 50.0, 200.0, now_at_s=150.0).gaps == [(100.0, 130.0)]
    assert not cover(spans, 50.0, 110.0, now_at_s=150.0).is_cut
    assert cover(spans, 50.0, 110.0, now_at_s=150.0).gaps == [(100.0, 110.0)]
