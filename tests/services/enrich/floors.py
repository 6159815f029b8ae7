"""A host in memory, its workers real: what the tests of deferred and isolated processors share."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw

from framebus import codec
from framebus.frame import Frame, PixelFormat
from framebus.messages import Box, Finding, ObjectEvent, Phase
from framebus.processor import AnyProcessor
from framebus.requests import AskProcessor, ProcessorAnswer
from framebus.testing import FakeBus
from framebus_services.enrich.host import Host
from framebus_services.enrich.orders import Load
from framebus_services.enrich.seat import Outcome, Sight
from services.enrich.loading import loader

LIMIT_S = 15.0


def frame(number: int = 7, camera: str = "front", boot_s: float = 0.0) -> Frame:
    return Frame(
        camera=camera,
        number=number,
        epoch=1,
        pts_us=0,
        captured_at_s=1_790_000_000.5,
        captured_boot_ns=int(boot_s * 1e9),
        width=16,
        height=16,
        pixel_format=PixelFormat.GRAY8,
        payload=np.full(256, 90, np.uint8),
    )


def event(id: str, camera: str = "front") -> ObjectEvent:
    return ObjectEvent(
        camera=camera,
        id=id,
        phase=Phase.UPDATE,
        label="motion",
        score=1.0,
        box=Box(x=0, y=0, width=4, height=4),
        since_at_s=0.0,
        captured_at_s=0.0,
        number=1,
        zones=[],
    )


class Floor:
    """A host with its bus."""

    def __init__(self, entries: Sequence[str | dict[str, Any]], load: Load) -> None:
        self.bus = FakeBus("enrich")
        self.host = Host(self.bus, entries, load)
        self.bus.answer_later(AskProcessor, self.host.ask)
        self._is_stopped = False

    def show(self, number: int, *objects: str, camera: str = "front", ring: str = "") -> None:
        shown = frame(number, camera, self.bus.clock.boot_s())
        events = [event(id, camera) for id in objects]
        assert self.host.process(Sight(frame=shown, ring=ring, objects=events))

    def wait(self, is_so: Callable[[], object], what: str) -> None:
        """Let the loop turn until it is so."""
        end_s = time.monotonic() + LIMIT_S
        while not is_so():
            assert time.monotonic() < end_s, f"{what}: not within {LIMIT_S:.0f} s; {self.bus.stats.counters}"
            time.sleep(0.002)
            self.bus.settle()
            self.host.step()

    @property
    def values(self) -> list[float | None]:
        return [found.value for found in self.bus.messages(Finding)]

    @property
    def labels(self) -> list[str]:
        return [found.label for found in self.bus.messages(Finding)]

    def count(self, what: str) -> int:
        return self.bus.stats.counters.get(what, 0)

    def configure(self, topic: str, value: object) -> None:
        self.host.update_config(topic, Raw(codec.encode(value)))

    def take(self, *entries: str | dict[str, Any]) -> None:
        """Let it have other entries, until it has followed."""
        self.host.take(entries)
        self.wait(lambda: not any(thread.name == "successors" for thread in threading.enumerate()), "they are made")
        self.bus.settle()

    def ask(self, topic: str, data: object = None, **more: Any) -> Callable[[], Any]:
        """Ask; call the result for the answer, once it is there."""
        deadline_s = more.pop("deadline_s", 5.0)
        request = AskProcessor(topic=topic, data=Raw(codec.encode(data)), **more)
        return self.bus.begin_request(request, deadline_s=deadline_s)

    def answer(self, take: Callable[[], Any]) -> Any:
        """The data of an answer; raises RefusedError."""
        taken: list[Any] = []

        def is_there() -> bool:
            taken.append(take())
            return taken[-1] is not None

        self.wait(is_there, "an answer")
        return msgspec.msgpack.decode(codec.decode_body(taken[-1][0], ProcessorAnswer).data)

    def stop(self) -> None:
        if not self._is_stopped:
            self.shutdown(0.0)

    def shutdown(self, drain_s: float) -> Outcome:
        """End it, once."""
        self._is_stopped = True
        return self.host.shutdown(drain_s)


@contextmanager
def floor(
    entries: Sequence[str | dict[str, Any]],
    classes: Mapping[str, type[AnyProcessor]] | None = None,
    load: Load | None = None,
) -> Iterator[Floor]:
    """A host that has begun; at the end it is shut down."""
    made = Floor(entries, load or loader(classes or {}))
    made.host.start()
    try:
        yield made
    finally:
        made.stop()
