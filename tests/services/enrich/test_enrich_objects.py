"""Objects of the service enrich: their start, updates and end on the bus, and their lines on disk."""

import json
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import Raw

from framebus import codec
from framebus.events import EndedObject, day_file, list_events
from framebus.frame import Frame
from framebus.messages import ConfigChanged, Finding, ObjectEvent, Phase
from framebus.processor import Processor
from framebus.shown import Shown, ShownFiles
from framebus.testing import FakeBus, FakeClock
from framebus.wall_trust import TRUST_S
from framebus_services.enrich.service import Enrich
from groups import wait_until
from services.enrich.drawn import HEIGHT, WIDTH, Camera, scene, with_square
from services.enrich.loading import loader

LEFT = {"points": [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]}
RIGHT = {"points": [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]}
EMPTY = scene()


class Expired(Processor):
    """Notes which frames and objects it is shown, and which it is told to forget."""

    gone: ClassVar[list[tuple[str, str]]] = []
    frames: ClassVar[list[int]] = []
    seen: ClassVar[list[tuple[int, ObjectEvent]]] = []

    def process_frame(self, frame: Frame) -> list[Finding]:
        Expired.frames.append(frame.number)
        return []

    def process_object(self, object: ObjectEvent, frame: Frame) -> list[Finding]:
        Expired.seen.append((frame.number, object))
        return []

    def expire_object(self, id: str, camera: str) -> None:
        Expired.gone.append((id, camera))


class Meddling(FakeClock):
    """A clock that does something when it is read for the so manieth time: in the midst of a frame."""

    def __init__(self) -> None:
        super().__init__()
        self.readings_left = 0
        self.meanwhile: Callable[[], object] = list

    def boot_s(self) -> float:
        self.readings_left -= 1
        if self.readings_left == 0:
            self.meanwhile()
        return super().boot_s()


def overwrite(camera: Camera) -> None:
    for _ in range(8):
        camera.show(1)


class Yard:
    """An enrich process in memory, with a camera before which a white square goes by."""

    made: ClassVar[list["Yard"]] = []

    def __init__(self, folder: Path, *, epoch: int = 1, **camera_settings: Any) -> None:
        self.made.append(self)
        self.folder = folder
        settings = {"processors": ["expired"], "cameras": {"front": camera_settings}}
        self.clock = Meddling()
        self.bus = FakeBus("enrich", clock=self.clock, settings=json.dumps(settings).encode(), data=folder / "data")
        self.camera = Camera(folder, epoch=epoch, width=WIDTH, height=HEIGHT)
        self.enrich = Enrich(self.bus, loader({"expired": Expired}))

    def show(self, *lefts: int | None, step_s: float = 0.2, y: int = 120) -> None:
        """Pictures with the square at these places; None: without it."""
        for left in lefts:
            picture = EMPTY if left is None else with_square(EMPTY, left, y)
            self.bus.deliver(self.camera.show(picture, boot_s=self.bus.clock.boot_s()))
            self.bus.advance(step_s)

    @property
    def told(self) -> list[ObjectEvent]:
        return self.bus.messages(ObjectEvent)

    @property
    def phases(self) -> list[Phase]:
        return [event.phase for event in self.told]

    def kept(self) -> list[EndedObject]:
        """What is on disk at the end of the process."""
        self.enrich.stop()
        return list_events(self.folder / "data", "front", 0.0, 2_000_000_000.0 * 2)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(Expired, "gone", [])
    monkeypatch.setattr(Expired, "frames", [])
    monkeypatch.setattr(Expired, "seen", [])
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        yield Path(name)
        for yard in Yard.made:
            yard.enrich.stop()
        Yard.made.clear()


PASSING = (None, *range(0, 560, 40), *[None] * 12)


