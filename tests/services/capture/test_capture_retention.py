"""What is deleted, and what never is."""

from pathlib import Path

from framebus.keep import Keep
from framebus.recordings import closed_name, hour_folder, open_name, recordings_folder
from framebus.retention import Retention
from framebus.testing import FakeClock
from framebus.wall_trust import TRUST_S
from framebus_services.capture.disk import Disk, Space

CAMERA = "front"
HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


def segment(data: Path, at_s: float, camera: str = CAMERA) -> Path:
    folder = hour_folder(data, camera, at_s)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / closed_name(round(at_s * 1_000), 10_000)
    path.write_bytes(b"video")
    return path


def retention(data: Path, clock: FakeClock, *, is_short: bool = False, up_s: float = TRUST_S) -> Retention:
    floor = {"floor_share": 1.0, "floor_limit_bytes": 2**62} if is_short else {"floor_share": 0.0}
    disk = Disk(data / "recordings", **floor)  # type: ignore[arg-type]
    keeper = Retention(data, CAMERA, Keep.whatever(DAY_S), clock, lambda: disk.space().is_getting_short)
    clock.advance(up_s)
    return keeper


def run(keeper: Retention) -> int:
    """Steps until there is nothing more to do."""
    steps = 1
    while keeper.step():
        steps += 1
    return steps


def test_segments_past_their_time_go_and_their_empty_folders_with_them(tmp_path: Path) -> None:
    clock = FakeClock()
    now_s = clock.wall_s()
    old = [segment(tmp_path, now_s - age_s) for age_s in (5 * DAY_S, 3 * DAY_S, 25 * HOUR_S)]
    young = [segment(tmp_path, now_s - age_s) for age_s in (22 * HOUR_S, 60.0)]
    keeper = retention(tmp_path, clock)

    run(keeper)

    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)
    assert not old[0].parent.parent.exists()
    assert keeper.tally["deleted.old"] == 3


def test_a_step_deletes_only_a_few_files_so_that_the_loop_goes_on(tmp_path: Path) -> None:
    clock = FakeClock()
    for number in range(120):
        segment(tmp_path, clock.wall_s() - 3 * DAY_S + number * 10)

    steps = run(retention(tmp_path, clock))

    assert steps == 3


def test_the_open_segment_and_other_cameras_are_never_touched(tmp_path: Path) -> None:
    clock = FakeClock()
    at_s = clock.wall_s() - 3 * DAY_S
    folder = segment(tmp_path, at_s).parent
    part = folder / open_name(round(at_s * 1_000) + 10_000)
    part.write_bytes(b"open")
    other = segment(tmp_path, at_s, camera="front2")

    run(retention(tmp_path, clock, is_short=True))

    assert part.exists()
    assert other.exists()


class NearlyFull(Disk):
    """A disk that has room for one segment."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def space(self) -> Space:
        return Space(free_bytes=100 - len(list(self._data.rglob("*.mp4"))), floor_bytes=79)


def test_where_the_disk_is_getting_short_the_oldest_go_first_whatever_their_age(tmp_path: Path) -> None:
    clock = FakeClock()
    paths = [segment(tmp_path, clock.wall_s() - age_s) for age_s in (3 * HOUR_S, 2 * HOUR_S, 60.0)]
    keeper = Retention(
        tmp_path, CAMERA, Keep.whatever(DAY_S), clock, lambda: NearlyFull(tmp_path).space().is_getting_short
    )

    run(keeper)

    assert [path.exists() for path in paths] == [False, False, True]
    assert keeper.tally["deleted.for_space"] == 2


def test_nothing_is_deleted_by_age_when_the_clock_has_just_jumped(tmp_path: Path) -> None:
    clock = FakeClock()
    path = segment(tmp_path, clock.wall_s() - HOUR_S)
    keeper = retention(tmp_path, clock)

    clock.jump_wall(10 * DAY_S)
    run(keeper)
    survived = path.exists()
    clock.advance(2 * HOUR_S)
    run(keeper)

    assert survived
    assert not path.exists()


def test_a_clock_that_was_wrong_at_the_start_deletes_nothing_by_age(tmp_path: Path) -> None:
    clock = FakeClock()
    path = segment(tmp_path, clock.wall_s() - HOUR_S)
    clock.jump_wall(3_650 * DAY_S)
    keeper = retention(tmp_path, clock, up_s=60.0)

    run(keeper)
    clock.jump_wall(-3_650 * DAY_S)  # NTP sets it right
    run(keeper)

    assert path.exists()


def test_without_room_the_oldest_go_from_the_start_on(tmp_path: Path) -> None:
    clock = FakeClock()
    path = segment(tmp_path, clock.wall_s() - HOUR_S)

    run(retention(tmp_path, clock, is_short=True, up_s=0.0))

    assert not path.exists()


def test_what_could_not_be_repaired_goes_with_the_recordings_of_its_time(tmp_path: Path) -> None:
    clock = FakeClock()
    bad = []
    for age_s in (3 * DAY_S, HOUR_S):
        closed = segment(tmp_path, clock.wall_s() - age_s)
        bad.append(closed.with_name(f"{closed.stem.partition('_')[0]}.mp4.bad"))
        bad[-1].write_bytes(b"garbled")

    run(retention(tmp_path, clock))

    assert [path.exists() for path in bad] == [False, True]
    assert not bad[0].parent.exists()


def test_no_recordings_at_all_are_no_trouble(tmp_path: Path) -> None:
    assert run(retention(tmp_path, FakeClock())) == 1
    assert not recordings_folder(tmp_path, CAMERA).exists()


def test_what_comes_to_an_hour_that_was_emptied_for_room_goes_too(tmp_path: Path) -> None:
    clock = FakeClock()
    keeper = retention(tmp_path, clock, is_short=True)

    left = []
    for number in range(3):
        path = segment(tmp_path, clock.wall_s() + 10.0 * number)
        run(keeper)
        left.append(path.exists())

    assert left == [False, False, False]
