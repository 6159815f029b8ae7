"""The host of processors: who runs where, what is refused, and that no processor harms another."""

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from msgspec import Raw

from framebus import codec
from framebus.errors import ConfigError
from framebus.frame import Frame, PixelFormat
from framebus.messages import Finding
from framebus.processor import Processor
from framebus.testing import FakeBus
from framebus_services.enrich.host import Host
from framebus_services.enrich.seat import Sight
from services.enrich.loading import loader


def frame(camera: str = "front", number: int = 7) -> Frame:
    return Frame(
        camera=camera,
        number=number,
        epoch=1,
        pts_us=0,
        captured_at_s=1_790_000_000.5,
        captured_boot_ns=0,
        width=16,
        height=16,
        pixel_format=PixelFormat.GRAY8,
        payload=np.full(256, 90, np.uint8),
    )


def finding(camera: str = "front", **fields: Any) -> Finding:
    return Finding(processor="mine", camera=camera, label="seen", **fields)


class Sees(Processor):
    def process_frame(self, frame: Frame) -> Iterable[Finding]:
        return [finding(frame.camera)]


class Raises(Processor):
    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        yield finding(frame.camera, value=1.0)
        raise ZeroDivisionError("no such pixel")

    def shutdown(self) -> None:
        raise ZeroDivisionError("no way out")

    def update_config(self, topic: str, payload: object) -> None:
        raise ZeroDivisionError("no such section")


class Exits(Processor):
    def process_frame(self, frame: Frame) -> Iterable[Finding]:
        sys.exit(3)


class Gives(Processor):
    """Returns whatever the test says."""

    answer: Any = ()

    def process_frame(self, frame: Frame) -> Any:
        return self.answer


class Remembers(Processor):
    def __init__(self, *, limit: float = 1.0, words: list[str] | None = None, needed: int = 0) -> None:
        if limit > 100.0:
            raise ValueError("limit is at most 100")
        self.settings = (limit, words, needed)
        self.heard: list[object] = []
        MADE.append(self)

    def update_config(self, topic: str, payload: object) -> None:
        self.heard.append((topic, payload))

    def shutdown(self) -> None:
        self.heard.append("shutdown")


class Needs(Processor):
    def __init__(self, model: str) -> None: ...


MADE: list[Remembers] = []
CLASSES: dict[str, type[Processor]] = {
    "sees": Sees,
    "raises": Raises,
    "exits": Exits,
    "gives": Gives,
    "remembers": Remembers,
    "needs": Needs,
}


@pytest.fixture
def bus() -> FakeBus:
    MADE.clear()
    Gives.answer = ()
    return FakeBus("enrich")


def host(bus: FakeBus, *entries: str | dict[str, Any]) -> Host:
    return Host(bus, entries, loader(CLASSES))


def show(enrich: Host, bus: FakeBus, shown: Frame) -> list[Finding]:
    """What is found in a frame."""
    before = len(bus.sent)
    assert enrich.process(Sight(frame=shown, ring="", objects=[]))
    return [message for message in bus.sent[before:] if isinstance(message, Finding)]


def problems_of(bus: FakeBus, *entries: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        host(bus, *entries)
    return caught.value.problems


@pytest.mark.parametrize("bad", ["raises", "exits"])
def test_a_processor_that_raises_does_not_stop_the_others(bus: FakeBus, bad: str) -> None:
    enrich = host(bus, bad, "sees")

    found = [show(enrich, bus, frame()) for _ in range(2)]

    assert [findings[-1].value for findings in found] == [None, None]
    assert bus.stats.counters[f"processor.{bad}.errors"] == 2


def test_what_a_processor_found_before_it_raised_is_kept(bus: FakeBus) -> None:
    enrich = host(bus, "raises")

    assert [each.value for each in show(enrich, bus, frame())] == [1.0]


def test_an_error_is_logged_once_a_minute_with_file_and_line_of_the_processor(
    bus: FakeBus, caplog: pytest.LogCaptureFixture
) -> None:
    enrich = host(bus, "raises")

    with caplog.at_level(logging.ERROR):
        for _ in range(50):
            show(enrich, bus, frame())
        in_the_first_minute = len(caplog.records)
        bus.advance(60.0)
        show(enrich, bus, frame())

    assert in_the_first_minute == 1
    assert len(caplog.records) == 2
    line = Raises.process_frame.__code__.co_firstlineno + 2
    assert f"processor raises: ZeroDivisionError at {__file__}:{line}: no such pixel" in caplog.messages[0]


def test_a_second_kind_of_error_is_logged_too(bus: FakeBus, caplog: pytest.LogCaptureFixture) -> None:
    enrich = host(bus, "gives")

    with caplog.at_level(logging.ERROR):
        for Gives.answer in (None, [1], None, [1]):
            show(enrich, bus, frame())

    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "process_frame returned NoneType: yield each Finding, or return a list"),
        (["dark"], "a processor must give Finding objects, not str"),
        ([finding("back")], "a finding of camera 'back' in a frame of 'front'; use frame.camera"),
        ([finding(value=float("nan"))], "value: nan; it must be a finite number, or None"),
        ([finding(value=1e300)], "value"),
        ([finding(value=np.float64(1.0))], "numpy.float64"),
        ([finding(object_id="x" * 501)], "object_id"),
    ],
)
def test_a_finding_that_readers_would_refuse_is_the_error_of_its_processor(
    bus: FakeBus, caplog: pytest.LogCaptureFixture, answer: object, told: str
) -> None:
    enrich = host(bus, "gives", "sees")
    Gives.answer = answer

    found = show(enrich, bus, frame())

    assert len(found) == 1
    assert bus.stats.counters["processor.gives.errors"] == 1
    assert told in caplog.messages[0]
    assert "Traceback" not in caplog.messages[0]  # it would show the host's code, not the processor's


