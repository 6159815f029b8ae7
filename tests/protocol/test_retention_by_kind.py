"""Recordings that are kept by what they show: nothing that is wanted is deleted, and what is not wanted goes."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framebus.keep import Keep, read_keep, words_of, write_keep
from framebus.keep_settings import KeepByKind
from framebus.recordings import closed_name, hour_folder, recordings_folder
from framebus.retention import AT_ONCE, LOOKS, Retention
from framebus.shelf import AGAIN_S
from framebus.shown import Shown, note_shown, slot_of
from framebus.testing import FakeClock
from framebus.wall_trust import TRUST_S

CAMERA = "front"
HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
KEEP = Keep(2 * DAY_S, 7 * DAY_S, 30 * DAY_S)
SEGMENT_S = 10.0


def record(data: Path, at_s: float, duration_s: float = SEGMENT_S) -> Path:
    folder = hour_folder(data, CAMERA, at_s)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / closed_name(round(at_s * 1_000), round(duration_s * 1_000))
    path.write_bytes(b"video")
    return path


def watch(data: Path, start_s: float, end_s: float, shown: Shown = Shown.NOTHING) -> None:
    for slot in range(slot_of(start_s), slot_of(end_s) + 1):
        note_shown(data, CAMERA, slot, shown)


def segment_of(data: Path, at_s: float, shown: Shown) -> Path:
    """A recording of which it is known what it shows."""
    if shown is not Shown.UNKNOWN:
        watch(data, at_s - 10.0, at_s + SEGMENT_S + 10.0, shown)
    return record(data, at_s)


def trusted(keeper: Retention, clock: FakeClock) -> Retention:
    keeper.step()
    clock.advance(TRUST_S)
    return keeper


def run(keeper: Retention, most: int = 1_000) -> int:
    steps = 1
    while keeper.step():
        steps += 1
        assert steps < most
    return steps


def test_what_shows_nothing_goes_first_then_motion_then_objects_and_what_nobody_knows(tmp_path: Path) -> None:
    clock = FakeClock()
    kinds = (Shown.NOTHING, Shown.MOTION, Shown.OBJECT, Shown.UNKNOWN)
    paths = {
        (age_days, kind): segment_of(tmp_path, clock.wall_s() - age_days * DAY_S + number * 60.0, kind)
        for age_days in (31, 20, 5, 1)
        for number, kind in enumerate(kinds)
    }

    run(trusted(Retention(tmp_path, CAMERA, KEEP, clock), clock))

    left = {which for which, path in paths.items() if path.exists()}
    assert {kind for age_days, kind in left if age_days == 31} == set()
    assert {kind for age_days, kind in left if age_days == 20} == {Shown.OBJECT, Shown.UNKNOWN}
    assert {kind for age_days, kind in left if age_days == 5} == {Shown.MOTION, Shown.OBJECT, Shown.UNKNOWN}
    assert {kind for age_days, kind in left if age_days == 1} == set(kinds)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_whatever_happened_nothing_wanted_is_ever_deleted_and_all_else_goes(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), FakeClock()
        keep = Keep(*sorted(data.draw(st.tuples(*[st.integers(0, 72)] * 3))))
        keep = Keep(keep.all_s * HOUR_S, keep.motion_s * HOUR_S, keep.objects_s * HOUR_S)
        began_s = clock.wall_s() - 80 * HOUR_S
        shown: dict[int, Shown] = {}
        paths = []
        for _ in range(data.draw(st.integers(1, 12))):
            at_s = began_s + data.draw(st.integers(0, 80 * 3_600 - 700))
            duration_s = data.draw(st.sampled_from([1.0, 10.0, 600.0]))
            paths.append((at_s, duration_s, record(folder, at_s, duration_s)))
            for slot in range(slot_of(at_s - 15.0), slot_of(at_s + duration_s + 15.0)):
                shown[slot] = data.draw(
                    st.sampled_from([Shown.NOTHING] * 12 + [Shown.MOTION, Shown.OBJECT, Shown.UNKNOWN])
                )
        for slot in sorted(shown):
            if shown[slot] is not Shown.UNKNOWN:
                note_shown(folder, CAMERA, slot, shown[slot])
        keeper = trusted(Retention(folder, CAMERA, keep, clock), clock)

        def is_wanted(at_s: float, duration_s: float) -> bool:
            slots = range(slot_of(at_s - 5.0), slot_of(at_s + duration_s + 5.0 - 1e-3) + 1)
            seen = {shown.get(slot, Shown.UNKNOWN) for slot in slots}
            age_s = clock.wall_s() - (at_s + duration_s)
            longest = seen & {Shown.OBJECT, Shown.UNKNOWN}
            return age_s <= (keep.objects_s if longest else keep.motion_s if Shown.MOTION in seen else keep.all_s)

        for advance_s in (0.0, 3 * HOUR_S, DAY_S, DAY_S, 2 * DAY_S):
            clock.advance(advance_s)
            run(keeper, most=50)

            for at_s, duration_s, path in paths:
                assert path.exists() is is_wanted(at_s, duration_s)


def test_what_is_known_later_counts_within_a_day(tmp_path: Path) -> None:
    clock = FakeClock()
    at_s = clock.wall_s() - 3 * DAY_S
    path = record(tmp_path, at_s)
    keeper = trusted(Retention(tmp_path, CAMERA, KEEP, clock), clock)
    run(keeper)
    was_there = path.exists()

    watch(tmp_path, at_s - 10.0, at_s + 20.0)
    clock.advance(AGAIN_S)
    run(keeper)

    assert was_there
    assert not path.exists()


def test_what_has_just_been_recorded_is_not_judged_before_it_can_be_known(tmp_path: Path) -> None:
    clock = FakeClock()
    keeper = trusted(Retention(tmp_path, CAMERA, Keep(0.0, 0.0, DAY_S), clock), clock)
    run(keeper)
    path = record(tmp_path, clock.wall_s() - SEGMENT_S)
    watch(tmp_path, clock.wall_s() - 20.0, clock.wall_s() + 20.0)

    clock.advance(29.0)
    run(keeper)
    was_there = path.exists()
    clock.advance(31.0)
    run(keeper)

    assert was_there
    assert not path.exists()


def test_thirty_days_are_looked_at_in_small_steps_once_and_then_only_what_is_due(tmp_path: Path) -> None:
    clock = FakeClock()
    start_s = clock.wall_s() - 29 * DAY_S
    hours = 29 * 24
    for number in range(hours):
        segment_of(tmp_path, start_s + number * HOUR_S, Shown.OBJECT)
    keeper = trusted(Retention(tmp_path, CAMERA, KEEP, clock), clock)

    before = keeper.shelf.looks
    steps = run(keeper)
    first = keeper.shelf.looks - before
    looks = []
    for _ in range(12):
        clock.advance(30.0)
        at = keeper.shelf.looks
        run(keeper)
        looks.append(keeper.shelf.looks - at)

    assert first <= 2 * hours
    assert first / steps <= 2 * LOOKS
    assert max(looks) <= 2


@pytest.mark.parametrize("is_trusted", [True, False])
def test_where_the_disk_is_short_all_are_kept_shorter_alike(tmp_path: Path, is_trusted: bool) -> None:
    clock = FakeClock()
    ages = {Shown.NOTHING: [0.5, 1.5], Shown.MOTION: [1.0, 6.0], Shown.OBJECT: [3.0, 20.0]}
    paths = {
        (kind, age): segment_of(tmp_path, clock.wall_s() - age * DAY_S + number * 7_200.0, kind)
        for number, (kind, each) in enumerate(ages.items())
        for age in each
    }
    keeper = Retention(tmp_path, CAMERA, KEEP, clock, lambda: len(list(tmp_path.rglob("*.mp4"))) > 3)

    if is_trusted:
        clock.advance(TRUST_S)
    run(keeper)

    left = {which for which, path in paths.items() if path.exists()}
    assert left == {(Shown.NOTHING, 0.5), (Shown.MOTION, 1.0), (Shown.OBJECT, 3.0)}


def test_with_a_clock_that_is_wrong_at_the_start_the_oldest_still_go_first(tmp_path: Path) -> None:
    clock = FakeClock()
    paths = [segment_of(tmp_path, clock.wall_s() - age * HOUR_S, Shown.OBJECT) for age in (30, 20, 10)]
    clock.jump_wall(-50 * 365 * DAY_S)

    run(Retention(tmp_path, CAMERA, KEEP, clock, lambda: len(list(tmp_path.rglob("*.mp4"))) > 1))

    assert [path.exists() for path in paths] == [False, False, True]


def test_no_more_than_a_few_files_go_in_one_step(tmp_path: Path) -> None:
    clock = FakeClock()
    at_s = clock.wall_s() - 5 * DAY_S
    watch(tmp_path, at_s - 10.0, at_s + 200 * SEGMENT_S)
    for number in range(180):
        record(tmp_path, at_s + number * SEGMENT_S)
    keeper = trusted(Retention(tmp_path, CAMERA, KEEP, clock), clock)
    counts = []
    while keeper.step():
        counts.append(len(list(tmp_path.rglob("*.mp4"))))

    assert max(a - b for a, b in zip([180, *counts], counts, strict=False)) <= AT_ONCE
    assert list(tmp_path.rglob("*.mp4")) == []


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("7d", ("7d", "7d", "7d")),
        (KeepByKind(all="2d", motion="7d", objects="30d"), ("2d", "7d", "30d")),
        (KeepByKind(all="2d", objects="30d"), ("2d", "2d", "30d")),
        (KeepByKind(all="12h"), ("12h", "12h", "12h")),
    ],
)
def test_the_note_beside_the_recordings_says_the_times_by_kind(
    tmp_path: Path, setting: str | KeepByKind, words: tuple[str, str, str]
) -> None:
    write_keep(tmp_path, CAMERA, setting)

    assert words_of(setting) == words
    assert read_keep(tmp_path, CAMERA) == Keep.of(setting)


@pytest.mark.parametrize("note", ["{", '{"all": "2d", "motion": "1d"}', '{"motion": "1d"}', "weekly", ""])
def test_a_note_that_makes_no_sense_is_as_none(tmp_path: Path, note: str) -> None:
    write_keep(tmp_path, CAMERA, "1d")
    (recordings_folder(tmp_path, CAMERA) / ".keep").write_text(note)

    assert read_keep(tmp_path, CAMERA) == Keep.whatever(7 * DAY_S)
