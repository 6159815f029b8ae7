"""All recordings together take no more than they may, and those go first that have had most of their time."""

from pathlib import Path

import pytest

from framebus.keep import write_keep
from framebus.keep_settings import KeepByKind
from framebus.recordings import closed_name, hour_folder, open_name
from framebus.shown import Shown, note_shown, slot_of
from framebus.testing import FakeClock
from framebus_launcher.bound import PERIOD_S, Bound

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
SIZE = 1_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def segment(data: Path, camera: str, at_s: float) -> Path:
    folder = hour_folder(data, camera, at_s)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / closed_name(round(at_s * 1_000), 10_000)
    path.write_bytes(bytes(SIZE))
    return path


def taken(data: Path) -> int:
    return sum(path.stat().st_size for path in (data / "recordings").rglob("*.mp4*"))


def test_beyond_the_bound_the_oldest_of_all_cameras_go_and_those_of_removed_ones_too(
    tmp_path: Path, clock: FakeClock
) -> None:
    ages_h = {"front": [50, 30, 10], "removed": [60, 20]}
    paths = {
        (name, age): segment(tmp_path, name, clock.wall_s() - age * HOUR_S) for name in ages_h for age in ages_h[name]
    }
    bound = Bound(tmp_path, lambda: 3 * SIZE, clock)

    bound.sweep()

    assert {which for which, path in paths.items() if path.exists()} == {("front", 30), ("front", 10), ("removed", 20)}
    assert bound.deleted == 2


def test_who_is_kept_longer_goes_later_so_that_all_are_kept_shorter_alike(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "short", "2d")
    write_keep(tmp_path, "long", KeepByKind(all="2d", objects="30d"))
    short, long = (
        segment(tmp_path, name, clock.wall_s() - age) for name, age in (("short", DAY_S), ("long", 9 * DAY_S))
    )
    nothing = segment(tmp_path, "long", clock.wall_s() - 1.5 * DAY_S)
    for slot in range(slot_of(clock.wall_s() - 1.5 * DAY_S - 20.0), slot_of(clock.wall_s() - 1.5 * DAY_S + 40.0)):
        note_shown(tmp_path, "long", slot, Shown.NOTHING)

    left = []
    for most in (2, 1):
        Bound(tmp_path, lambda most=most: most * SIZE, clock).sweep()  # type: ignore[misc]
        left.append([path.exists() for path in (short, long, nothing)])

    assert left == [[True, True, False], [False, True, False]]


def test_within_the_bound_or_without_one_nothing_goes(tmp_path: Path, clock: FakeClock) -> None:
    paths = [segment(tmp_path, "front", clock.wall_s() - 300 * DAY_S)]
    most: list[float | None] = [None, SIZE]

    for one in most:
        Bound(tmp_path, lambda one=one: one, clock).sweep()  # type: ignore[misc]

    assert all(path.exists() for path in paths)


def test_a_bound_that_changes_counts_from_the_next_look_on(tmp_path: Path, clock: FakeClock) -> None:
    old, new = (segment(tmp_path, "front", clock.wall_s() - age * HOUR_S) for age in (30, 20))
    most: list[float | None] = [None]
    bound = Bound(tmp_path, lambda: most[0], clock)
    bound.sweep()
    was_there = old.exists()

    most[0] = SIZE
    bound.sweep()

    assert was_there
    assert not old.exists()
    assert new.exists()


def test_what_is_being_written_is_counted_and_never_deleted_nor_what_is_no_recording(
    tmp_path: Path, clock: FakeClock
) -> None:
    closed = segment(tmp_path, "front", clock.wall_s() - 60.0)
    others = [
        closed.with_name(open_name(round(clock.wall_s() * 1_000))),
        closed.with_name("holiday.mp4"),
        tmp_path / "recordings" / "My Videos" / "2020-01-01" / "01" / closed.name,
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(SIZE))

    Bound(tmp_path, lambda: 2.5 * SIZE, clock).sweep()

    assert not closed.exists()
    assert all(path.exists() for path in others)


def test_only_hours_that_changed_are_counted_again(tmp_path: Path, clock: FakeClock) -> None:
    for number in range(100):
        segment(tmp_path, "front", clock.wall_s() - (number + 3) * HOUR_S)
    bound = Bound(tmp_path, lambda: 1e9, clock)
    bound.sweep()
    first = bound.counted

    counts = []
    for _ in range(3):
        segment(tmp_path, "front", clock.wall_s())
        clock.advance(PERIOD_S)
        at = bound.counted
        bound.sweep()
        counts.append(bound.counted - at)

    assert first == 100
    assert max(counts) <= 3


def test_however_much_is_recorded_the_bound_holds_after_each_look(tmp_path: Path, clock: FakeClock) -> None:
    bound = Bound(tmp_path, lambda: 20 * SIZE, clock)

    for _ in range(30):
        for camera in ("front", "back"):
            for second in (0, 10, 20):
                segment(tmp_path, camera, clock.wall_s() + second)
        clock.advance(PERIOD_S)
        bound.sweep()

        assert taken(tmp_path) <= 20 * SIZE
    assert taken(tmp_path) == 20 * SIZE


def test_within_one_hour_cameras_take_turns(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "back", KeepByKind(all="7d", objects="14d"))
    for number in range(60):
        for camera in ("front", "back"):
            segment(tmp_path, camera, clock.wall_s() - 1_800.0 + 10.0 * number)

    Bound(tmp_path, lambda: 80 * SIZE, clock).sweep()

    left = {name: len(list((tmp_path / "recordings" / name).rglob("*.mp4"))) for name in ("front", "back")}
    assert left == {"front": 20, "back": 60}, "of the age of all, front has had the larger part of its time"


def test_what_comes_to_an_hour_that_was_emptied_is_seen(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "front", KeepByKind(all="1h", objects="4h"))
    bound = Bound(tmp_path, lambda: SIZE / 2, clock)

    left = []
    for number in range(3):
        segment(tmp_path, "front", clock.wall_s() + 10.0 * number)
        bound.sweep()
        left.append(taken(tmp_path))

    assert left == [0, 0, 0]
