"""What waits for a worker and what comes next: a queue of work with a bound, and a lane beside it that drops nothing.

| what | how many may wait | at the bound | when it is taken |
| --- | --- | --- | --- |
| `Configure` | one per topic, the newest | replaces the one before | before all else |
| `Ask` | 16 | refused: `busy` | before work; after four in a row one piece of work comes first |
| `Work` | the setting `queue` | the policy: see `Policy` | in the order in which it came |
| `Expire` | no bound but `MAX_EXPIRES` | the worker counts as hanging | after the work that came before it |
| `Stop` | one | | when nothing else is left |

No threads, no clocks, no pictures here.
"""

import itertools
from collections import Counter, OrderedDict, deque
from enum import StrEnum
from typing import Any

from msgspec import Raw, Struct

from framebus_services.enrich.strikes import Strikes

MAX_ASKS = 16
MAX_EXPIRES = 10_000
"""who lets so many objects wait for their end has stopped to work"""
ASKS_IN_A_ROW = 4
"""then work comes first: many questions stop no frame"""


class Policy(StrEnum):
    """What becomes of work for which there is no room."""

    LATEST = "latest"
    """newer work for the same camera and object replaces what waits; else as `drop_oldest`"""
    DROP_OLDEST = "drop_oldest"
    REFUSE_NEWEST = "refuse_newest"


class Reason(StrEnum):
    """Why work was dropped: a part of a counter's name."""

    REPLACED = "replaced"
    """by newer work for the same object"""
    OLDEST = "oldest"
    """to make room"""
    REFUSED = "refused"
    """there was no room"""
    TOO_OLD = "too_old"
    """it had waited for longer than `max_age_ms`"""
    STALE = "stale"
    """the ring no longer held its frame"""
    LOST = "lost"
    """its worker died, hung or was replaced"""
    QUARANTINED = "quarantined"
    """its object has cost three workers"""
    SHUTDOWN = "shutdown"


class Work(Struct, frozen=True, kw_only=True):
    """One piece of work on one frame, or on one object in it."""

    camera: str
    object_id: str | None
    number: int
    captured_at_s: float
    captured_up_s: float
    """boot time of the frame's arrival"""
    payload: Any


class Expire(Struct, frozen=True, tag="expire"):
    id: str
    camera: str


class Configure(Struct, frozen=True, tag="configure"):
    topic: str
    value: Raw


class Ask(Struct, frozen=True, tag="ask"):
    id: int
    topic: str
    data: Raw
    until_s: float
    """boot time of the asker's deadline"""


class Stop(Struct, frozen=True, tag="stop"):
    pass


Item = Work | Expire | Configure | Ask | Stop


class Lane:
    """One processor's queue and its control lane."""

    def __init__(self, *, limit: int, policy: Policy, max_age_s: float | None) -> None:
        self._limit = limit
        self._policy = policy
        self._max_age_s = max_age_s
        self._tickets = itertools.count(1)
        self._works: OrderedDict[int, Work] = OrderedDict()
        self._newest: dict[tuple[str, str | None], int] = {}
        """the ticket of the work that waits for each camera and object"""
        self._expires: deque[tuple[int, Expire]] = deque()
        self._configures: OrderedDict[str, Configure] = OrderedDict()
        self._asks: deque[Ask] = deque()
        self._asked_in_a_row = 0
        self._strikes = Strikes()
        self._is_stopping = False
        self.drops: Counter[tuple[Reason, str]] = Counter()
        """by reason and camera; who reads them empties it"""
        self.late: list[Ask] = []
        """whose deadline had passed when their turn came; who reads them empties it"""

    def __len__(self) -> int:
        """How many pieces of work wait."""
        return len(self._works)

    @property
    def is_overrun(self) -> bool:
        return len(self._expires) > MAX_EXPIRES

    def put(self, work: Work) -> None:
        """Let work wait, or drop it or another, as the policy says."""
        if self._is_stopping:
            self._drop(work, Reason.SHUTDOWN)
            return
        if work.object_id is not None and self._strikes.is_out(work.object_id):
            self._drop(work, Reason.QUARANTINED)
            return
        key = (work.camera, work.object_id)
        if self._policy is Policy.LATEST and key in self._newest:
            ticket = self._newest[key]  # it keeps its turn, or an object that is seen often would never have one
            self._drop(self._works[ticket], Reason.REPLACED)
            self._works[ticket] = work
            return
        if len(self._works) >= self._limit:
            if self._policy is Policy.REFUSE_NEWEST:
                self._drop(work, Reason.REFUSED)
                return
            self._drop(self._pop_work(), Reason.OLDEST)
        ticket = next(self._tickets)
        self._works[ticket] = work
        self._newest[key] = ticket

    def strike(self, work: Work) -> bool:
        """This work has cost a worker. True: its object has cost three, and gets no other."""
        if work.object_id is None or not self._strikes.note(work.object_id):
            return False
        for ticket in [ticket for ticket, one in self._works.items() if one.object_id == work.object_id]:
            one = self._works.pop(ticket)
            self._newest.pop((one.camera, one.object_id), None)
            self._drop(one, Reason.QUARANTINED)
        return True

    def expire(self, expire: Expire) -> None:
        self._strikes.forget(expire.id)
        self._expires.append((next(self._tickets), expire))

    def configure(self, configure: Configure) -> None:
        self._configures[configure.topic] = configure

    def ask(self, ask: Ask) -> bool:
        """False: too many wait, or no more are taken."""
        if len(self._asks) >= MAX_ASKS or self._is_stopping:
            return False
        self._asks.append(ask)
        return True

    def stop(self) -> None:
        """Take no more work or questions, and forget those that wait: who asked them was told."""
        self._is_stopping = True
        self._asks.clear()

    def drop_works(self, reason: Reason) -> int:
        """Drop all work that waits; returns how much."""
        count = len(self._works)
        while self._works:
            self._drop(self._pop_work(), reason)
        return count

    def forget(self) -> None:
        """Whoever knew the objects is gone: nobody needs to hear that they end."""
        self._expires.clear()

    def take(self, now_s: float) -> Item | None:
        """What comes next, at this boot time; None: nothing waits."""
        if self._configures:
            return self._configures.popitem(last=False)[1]
        if (ask := self._take_ask(now_s)) is not None:
            return ask
        if (item := self._take_in_turn(now_s)) is not None:
            return item
        if (ask := self._take_ask(now_s)) is not None:  # it had made way, and nothing was there
            return ask
        return Stop() if self._is_stopping else None

    def _take_ask(self, now_s: float) -> Ask | None:
        if self._asked_in_a_row >= ASKS_IN_A_ROW:
            self._asked_in_a_row = 0
            return None
        while self._asks:
            ask = self._asks.popleft()
            if ask.until_s > now_s:
                self._asked_in_a_row += 1
                return ask
            self.late.append(ask)
        return None

    def _take_in_turn(self, now_s: float) -> Work | Expire | None:
        while self._works or self._expires:
            if self._expires and (not self._works or self._expires[0][0] < next(iter(self._works))):
                return self._expires.popleft()[1]
            work = self._pop_work()
            if self._max_age_s is None or now_s - work.captured_up_s <= self._max_age_s:
                self._asked_in_a_row = 0
                return work
            self._drop(work, Reason.TOO_OLD)
        return None

    def _pop_work(self) -> Work:
        ticket, work = self._works.popitem(last=False)
        key = (work.camera, work.object_id)
        if self._newest.get(key) == ticket:
            del self._newest[key]
        return work

    def _drop(self, work: Work, reason: Reason) -> None:
        self.drops[reason, work.camera] += 1
