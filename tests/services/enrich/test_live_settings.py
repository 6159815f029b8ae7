"""Settings of processors that change while enrich runs: who is not concerned notices nothing."""

import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from framebus.errors import RefusedError
from framebus.frame import Frame
from framebus.messages import Finding
from framebus.processor import AnyProcessor, DeferredProcessor, Processor
from framebus.settings import EnrichProcessSettings
from framebus.testing import FakeBus
from framebus_services.enrich.blame import Blame
from framebus_services.enrich.configured import SettingsFile
from framebus_services.enrich.service import Enrich
from services.enrich.drawn import Camera
from services.enrich.floors import Floor, floor
from services.enrich.isolated_toys import load
from services.enrich.loading import loader


class Counts(Processor):
    """Tells how many frames it has seen, by its own name; waits in its constructor for the gate, if the test has shut
    it."""

    gate: ClassVar[threading.Event] = threading.Event()
    begun: ClassVar[threading.Event] = threading.Event()
    made: ClassVar[list["Counts"]] = []

    def __init__(self, word: str = "frame", fails: bool = False) -> None:
        if word != "frame":
            Counts.begun.set()
            self.gate.wait(20.0)
        if fails:
            raise OSError("there is no model")
        self._word = word
        self._seen = 0
        self.heard: list[object] = []
        self.has_ended = False
        Counts.made.append(self)

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        self._seen += 1
        yield Finding(processor="counts", camera=frame.camera, label=self._word, value=float(self._seen))

    def update_config(self, topic: str, payload: object) -> None:
        self.heard.append((topic, payload))

    def handle_request(self, topic: str, data: Any) -> Any:
        return self._word if topic == "word" else None

    def shutdown(self) -> Iterable[Finding]:
        self.has_ended = True
        yield Finding(processor="counts", camera="front", label=f"end of {self._word}", value=float(self._seen))


class Works(DeferredProcessor[int]):
    """Tells each frame; waits before for the gate, if the test has shut it."""

    gate: ClassVar[threading.Event] = threading.Event()
    begun: ClassVar[threading.Event] = threading.Event()

    def __init__(self, word: str = "work") -> None:
        self._word = word

    def defer_frame(self, frame: Frame) -> int:
        return frame.number

    def process_task(self, task: int) -> Iterator[Finding]:
        Works.begun.set()
        self.gate.wait(20.0)
        yield Finding(processor="works", camera="front", label=self._word, value=float(task))

    def handle_request(self, topic: str, data: Any) -> Any:
        return self._word

    def shutdown(self) -> Iterable[Finding]:
        yield Finding(processor="works", camera="front", label=f"end of {self._word}")


CLASSES: dict[str, type[AnyProcessor]] = {"counts": Counts, "works": Works}


@pytest.fixture(autouse=True)
def open_gates() -> Iterator[None]:
    Counts.made.clear()
    Counts.begun.clear()
    Works.begun.clear()
    for gate in (Counts.gate, Works.gate):
        gate.set()
    yield
    for gate in (Counts.gate, Works.gate):
        gate.set()


def told(it: Floor) -> list[tuple[str, str, float | None]]:
    return [(found.processor, found.label, found.value) for found in it.bus.messages(Finding)]


def test_who_has_new_settings_begins_anew_and_the_others_keep_what_they_know() -> None:
    with floor(["counts", {"counts": {"word": "second"}}], CLASSES) as it:
        it.show(1)

        it.take("counts", {"counts": {"word": "other"}})
        it.show(2)

        assert told(it) == [
            ("counts", "frame", 1.0),
            ("counts-2", "second", 1.0),
            ("counts-2", "end of second", 1.0),
            ("counts", "frame", 2.0),
            ("counts-2", "other", 1.0),
        ]
        assert it.count("processor.counts.done") == it.count("processor.counts-2.done") == 2


def test_processors_come_and_go_and_work_in_the_order_of_the_configuration() -> None:
    with floor(["counts"], CLASSES) as it:
        it.take({"counts": {"word": "first"}}, "works")
        it.take("works", "counts")
        it.show(1)
        it.wait(lambda: ("works", "work", 1.0) in told(it), "the worker works")
        it.take()
        it.show(2)
        it.wait(lambda: ("works", "end of work", None) in told(it), "the worker has ended")

        assert ("counts", "frame", 1.0) in told(it)
        assert it.host.complaints == []
        assert not it.host.has_workers


