"""In memory, with the time of the test: no sockets, no waiting."""

from framebus import Box, Finding, ObjectEvent, Phase
from framebus.testing import FakeBus

from hello import Hello


def event(phase: Phase) -> ObjectEvent:
    box = Box(x=0, y=0, width=8, height=8)
    return ObjectEvent(
        camera="front",
        id="a",
        phase=phase,
        label="motion",
        score=1.0,
        box=box,
        since_at_s=0.0,
        captured_at_s=0.0,
        number=1,
    )


def test_objects_are_counted_once_when_they_appear() -> None:
    bus = FakeBus("hello", settings=b'{"period_s": 5.0}')
    Hello(bus)

    for phase in (Phase.START, Phase.UPDATE, Phase.END):
        bus.deliver(event(phase))
    bus.advance(seconds=5.0)

    assert [(finding.camera, finding.value) for finding in bus.messages(Finding)] == [("front", 1.0)]
