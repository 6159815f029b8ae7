"""Recordings of cameras that were taken out of the configuration grow old, and nothing else is touched."""

from pathlib import Path

import pytest

from framebus.keep import write_keep
from framebus.keep_settings import KeepByKind
from framebus.place import Place
from framebus.recordings import closed_name, hour_folder, open_name, recordings_folder
from framebus.settings import Camera, Settings
from framebus.shown import Shown, note_shown, slot_of
from framebus.testing import FakeClock
from framebus.wall_trust import TRUST_S
from framebus_launcher.group import Group
from framebus_launcher.removed_cameras import RemovedCameras
from framebus_launcher.table import make_table, rows_of_kinds

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def segment(data: Path, camera: str, at_s: float) -> Path:
    folder = hour_folder(data, camera, at_s)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / closed_name(round(at_s * 1_000), 10_000)
    path.write_bytes(b"video")
    return path


def sweep_when_trusted(cameras: RemovedCameras, clock: FakeClock) -> None:
    """One sweep to see the clock, another when it is believed."""
    cameras.sweep()
    clock.advance(TRUST_S)
    cameras.sweep()


def test_what_is_past_the_time_that_its_camera_noted_goes(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "gone", "2d")
    old, young = (segment(tmp_path, "gone", clock.wall_s() - age_s) for age_s in (3 * DAY_S, DAY_S))

    sweep_when_trusted(RemovedCameras(tmp_path, lambda: {"front"}, clock), clock)

    assert not old.exists()
    assert young.exists()


def test_a_camera_that_was_kept_by_what_it_shows_still_is(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "gone", KeepByKind(all="2d", objects="30d"))
    nothing, unknown = (segment(tmp_path, "gone", clock.wall_s() - days * DAY_S) for days in (3, 4))
    for slot in range(slot_of(clock.wall_s() - 3 * DAY_S - 10.0), slot_of(clock.wall_s() - 3 * DAY_S + 20.0)):
        note_shown(tmp_path, "gone", slot, Shown.NOTHING)

    sweep_when_trusted(RemovedCameras(tmp_path, lambda: {"front"}, clock), clock)

    assert not nothing.exists()
    assert unknown.exists()


@pytest.mark.parametrize("note", [None, "for ever", ""])
def test_without_a_readable_note_seven_days_are_kept(tmp_path: Path, clock: FakeClock, note: str | None) -> None:
    old, young = (segment(tmp_path, "gone", clock.wall_s() - age_s) for age_s in (8 * DAY_S, 6 * DAY_S))
    if note is not None:
        (recordings_folder(tmp_path, "gone") / ".keep").write_text(note)

    sweep_when_trusted(RemovedCameras(tmp_path, lambda: set(), clock), clock)

    assert not old.exists()
    assert young.exists()


def test_nothing_of_a_configured_camera_is_touched(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "front", "1d")
    old = segment(tmp_path, "front", clock.wall_s() - 300 * DAY_S)

    sweep_when_trusted(RemovedCameras(tmp_path, lambda: {"front"}, clock), clock)

    assert old.exists()


def test_a_camera_that_is_configured_again_is_left_alone_and_its_new_time_counts_later(
    tmp_path: Path, clock: FakeClock
) -> None:
    write_keep(tmp_path, "front", "1d")
    old = segment(tmp_path, "front", clock.wall_s() - 3 * DAY_S)
    configured: set[str] = set()
    cameras = RemovedCameras(tmp_path, lambda: configured, clock)
    cameras.sweep()
    configured.add("front")
    sweep_when_trusted(cameras, clock)
    was_there = old.exists()

    write_keep(tmp_path, "front", "30d")
    configured.clear()
    sweep_when_trusted(cameras, clock)

    assert was_there
    assert old.exists()


def test_nothing_is_deleted_soon_after_the_start_nor_after_a_jump_of_the_clock(
    tmp_path: Path, clock: FakeClock
) -> None:
    old = segment(tmp_path, "gone", clock.wall_s() - 8 * DAY_S)
    young = segment(tmp_path, "gone", clock.wall_s() - DAY_S)
    cameras = RemovedCameras(tmp_path, lambda: set(), clock)
    cameras.sweep()
    was_there_at_the_start = old.exists()
    clock.advance(TRUST_S)

    clock.jump_wall(30 * DAY_S)
    cameras.sweep()
    was_there_after_the_jump = old.exists()
    clock.jump_wall(-30 * DAY_S)
    cameras.sweep()
    clock.advance(TRUST_S)
    cameras.sweep()

    assert was_there_at_the_start
    assert was_there_after_the_jump
    assert not old.exists()
    assert young.exists()


def test_what_is_no_closed_recording_stays(tmp_path: Path, clock: FakeClock) -> None:
    at_s = clock.wall_s() - 100 * DAY_S
    segment(tmp_path, "gone", at_s)
    hour = hour_folder(tmp_path, "gone", at_s)
    kept = [
        hour / open_name(round(at_s * 1_000)),
        hour / "holiday.mp4",
        tmp_path / "recordings" / "My Videos" / "a.mp4",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"video")

    sweep_when_trusted(RemovedCameras(tmp_path, lambda: set(), clock), clock)

    assert all(path.exists() for path in kept)


def test_of_a_camera_without_recordings_nothing_is_left(tmp_path: Path, clock: FakeClock) -> None:
    write_keep(tmp_path, "gone", "1d")
    segment(tmp_path, "gone", clock.wall_s() - 3 * DAY_S)

    sweep_when_trusted(RemovedCameras(tmp_path, lambda: set(), clock), clock)

    assert list((tmp_path / "recordings").iterdir()) == []


def test_a_folder_without_recordings_is_no_fault(tmp_path: Path, clock: FakeClock) -> None:
    RemovedCameras(tmp_path, lambda: set(), clock).sweep()

    assert list(tmp_path.iterdir()) == []


def test_a_launcher_of_some_kinds_knows_all_cameras_of_the_configuration(folder: Path) -> None:
    place = Place.at(folder / "run", data=folder / "data", shm=folder / "shm")
    settings = Settings(cameras={name: Camera(source="synthetic://") for name in ("front", "back")})
    rows = rows_of_kinds(make_table(settings, place), ["dispatcher"])

    group = Group(settings, place, rows=rows, kinds=["dispatcher"])
    cameras = group._cameras()
    group.close()

    assert sorted(cameras) == ["back", "front"]


def test_the_thread_ends_when_asked_to(tmp_path: Path, clock: FakeClock) -> None:
    cameras = RemovedCameras(tmp_path, lambda: set(), clock)
    cameras.start()

    cameras.stop()

    assert not cameras._thread.is_alive()
