"""Between the loop and one worker: its lane on the way in, a bounded stage of results on the way out, one lock.

| who | calls | waits |
| --- | --- | --- |
| the loop | `put`, `expire`, `configure`, `ask`, `drain`, `stop`, `cut`, `hand_over` | never |
| the worker | `take` | for something to do |
| the worker | `give` | while the stage is full: the loop has not read it yet |

A worker that was replaced is no longer the owner of the line: it gets nothing more, and what it gives is ignored.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from framebus.clock import Clock
from framebus_services.enrich.guard import Result
from framebus_services.enrich.lane import Ask, Configure, Expire, Item, Lane, Reason, Work

MAX_STAGED = 8
MAX_STAGED_BYTES = 32 * 1_024 * 1_024
LOOK_S = 0.5
"""how often a worker that waits looks whether it is still the owner"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """One item that a worker is done with, and what became of it."""

    item: Item
    result: Result = Result()  # noqa: RUF009  frozen
    dropped: Reason | None = None
    cost_worker: bool = False
    """its process died or hung"""
    is_third: bool = False
    """its object has cost three workers by that"""
    why: str = ""
    age_s: float = 0.0
    """of its frame when the work began"""
    took_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class InHand:
    """What a worker is at."""

    item: Item | None
    """None: it is being made"""
    begun_s: float


@dataclass(frozen=True, kw_only=True)
class Drained:
    """What has come since the last look."""

    ended: list[Ended]
    drops: Counter[tuple[Reason, str]]
    late: list[Ask]
    queued: int


class Line:
    """The line between the loop and whoever owns it now."""

    def __init__(self, lane: Lane, clock: Clock, wake: Callable[[], None]) -> None:
        """`wake` is called from any thread when there is something to drain."""
        self._lane = lane
        self._clock = clock
        self._wake = wake
        self._changed = threading.Condition()
        self._owner: object | None = None
        self._in_hand: InHand | None = None
        self._offered: Ended | None = None
        """what waits for room on the stage"""
        self._stage: deque[Ended] = deque()
        self._staged_bytes = 0

    # The loop --------------------------------------------------------------------------------------------------------

    def put(self, work: Work) -> None:
        with self._changed:
            self._lane.put(work)
            self._changed.notify_all()

    def expire(self, expire: Expire) -> bool:
        """False: so many wait that the worker must have stopped."""
        with self._changed:
            self._lane.expire(expire)
            self._changed.notify_all()
            return not self._lane.is_overrun

    def configure(self, configure: Configure) -> None:
        with self._changed:
            self._lane.configure(configure)
            self._changed.notify_all()

    def ask(self, ask: Ask) -> bool:
        """False: too many wait."""
        with self._changed:
            self._changed.notify_all()
            return self._lane.ask(ask)

    def drain(self) -> Drained:
        """Take what has come; makes room for the worker."""
        with self._changed:
            ended, self._stage = list(self._stage), deque()
            drops, self._lane.drops = self._lane.drops, Counter()
            late, self._lane.late = self._lane.late, []
            self._staged_bytes = 0
            self._changed.notify_all()
            return Drained(ended=ended, drops=drops, late=late, queued=len(self._lane))

    @property
    def in_hand(self) -> InHand | None:
        with self._changed:
            return self._in_hand

    def strike(self, ended: Ended) -> Ended:
        """What was in hand has cost its worker: note it before the next one takes something."""
        with self._changed:
            return self._struck(ended)

    def _struck(self, ended: Ended) -> Ended:
        if ended.cost_worker and isinstance(ended.item, Work) and self._lane.strike(ended.item):
            return replace(ended, is_third=True)
        return ended

    def hand_over(self, owner: object) -> InHand | None:
        """Make this worker the owner; returns what the one before it had in hand."""
        with self._changed:
            left, self._in_hand = self._in_hand, InHand(item=None, begun_s=self._clock.boot_s())
            self._offered = None
            self._owner = owner
            self._changed.notify_all()
            return left

    def forget(self) -> None:
        """No object that ended before now is told of."""
        with self._changed:
            self._lane.forget()

    def stop(self) -> tuple[int, int, Drained]:
        """Take no more work or questions. Returns how many pieces of work are not done, how many are done whose
        results were not drained yet, and these."""
        with self._changed:
            at_work = sum(isinstance(one.item, Work) for one in (self._in_hand, self._offered) if one is not None)
            pending = sum(isinstance(ended.item, Work) for ended in self._stage)
            self._lane.stop()
            return len(self._lane) + at_work, pending, self.drain()

    def cut(self) -> None:
        """The time is over: what waits is not done any more."""
        with self._changed:
            self._lane.drop_works(Reason.SHUTDOWN)
            self._changed.notify_all()

    # The worker ------------------------------------------------------------------------------------------------------

    def take(self, owner: object) -> Item | None:
        """What to do next, as soon as there is something; None: there is another owner."""
        with self._changed:
            while self._owner is owner:
                now_s = self._clock.boot_s()
                item = self._lane.take(now_s)
                if self._lane.late:
                    self._wake()
                if item is not None:
                    self._in_hand = InHand(item=item, begun_s=now_s)
                    return item
                self._in_hand = None
                self._changed.wait(LOOK_S)
            return None

    def give(self, owner: object, ended: Ended) -> None:
        """Hand in what became of an item."""
        size_bytes = sum(len(told.jpeg or b"") for told in ended.result.told)
        with self._changed:
            if self._owner is owner:
                self._in_hand, self._offered = None, ended  # waiting for room is not hanging
            while self._owner is owner and self._is_full(size_bytes):
                self._changed.wait(LOOK_S)
            if self._owner is not owner:
                return
            ended = self._struck(ended)
            self._offered = None
            is_first = not self._stage
            self._stage.append(ended)
            self._staged_bytes += size_bytes
        if is_first:
            self._wake()

    def _is_full(self, more_bytes: int) -> bool:
        count = len(self._stage)
        return count >= MAX_STAGED or (count > 0 and self._staged_bytes + more_bytes > MAX_STAGED_BYTES)
