"""Ended objects on disk: lines and pictures, torn lines, a disk that fails, what a crash left, and what is too old."""

import dataclasses
import errno
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from framebus.clock import FakeClock
from framebus.events import EndedObject, day_file, events_folder, list_events, make_id, read_events
from framebus.keep import write_keep
from framebus.messages import Box
from framebus.shown import Shown, shown_file, slot_of
from framebus.wall_trust import TRUST_S
from framebus_services.enrich import archive as archive_module
from framebus_services.enrich.archive import MAX_PICTURES, MAX_WAITING, Archive
from framebus_services.enrich.expiry import PERIOD_S, Expiry
from framebus_services.enrich.shots import Shot
from groups import wait_until

NOW_S = 1_790_000_000.0
SHOT = Shot(quality=1.0, box=Box(x=1, y=2, width=3, height=4), pixels=np.full((40, 60, 3), 90, np.uint8), is_i420=False)


def event_at(end_at_s: float = NOW_S, *, number: int = 0, camera: str = "front") -> EndedObject:
    return EndedObject(
        camera=camera,
        id=make_id(end_at_s - 5.0, number),
        label="motion",
        score=0.75,
        start_at_s=end_at_s - 5.0,
        end_at_s=end_at_s,
        ending="gone",
        zones=["drive"],
        box=Box(x=10, y=20, width=30, height=40),
        width=640,
        height=360,
        number=7,
    )


