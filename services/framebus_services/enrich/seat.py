"""A processor at work, whichever way it works; and what the processors of one host share.

| seat | the loop does | the worker does |
| --- | --- | --- |
| `SameThreadSeat` | everything | |
| `ThreadSeat` | `defer_frame`, `defer_object` | all else, on a thread |
| `IsolatedSeat` | puts down where the frame stands | everything, in a process |
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from framebus.bus import Bus
from framebus.frame import Frame
from framebus.messages import ObjectEvent
from framebus.processor import AnyProcessor
from framebus_services.enrich.blame import Blame
from framebus_services.enrich.deferred_thread import Life
from framebus_services.enrich.guard import FailureLog, Reply, Result, Told
from framebus_services.enrich.lane import Ask, Expire, Work
from framebus_services.enrich.orders import Order

log = logging.getLogger(__name__)

MAX_ABANDONED = 3
"""threads that hang and were replaced; each may eat a processor core"""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What is seen in one frame."""

    frame: Frame
    ring: str
    """path of the ring that holds it; empty: none does"""
    objects: Sequence[ObjectEvent]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the work that was there when the end came; the sum is what was there."""

    done: int = 0
    """until the end"""
    dropped: int = 0
    pending: int = 0
    """done before; its results were told last"""

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            done=self.done + other.done,
            dropped=self.dropped + other.dropped,
            pending=self.pending + other.pending,
        )


class Floor:
    """What the seats of one host share."""

    def __init__(self, bus: Bus, blame: Blame, answered: Callable[[int, str, Reply], None]) -> None:
        """`answered(id, name, reply)` takes what a processor says to a question, on the loop."""
        self.bus = bus
        self.blame = blame
        self.answered = answered
        self.failures = FailureLog(bus.clock)
        self.is_worn_out = False
        """so many threads hang that only a new process helps"""
        self._abandoned: list[Life] = []

    def settle(self, name: str, result: Result) -> None:
        """Publish what was found, and count and log what was raised."""
        stats = self.bus.stats
        for told in result.told:
            # Under the name that the configuration gives it, as its counters have it.
            self.bus.publish(msgspec.structs.replace(told.finding, processor=name), told.jpeg)
            stats.count(f"findings.{name}.{told.finding.camera}")
        if result.failure is not None:
            stats.count(f"processor.{name}.errors")
            self.failures.note(name, result.failure)

    def forget(self, name: str) -> None:
        """Count no more of who has gone, and is nobody's predecessor: `framebus why` would show it for ever."""
        for what in (f"processor.{name}", f"findings.{name}"):
            self.bus.stats.forget(what)

    def abandon(self, life: Life, name: str) -> None:
        """Leave a worker to itself, and see how many of them there are by now."""
        life.abandon()
        self._abandoned = [one for one in [*self._abandoned, life] if one.is_alive]
        if len(self._abandoned) > MAX_ABANDONED and not self.is_worn_out:
            self.is_worn_out = True
            self.blame.accuse(name)
            log.error(
                "%d threads of processors hang, the last of %s; enrich ends, to start anew", len(self._abandoned), name
            )


class Seat(ABC):
    """A processor at work. All methods are for the loop, and never wait but for `bury`."""

    def __init__(self, order: Order, floor: Floor) -> None:
        self.name = order.name
        self._floor = floor
        self._cameras = None if order.options.cameras is None else frozenset(order.options.cameras)
        self._stat = f"processor.{order.name}"
        self.complaint = ""
        """what is not well, as a sentence"""

    def sees(self, camera: str) -> bool:
        return self._cameras is None or camera in self._cameras

    @abstractmethod
    def look(self, sight: Sight) -> Sequence[Told | Work]:
        """What it has to say or to do of a frame; nothing of it counts before `keep`."""

    @abstractmethod
    def keep(self, looked: Sequence[Told | Work]) -> None:
        """The frame was whole: publish it, or let it wait for the worker."""

    @abstractmethod
    def expire(self, expire: Expire) -> None: ...

    @abstractmethod
    def configure(self, topic: str, value: Raw) -> None: ...

    @abstractmethod
    def ask(self, ask: Ask) -> bool:
        """False: too many wait. The answer goes to `Floor.answered`."""

    @abstractmethod
    def start(self) -> None:
        """Begin to work."""

    @abstractmethod
    def step(self) -> None:
        """Take what the worker did, and look after it."""

    @abstractmethod
    def stop(self) -> None:
        """Take no more work, do what waits, then shut down."""

    @property
    @abstractmethod
    def has_stopped(self) -> bool: ...

    @abstractmethod
    def cut(self) -> None:
        """Leave out the work that waits."""

    @abstractmethod
    def end(self) -> Outcome:
        """The time is over: let go of everything."""

    def bury(self, end_s: float) -> None:  # noqa: B027  most have nothing to wait for
        """After `end`: wait until its process is gone, but not beyond this monotonic time."""


def overrides(kind: type[AnyProcessor], base: type, method: str) -> bool:
    """Whether a class brings a method of its own: nobody calls one that does nothing."""
    return getattr(kind, method) is not getattr(base, method)


def work_of(sight: Sight, object_id: str | None, payload: Any) -> Work:
    frame = sight.frame
    return Work(
        camera=frame.camera,
        object_id=object_id,
        number=frame.number,
        captured_at_s=frame.captured_at_s,
        captured_up_s=frame.captured_boot_ns / 1e9,
        payload=payload,
    )