def test_while_a_constructor_takes_its_time_the_one_before_it_goes_on() -> None:
    with floor(["counts"], CLASSES) as it:
        Counts.gate.clear()
        it.host.take([{"counts": {"word": "slow"}}])
        it.show(1)
        it.show(2)
        it.bus.advance(61.0)
        complaints = it.host.complaints
        Counts.gate.set()
        it.wait(lambda: len(Counts.made) == 2 and len(told(it)) == 3, "the new one is seated")
        it.show(3)

        assert [label for _, label, _ in told(it)] == ["frame", "frame", "end of frame", "slow"]
        assert complaints[0].startswith("a processor with new settings is not made after 60 s")
        assert it.host.complaints == []


def test_of_two_changes_in_a_row_the_last_one_counts() -> None:
    with floor(["counts"], CLASSES) as it:
        Counts.gate.clear()
        it.host.take([{"counts": {"word": "one"}}])
        assert Counts.begun.wait(20.0)
        for word in ("two", "three"):
            it.host.take([{"counts": {"word": word}}])
        Counts.gate.set()
        it.wait(lambda: len(told(it)) == 1, "the last one is seated")
        it.show(1)

        assert [label for _, label, _ in told(it)] == ["end of frame", "three"]
        assert [one.has_ended for one in Counts.made] == [True, True, False]  # "one" was made, too, and not needed


def test_what_is_ready_when_enrich_has_ended_does_not_begin() -> None:
    with floor(["counts"], CLASSES) as it:
        Counts.gate.clear()
        it.host.take([{"counts": {"word": "late"}}])
        thread = next(thread for thread in threading.enumerate() if thread.name == "successors")
        Counts.gate.set()
        thread.join(20.0)
        it.stop()
        it.bus.settle()

        assert [label for _, label, _ in told(it)] == ["end of frame"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"counts": {"fails": True}}, "processors[1].counts: OSError: there is no model; what ran before goes on"),
        ({"counts": {"word": 3}}, "processors[1].counts.word: Expected `str`, got `int`; all goes on as it was"),
        ("nobody", "processors[1]: unknown processor 'nobody'"),
    ],
)
def test_bad_settings_leave_the_one_before_at_work_and_are_told_with_path_and_reason(entry: Any, said: str) -> None:
    with floor(["works", "counts"], CLASSES) as it:
        it.take("works", entry)
        complaints = it.host.complaints
        it.show(1)
        it.take("works", "counts")

        assert [complaint[: len(said)] for complaint in complaints] == [said]
        assert ("counts", "frame", 1.0) in told(it)
        assert len(Counts.made) == 1
        assert it.host.complaints == []


def test_of_several_changes_those_that_can_be_had_are_taken() -> None:
    with floor(["counts", "works"], CLASSES) as it:
        it.take({"counts": {"fails": True}}, {"works": {"word": "new"}})
        it.show(1)
        it.wait(lambda: ("works", "new", 1.0) in told(it), "the other one is seated")

        assert ("counts", "frame", 1.0) in told(it)


def test_who_is_replaced_finishes_what_waits_and_shuts_down_and_its_results_are_told() -> None:
    with floor(["works"], CLASSES) as it:
        Works.gate.clear()
        it.show(1)
        assert Works.begun.wait(20.0)
        it.show(2)
        asked = it.ask("word")
        it.take({"works": {"word": "new"}})
        with pytest.raises(RefusedError, match="settings have changed meanwhile; ask again"):
            it.answer(asked)
        Works.gate.set()
        it.wait(lambda: ("works", "end of work", None) in told(it), "the old one has ended")

        assert it.answer(it.ask("word")) == "new"
        assert {("works", "work", 1.0), ("works", "work", 2.0)} <= set(told(it))
        assert it.count("processor.works.tasks") == it.count("processor.works.done") == 2


@pytest.mark.parametrize("later", [[], [{"works": {"word": "new"}}]])
def test_how_many_wait_for_a_processor_is_told_for_as_long_as_it_is_there(later: list[Any]) -> None:
    gauge = "processor.works.queued"
    with floor(["works"], CLASSES) as it:
        it.show(1)
        it.wait(lambda: gauge in it.bus.stats.gauges, "it is told")
        Works.gate.clear()
        it.show(2)
        it.take(*later)
        Works.gate.set()
        it.wait(lambda: "end of work" in it.labels, "the old one has ended")
        it.bus.settle()
        it.host.step()

        assert (gauge in it.bus.stats.gauges) is bool(later)