class Desk:
    """An archive in a folder, its clock and its counters."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.clock = FakeClock(wall_s=NOW_S)
        self.counters: Counter[str] = Counter()
        self.archive = self.new()

    def new(self) -> Archive:
        expiry = Expiry(self.data, {"front": 7_200.0}, self.clock)
        return Archive(self.data, expiry, lambda what: self.counters.update([what]))

    def events(self) -> list[EndedObject]:
        return list_events(self.data, "front", NOW_S - 100_000.0, NOW_S + 100.0)

    @property
    def folder(self) -> Path:
        return events_folder(self.data, "front")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.archive.stop()


def test_an_ended_object_is_a_line_and_a_picture(desk: Desk) -> None:
    desk.archive.add(event_at(), SHOT)
    desk.archive.stop()

    found = desk.events()
    assert found == [msgspec.structs.replace(event_at(), picture=found[0].picture, box=SHOT.box)]
    assert (desk.data / str(found[0].picture)).read_bytes().startswith(b"\xff\xd8\xff")
    assert day_file(desk.data, "front", NOW_S).read_bytes().count(b"\n") == 1


def test_an_object_of_which_there_is_no_picture_is_a_line_all_the_same(desk: Desk) -> None:
    desk.archive.add(event_at(), None)
    desk.archive.stop()

    assert desk.events() == [event_at()]


def test_a_torn_line_costs_only_itself(desk: Desk) -> None:
    desk.folder.mkdir(parents=True)
    whole = msgspec.json.encode(event_at(number=1))
    day_file(desk.data, "front", NOW_S).write_bytes(whole + b"\n" + whole[:60])

    desk.archive.add(event_at(number=2), None)
    desk.archive.stop()

    assert [event.id for event in desk.events()] == [event_at(number=1).id, event_at(number=2).id]


def test_what_a_dead_process_left_open_is_known_to_the_next(desk: Desk) -> None:
    desk.archive.note_open("front", [event_at(number=1), event_at(number=2)])
    desk.archive.stop()

    assert [event.id for event in desk.new().left_open("front")] == [event_at(number=1).id, event_at(number=2).id]


def test_what_has_ended_is_not_open_any_more(desk: Desk) -> None:
    desk.archive.note_open("front", [event_at(number=1)])
    wait_until(lambda: desk.new().left_open("front"), "written")
    desk.archive.add(event_at(number=1), None)
    desk.archive.note_open("front", [])
    desk.archive.stop()

    assert desk.new().left_open("front") == []
    assert [path.suffix for path in desk.folder.iterdir()] == [".jsonl"]


def test_a_crash_between_the_line_and_the_list_of_open_ones_tells_nothing_twice(desk: Desk) -> None:
    desk.archive.note_open("front", [event_at(number=1), event_at(number=2)])
    desk.archive.add(event_at(number=1), None)
    desk.archive.stop()

    assert [event.id for event in desk.new().left_open("front")] == [event_at(number=2).id]


@pytest.mark.parametrize("content", [b"", b"[{", b'{"a": 1}', b"\xff\xfe", b"[1]"])
def test_a_list_of_open_ones_that_cannot_be_read_is_told_and_no_error(
    desk: Desk, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk.folder.mkdir(parents=True)
    (desk.folder / "open.json").write_bytes(content)

    assert desk.archive.left_open("front") == []
    assert "camera front" in caplog.text


def test_a_disk_that_fails_for_a_while_loses_no_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(archive_module, "RETRY_S", 0.05)
    caplog.set_level(logging.INFO)
    (desk.data / "events").write_text("in the way")

    for number in range(3):
        desk.archive.add(event_at(number=number), SHOT)
    wait_until(lambda: desk.counters["errors.events"] >= 2, "tried again")
    (desk.data / "events").unlink()
    wait_until(lambda: len(desk.events()) == 3, "written")

    assert [event.id for event in desk.events()] == [event_at(number=number).id for number in range(3)]
    desk.archive.stop()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "can't be written" in caplog.messages[0]
    assert "written again" in caplog.messages[1]


def test_what_waits_for_the_disk_is_bounded_and_what_goes_is_counted(desk: Desk) -> None:
    (desk.data / "events").write_text("in the way")

    for number in range(MAX_WAITING + 10):
        desk.archive.add(event_at(number=number), SHOT)

    wait_until(lambda: desk.counters["dropped.event"] >= 9, "the oldest are dropped")
    assert desk.counters["dropped.picture"] >= MAX_WAITING - 2 * MAX_PICTURES


def test_what_came_while_the_disk_was_tried_is_bounded_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, may_fail = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        tried.set()
        may_fail.wait(5.0)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "mkdir", hang)
    for number in range(MAX_WAITING):
        desk.archive.add(event_at(number=number), None)
    assert tried.wait(5.0)
    for number in range(MAX_WAITING):
        desk.archive.add(event_at(number=number), None)
    may_fail.set()
    desk.archive.stop()

    assert desk.counters["dropped.event"] == MAX_WAITING


def test_pictures_that_came_while_the_disk_was_tried_are_bounded_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, may_fail = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        tried.set()
        may_fail.wait(5.0)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "mkdir", hang)
    desk.archive.add(event_at(), SHOT)
    assert tried.wait(5.0)
    for number in range(MAX_PICTURES):
        desk.archive.add(event_at(number=number), SHOT)
    may_fail.set()

    wait_until(lambda: desk.counters["errors.events"], "it has failed")
    assert desk.counters["dropped.picture"] == 1


def test_a_picture_that_cannot_be_written_costs_no_line(desk: Desk) -> None:
    event = event_at()
    (desk.folder / f"{event.id}.jpg").mkdir(parents=True)

    desk.archive.add(event, SHOT)
    wait_until(lambda: desk.counters["errors.events"], "failed once")
    desk.archive.stop()

    assert desk.events() == [event]


def test_a_picture_that_cannot_be_encoded_costs_no_line_and_stops_nothing(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.archive.add(event_at(number=1), dataclasses.replace(SHOT, pixels=np.empty((0, 0, 3), np.uint8)))
    desk.archive.add(event_at(number=2), SHOT)
    desk.archive.stop()

    assert [event.picture is None for event in desk.events()] == [True, False]
    assert f"no picture of object {event_at(number=1).id}" in caplog.text


def test_no_temporary_file_is_left(desk: Desk) -> None:
    for number in range(5):
        desk.archive.add(event_at(number=number), SHOT)
        desk.archive.note_open("front", [event_at(number=number + 1)])
    desk.archive.stop()

    assert [path.name for path in desk.folder.iterdir() if path.name.startswith(".")] == []


# What is too old ------------------------------------------------------------------------------------------------------


def old_and_new(desk: Desk) -> tuple[set[str], set[str]]:
    """The names of files that are past their two hours, and of those that are not."""
    desk.folder.mkdir(parents=True)
    old = [day_file(desk.data, "front", NOW_S - 200_000.0).name, make_id(NOW_S - 80_000.0, 1) + ".jpg"]
    new = [day_file(desk.data, "front", NOW_S).name, make_id(NOW_S - 60.0, 2) + ".jpg", "notes.txt", "open.json"]
    for name in (*old, *new):
        (desk.folder / name).write_bytes(b"")
    return set(old), set(new)


def test_lines_and_pictures_go_when_their_time_is_over_and_nothing_else(desk: Desk) -> None:
    old, new = old_and_new(desk)
    expiry = Expiry(desk.data, {"front": 7_200.0, "back": 10.0}, desk.clock)
    desk.clock.advance(TRUST_S)

    assert expiry.step() == len(old)
    assert set(os.listdir(desk.folder)) == new


def test_a_clock_that_was_just_set_deletes_nothing(desk: Desk) -> None:
    old, new = old_and_new(desk)
    expiry = Expiry(desk.data, {"front": 7_200.0}, desk.clock)
    desk.clock.advance(2 * TRUST_S)
    desk.clock.jump_wall(400 * 86_400.0)

    assert expiry.step() == 0
    assert set(os.listdir(desk.folder)) == old | new


def test_in_the_first_hour_nothing_is_deleted(desk: Desk) -> None:
    old_and_new(desk)

    assert Expiry(desk.data, {"front": 7_200.0}, desk.clock).step() == 0


def test_a_camera_that_came_later_is_looked_after_too(desk: Desk) -> None:
    expiry = Expiry(desk.data, {}, desk.clock)
    old, new = old_and_new(desk)
    desk.clock.advance(TRUST_S)

    expiry.watch("front", 7_200.0)

    assert expiry.step() == len(old)
    assert set(os.listdir(desk.folder)) == new


def test_the_folder_is_looked_at_now_and_then_only(desk: Desk) -> None:
    expiry = Expiry(desk.data, {"front": 7_200.0}, desk.clock)
    desk.clock.advance(TRUST_S)
    expiry.step()
    old, _ = old_and_new(desk)

    deleted = [expiry.step()]
    desk.clock.advance(PERIOD_S)
    deleted.append(expiry.step())

    assert deleted == [0, len(old)]


def test_a_day_is_read_in_the_order_of_its_lines(desk: Desk) -> None:
    for number in (3, 1, 2):
        desk.archive.add(event_at(number=number), None)
    desk.archive.stop()

    assert [event.id[-1] for event in read_events(day_file(desk.data, "front", NOW_S))] == ["3", "1", "2"]


def test_the_pictures_of_a_camera_that_is_configured_no_more_grow_old_as_its_recordings(desk: Desk) -> None:
    old, new = old_and_new(desk)
    write_keep(desk.data, "front", "2h")
    expiry = Expiry(desk.data, {"back": 60.0}, desk.clock)
    desk.clock.advance(TRUST_S)

    assert expiry.step() == len(old)
    assert set(os.listdir(desk.folder)) == new


def test_what_a_camera_showed_waits_for_a_disk_that_fails_and_comes_in_its_order(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "RETRY_S", 0.01)
    first = slot_of(NOW_S)
    blocker = events_folder(desk.data, "front")
    blocker.parent.mkdir(parents=True)
    blocker.write_text("in the way")

    for number, shown in enumerate([Shown.NOTHING, Shown.MOTION, Shown.OBJECT]):
        desk.archive.note_shown("front", first + number, shown)
    wait_until(lambda: desk.counters["errors.events"] > 0, "a failed try")
    blocker.unlink()
    desk.archive.stop()

    assert shown_file(desk.data, "front", NOW_S).read_bytes()[-3:] == b"-mo"


def test_what_a_camera_showed_goes_with_its_day(desk: Desk) -> None:
    for age_s in (200_000.0, 0.0):
        desk.archive.note_shown("front", slot_of(NOW_S - age_s), Shown.MOTION)
    desk.archive.stop()
    expiry = Expiry(desk.data, {"front": 7_200.0}, desk.clock)
    desk.clock.advance(TRUST_S)

    assert expiry.step() == 1
    assert shown_file(desk.data, "front", NOW_S).exists()