def test_an_object_starts_moves_and_ends_exactly_once(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(*PASSING)

    assert yard.phases[0] is Phase.START
    assert yard.phases[-1] is Phase.END
    assert set(yard.phases[1:-1]) == {Phase.UPDATE}
    assert len({event.id for event in yard.told}) == 1


def test_events_tell_where_the_object_is_and_since_when(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(*PASSING)

    start, *_, last = yard.told
    assert start.label == "motion"
    assert 0.5 < start.score <= 1.0
    assert start.captured_at_s - start.since_at_s == pytest.approx(0.4, abs=0.05)
    assert (start.box.y, start.box.height) == pytest.approx((120, 60), abs=10)
    assert last.box.x == pytest.approx(520, abs=25)
    assert last.captured_at_s - last.since_at_s == pytest.approx(13 * 0.2, abs=0.25)


def test_an_update_is_told_twice_a_second_at_most(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(None, *range(0, 560, 4), step_s=0.04)

    assert 8 <= yard.phases.count(Phase.UPDATE) <= 12


def test_the_last_position_before_a_pause_is_told(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(None, *range(0, 300, 15), step_s=0.1)
    yard.bus.advance(1.0)

    assert yard.phases[-1] is Phase.UPDATE
    assert yard.told[-1].number == 21


def test_an_object_of_a_camera_that_falls_silent_ends(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(None, *range(0, 300, 40))
    yard.bus.advance(5.0)

    assert yard.phases.count(Phase.END) == 1
    assert [event.ending for event in yard.kept()] == ["gone"]


def test_an_ended_object_is_on_disk_with_its_picture(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(*PASSING)

    kept = yard.kept()
    start = yard.told[0]
    assert [(event.id, event.camera, event.ending) for event in kept] == [(start.id, "front", "gone")]
    assert kept[0].start_at_s == pytest.approx(start.since_at_s, abs=0.01)
    assert kept[0].duration_s == pytest.approx(13 * 0.2, abs=0.25)
    assert (kept[0].width, kept[0].height) == (WIDTH, HEIGHT)
    assert (folder / "data" / str(kept[0].picture)).is_file()


def test_events_tell_the_zone_and_the_line_tells_all_zones(folder: Path) -> None:
    yard = Yard(folder, zones={"left": LEFT, "right": RIGHT})

    yard.show(*PASSING)

    assert yard.told[0].zones == ["left"]
    assert yard.told[-1].zones == ["right"]
    assert [event.zones for event in yard.kept()] == [["left", "right"]]


def test_behind_a_mask_there_is_no_object(folder: Path) -> None:
    yard = Yard(folder, masks=[{"points": [[0, 0], [1, 0], [1, 0.6], [0, 0.6]]}])

    yard.show(*PASSING)
    hidden = list(yard.told)
    for left in PASSING:
        yard.show(left, y=260)

    assert hidden == []
    assert yard.phases[0] is Phase.START


def test_processors_are_told_which_object_has_ended(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(*PASSING)

    assert Expired.gone == [(yard.told[0].id, "front")]


def test_processors_get_each_object_in_every_frame_in_which_it_is_seen(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(*PASSING)

    start = yard.told[0]
    seen = [(number, event) for number, event in Expired.seen if event.id == start.id]
    numbers = [number for number, _ in seen]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] == start.number
    assert all(event.number == number for number, event in seen)
    assert len(seen) > yard.phases.count(Phase.UPDATE)


def test_a_stop_ends_what_is_there_and_keeps_it(folder: Path) -> None:
    yard = Yard(folder)

    yard.show(None, *range(0, 300, 40))
    kept = yard.kept()

    assert yard.phases[-1] is Phase.END
    assert [event.ending for event in kept] == ["stopped"]
    assert kept[0].picture is not None


def test_a_new_size_of_the_picture_ends_what_is_there(folder: Path) -> None:
    yard = Yard(folder)
    yard.show(None, *range(0, 300, 40))

    small = Camera(folder, epoch=2, width=320, height=240)
    yard.bus.deliver(small.show(scene(width=320, height=240), boot_s=yard.bus.clock.boot_s()))

    assert yard.phases[-1] is Phase.END


def test_a_camera_that_comes_back_in_the_same_size_keeps_its_objects(folder: Path) -> None:
    yard = Yard(folder)
    yard.show(None, *range(0, 200, 40))

    yard.camera = Camera(folder, epoch=2, width=WIDTH, height=HEIGHT)
    yard.show(*range(240, 400, 40))

    assert yard.phases.count(Phase.START) == 1
    assert Phase.END not in yard.phases


def test_a_frame_that_is_overwritten_while_it_is_looked_at_moves_no_object(folder: Path) -> None:
    torn = 0
    for reading in range(1, 12):  # of the clock: at whichever moment it happens
        yard = Yard(folder, epoch=reading)
        yard.show(None, *range(0, 200, 40))
        before, looked = len(yard.told), len(Expired.frames)

        yard.clock.readings_left, yard.clock.meanwhile = reading, partial(overwrite, yard.camera)
        yard.bus.deliver(yard.camera.show(with_square(EMPTY, 240, 120), boot_s=yard.bus.fake_clock.boot_s()))
        yard.bus.advance(1.0)

        if yard.bus.stats.counters.get("dropped.torn_frame.front") and len(Expired.frames) == looked:
            torn += 1
            assert all(event.box.x < 200 for event in yard.told[before:])
    assert torn > 0


def test_what_was_there_when_a_process_died_is_ended_by_the_next(folder: Path) -> None:
    dead = Yard(folder)
    dead.show(None, *range(0, 300, 40))
    Yard.made.remove(dead)
    wait_until(lambda: list((folder / "data" / "events" / "front").glob("open.json")), "written")

    heir = Yard(folder, epoch=2)
    at_once = list(heir.told)
    heir.bus.advance(2.0)

    assert at_once == [], "nobody hears the first words of a publisher"
    assert [(event.phase, event.id) for event in heir.told] == [(Phase.END, dead.told[0].id)]
    assert [event.ending for event in heir.kept()] == ["lost"]
    assert Yard(folder, epoch=3).bus.messages(ObjectEvent) == []


def test_what_is_there_is_written_down_again_while_it_moves(folder: Path) -> None:
    yard = Yard(folder)
    yard.show(None, *range(0, 560, 8), step_s=0.2)
    path = folder / "data" / "events" / "front" / "open.json"

    def noted() -> bool:
        return path.is_file() and json.loads(path.read_bytes())[0]["number"] > 20

    wait_until(noted, "the place of 5 s ago")
    yard.enrich.stop()
    assert not path.exists()


def new_cameras(yard: Yard, **cameras: Any) -> None:
    """The configuration has these cameras now."""
    yard.bus.deliver(ConfigChanged(section="cameras", revision=2, value=Raw(codec.encode(cameras))))


def test_a_new_mask_counts_while_enrich_runs(folder: Path) -> None:
    yard = Yard(folder)
    yard.show(None, *range(0, 240, 40))

    new_cameras(yard, front={"source": "rtsp://camera/1", "masks": [LEFT, RIGHT]})
    yard.show(*PASSING)

    assert yard.phases.count(Phase.START) == 1
    assert yard.phases[-1] is Phase.END


def test_objects_of_a_camera_that_is_not_concerned_live_on(folder: Path) -> None:
    yard = Yard(folder)
    yard.show(None, *range(0, 240, 40))

    new_cameras(yard, front={"source": "rtsp://elsewhere"}, side={"source": "rtsp://camera/2"})
    yard.show(*range(240, 560, 40), *[None] * 12)

    assert yard.phases.count(Phase.START) == 1
    assert len({event.id for event in yard.told}) == 1


def test_cameras_that_cannot_be_read_change_nothing_and_are_counted(folder: Path) -> None:
    yard = Yard(folder)
    yard.show(None, *range(0, 240, 40))

    new_cameras(yard, front={"masks": "none"})
    yard.show(*range(240, 560, 40), *[None] * 12)

    assert yard.phases.count(Phase.START) == 1
    assert any("malformed" in name or "errors" in name for name in yard.bus.stats.counters)


def test_a_variable_in_one_camera_does_not_keep_new_zones_from_another(folder: Path) -> None:
    yard = Yard(folder)
    written = {
        "back": {"source": "b", "record": {"keep": "${KEEP}"}},
        "front": {"source": "a", "zones": {"left": LEFT}},
    }

    yard.bus.deliver(ConfigChanged(section="cameras", revision=2, value=Raw(codec.encode(written))))
    yard.show(*PASSING)

    assert yard.told[0].zones == ["left"]


def test_a_frame_that_comes_after_its_camera_was_removed_changes_nothing_of_how_long_it_is_kept(folder: Path) -> None:
    yard = Yard(folder, keep_s=30 * 86_400.0)
    old = day_file(folder / "data", "front", yard.clock.wall_s() - 20 * 86_400.0)
    old.parent.mkdir(parents=True)
    old.touch()

    new_cameras(yard, side={"source": "rtsp://camera/2"})
    yard.show(None)
    yard.clock.advance(TRUST_S)
    yard.enrich.stop()

    assert old.exists()


def test_a_keep_by_kind_that_is_new_keeps_objects_for_the_longest_of_its_times(folder: Path) -> None:
    yard = Yard(folder)
    old = [day_file(folder / "data", "front", yard.clock.wall_s() - days * 86_400.0) for days in (20, 40)]
    old[0].parent.mkdir(parents=True)
    for path in old:
        path.touch()

    new_cameras(yard, front={"source": "rtsp://camera/1", "record": {"keep": {"all": "2d", "objects": "30d"}}})
    yard.clock.advance(TRUST_S)
    yard.show(None)
    yard.enrich.stop()

    assert [path.exists() for path in old] == [True, False]


def test_what_a_camera_showed_is_written_down_slot_by_slot(folder: Path) -> None:
    yard = Yard(folder)
    offset_s = 1_790_000_000.0  # as the camera's frames tell their times
    start_s = offset_s + yard.clock.boot_s()

    yard.show(*[None] * 100, *range(0, 560, 20), *[None] * 300)
    end_s = offset_s + yard.clock.boot_s()
    yard.enrich.stop()

    files = ShownFiles(folder / "data", "front")
    assert files.between(start_s + 10.0, start_s + 14.0) is Shown.NOTHING
    assert files.between(start_s + 20.0, start_s + 22.0) is Shown.OBJECT
    assert files.between(end_s - 17.0, end_s - 15.0) is Shown.NOTHING
    assert files.between(end_s, end_s + 1.0) is Shown.UNKNOWN