def test_of_who_was_removed_nothing_is_counted_any_more_and_of_who_was_replaced_all() -> None:
    with floor(["works", "counts"], CLASSES) as it:
        it.show(1)
        it.wait(lambda: ("works", "work", 1.0) in told(it), "the worker works")
        it.take({"counts": {"word": "new"}})
        it.wait(lambda: "end of work" in it.labels, "the worker has ended")
        it.host.step()

        stats = it.bus.stats.read()
        assert [name for name in (*stats.counters, *stats.gauges, *stats.latencies) if ".works" in name] == []
        assert stats.counters["processor.counts.done"] == 1
        assert stats.counters["findings.counts.front"] >= 1


def test_the_newest_configuration_reaches_who_is_new() -> None:
    with floor(["works"], CLASSES) as it:
        it.configure("config/cameras/", 1)
        it.configure("config/cameras/", 2)
        it.take("counts")

        assert Counts.made[0].heard == [("config/cameras/", 2)]


def test_an_isolated_processor_is_replaced_when_the_new_process_is_ready_and_not_before() -> None:
    with floor([{"toy": {"isolate": True}}], load=load) as it:
        first = it.answer(it.ask("who", deadline_s=30.0))["pid"]
        it.take({"toy": {"isolate": True, "text": "new"}})
        second = it.answer(it.ask("who", deadline_s=30.0))["pid"]
        it.take({"toy": {"isolate": True, "text": "new"}}, {"unmade": {"isolate": True}})

        it.wait(lambda: "bye" in it.labels, "the old one has ended")
        assert len({first, second, os.getpid()}) == 3
        assert it.answer(it.ask("who", deadline_s=30.0))["pid"] == second
        assert it.host.complaints == ["processors[1].unmade: OSError: there is no model; what ran before goes on"]
        it.wait(lambda: not Path(f"/proc/{first}").exists(), "its process has gone")


def test_who_was_left_out_comes_back_with_other_settings_and_who_comes_is_blamed_by_his_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        path = Path(folder) / "enrich.calls"
        for at_s in range(3):
            blame = Blame(path, ["counts", "works"], float(at_s))
            blame.open()
            blame.give_number("counts")
            blame.enter(blame.give_number("works"), "front", 1)
        blame = Blame(path, ["counts", "works"], 3.0)
        left_out = list(blame.left_out)
        blame.open()
        blame.give_number("counts")

        blame.follow({"counts": "counts", "works": {"works": {"word": "new"}}})
        blame.enter_thread(blame.give_number("works"), "front", 2)
        caplog.clear()
        Blame(path, ["counts", {"works": {"word": "new"}}], 4.0)

        assert (left_out, blame.left_out) == (["works"], {})
        assert caplog.messages == ["enrich died while processor works looked at frame 2 of camera front"]


def test_enrich_takes_the_processors_of_its_settings_file_when_that_is_written_anew() -> None:
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        file = Path(folder) / "enrich.json"
        bus = FakeBus("enrich", settings=b'{"processors":["counts"]}')
        bus.settings_file = file
        write(file, ["counts"])
        enrich, camera = Enrich(bus, loader(CLASSES)), Camera(Path(folder))

        write(file, [{"counts": {"word": "new"}}])
        bus.advance(1.0)
        end_s = time.monotonic() + 20.0
        while not bus.sent:
            assert time.monotonic() < end_s, "the old one has not ended"
            bus.settle()
        bus.deliver(camera.show(90))
        enrich.stop()

        labels = [found.label for found in bus.messages(Finding)]
        assert labels == ["end of frame", "new", "end of new"]


def test_settings_that_could_not_be_read_at_one_look_are_taken_at_the_next_and_complained_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        path = Path(folder) / "enrich.json"
        write(path, ["counts"])
        file = SettingsFile(path)
        with no_descriptors():
            meanwhile = [file.look(), file.look()]

        taken = file.look()

        assert meanwhile == [None, None]
        assert taken is not None
        assert taken.processors == ["counts"]
        assert file.look() is None
        assert len(caplog.messages) == 1


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Nothing can be opened meanwhile."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def write(file: Path, processors: list[Any]) -> None:
    fresh = file.with_name("new")
    fresh.write_bytes(msgspec.json.encode(EnrichProcessSettings(processors=processors)))
    fresh.rename(file)