def test_a_processor_that_never_ends_is_cut_at_a_hundred_findings(bus: FakeBus) -> None:
    enrich = host(bus, "gives", "sees")
    Gives.answer = iter(lambda: finding(value=2.0), None)

    found = show(enrich, bus, frame())

    assert len(found) == 101
    assert bus.stats.counters["processor.gives.errors"] == 1


def test_a_finding_gets_the_number_and_time_of_its_frame(bus: FakeBus) -> None:
    (found,) = show(host(bus, "sees"), bus, frame(number=9))

    assert (found.number, found.captured_at_s) == (9, 1_790_000_000.5)


def test_a_finding_keeps_a_number_and_time_of_its_own(bus: FakeBus) -> None:
    Gives.answer = [finding(number=3, captured_at_s=1.0)]

    (found,) = show(host(bus, "gives"), bus, frame(number=9))

    assert (found.number, found.captured_at_s) == (3, 1.0)


def test_a_processor_runs_on_its_cameras_only(bus: FakeBus) -> None:
    enrich = host(bus, {"sees": {"cameras": ["front"]}})

    assert len(show(enrich, bus, frame("front"))) == 1
    assert show(enrich, bus, frame("back")) == []


def test_settings_reach_the_constructor(bus: FakeBus) -> None:
    host(bus, {"remembers": {"limit": 3, "words": ["a"]}})

    assert MADE[0].settings == (3.0, ["a"], 0)


def test_the_time_of_each_processor_is_noted(bus: FakeBus) -> None:
    show(host(bus, "sees", "raises"), bus, frame())

    assert set(bus.stats.read().latencies) == {"processor.sees", "processor.raises"}


def test_a_new_configuration_and_the_end_reach_all_processors(bus: FakeBus) -> None:
    enrich = host(bus, "raises", "remembers")

    enrich.update_config("config/cameras.front/", Raw(codec.encode({"fps": 5})))
    enrich.shutdown()

    assert MADE[0].heard == [("config/cameras.front/", {"fps": 5}), "shutdown"]
    assert bus.stats.counters["processor.raises.errors"] == 2


HOSTS_OWN = "cameras, isolate, queue, policy, max_age_ms, task_limit_s, memory_mb"


def test_an_unknown_name_is_told_with_those_that_are_known_and_the_likely_one(bus: FakeBus) -> None:
    (problem,) = problems_of(bus, "brihtness")

    assert problem.startswith("processors[0]: unknown processor 'brihtness'; known are ")
    assert problem.endswith("did you mean brightness?")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"remembers": {"limt": 3}}, "processors[0].remembers.limt: unknown setting; did you mean limit?"),
        (
            {"sees": {"size": 3}},
            "processors[0].sees.size: unknown setting; known are " + HOSTS_OWN,
        ),
        ({"remembers": {"limit": "3"}}, "processors[0].remembers.limit: Expected `float`, got `str`"),
        ({"remembers": {"words": ["a", 1]}}, "processors[0].remembers.words: Expected `str`, got `int` - at `[1]`"),
        ({"remembers": {"limit": 101}}, "processors[0].remembers: limit is at most 100"),
        ({"sees": {"cameras": "front"}}, "processors[0].sees.cameras: Expected `array | null`, got `str`"),
        ({"sees": 3}, "processors[0].sees: expected a map of settings, got int"),
        ("needs", "processors[0].needs.model: is missing"),
        ({}, "processors[0]: expected one name with its settings, got nothing"),
        ({"sees": {}, "gives": {}}, "processors[0]: expected one name with its settings, got sees, gives"),
    ],
)
def test_a_wrong_entry_says_where_it_is_and_what_would_be_right(bus: FakeBus, entry: Any, problem: str) -> None:
    assert problems_of(bus, entry) == [problem]


def test_all_that_is_wrong_is_told_at_once(bus: FakeBus) -> None:
    assert len(problems_of(bus, "sess", {"remembers": {"limt": 1, "needed": "x"}})) == 3
