"""What the ledger's thread does when nobody asks for anything: forget, tidy up, keep room on the disk."""

import logging
from collections.abc import Callable

from framebus.clock import Clock
from framebus.messages import JobState
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.publisher import Publisher
from framebus_services.dispatcher.room import Room

log = logging.getLogger(__name__)

FIRST_S = 60.0
"""after the start: others have more urgent things to do"""
KEPT_S = 7 * 86_400.0
KEPT_JOBS = 10_000
FORGET_PERIOD_S = 3_600.0
MAX_FORGOTTEN = 500
"""in one transaction: nobody waits for it long"""
ROOM_PERIOD_S = 1.0
"""between two looks at a disk that is full"""
SWEEP_PERIOD_S = 60.0
"""between two walks through the exports folder for what dead workers left"""

Counts = dict[str, dict[JobState, int]]
"""jobs of each type in each state"""


class Housekeeping:
    """Used by the ledger's thread, outside of transactions."""

    def __init__(
        self, ledger: Ledger, publisher: Publisher, room: Room, clock: Clock, on_counts: Callable[[Counts], None]
    ) -> None:
        """`on_counts` is called when jobs were forgotten."""
        self._ledger = ledger
        self._publisher = publisher
        self._room = room
        self._clock = clock
        self._on_counts = on_counts
        self._room_s = self._sweep_s = clock.boot_s()
        self._forget_s = clock.boot_s() + FIRST_S

    def next_due_s(self, *, has_parked: bool) -> float:
        """Boot time at which there is something to do, as soon as nothing waits."""
        dues = [self._forget_s]  # or who asks each few seconds would put it off for ever
        if self._ledger.has_leftovers:
            dues.append(self._sweep_s)
        if not self._room.has_reserve or (has_parked and self._room.is_low()):
            dues.append(max(self._room_s, self._clock.boot_s() + ROOM_PERIOD_S))
        return min(dues)

    def keep_room(self) -> None:
        """Make the reserve again, once there is space."""
        now_s = self._clock.boot_s()
        if not self._room.has_reserve and now_s >= self._room_s:
            self._room_s = now_s + ROOM_PERIOD_S
            self._room.keep()

    def sweep(self) -> None:
        """Remove what workers that lost their jobs have left behind; it costs a walk through all exports."""
        now_s = self._clock.boot_s()
        if self._ledger.has_leftovers and now_s >= self._sweep_s:
            self._sweep_s = now_s + SWEEP_PERIOD_S
            self._publisher.sweep()

    def forget(self) -> None:
        """Forget jobs that ended long ago."""
        now_s = self._clock.boot_s()
        if now_s < self._forget_s:
            return
        self._forget_s = now_s + FORGET_PERIOD_S
        store = self._ledger.store
        with store.transaction():
            forgotten = store.forget_ended(self._clock.wall_s() - KEPT_S, KEPT_JOBS, MAX_FORGOTTEN)
        if forgotten == MAX_FORGOTTEN:
            self._forget_s = now_s  # there may be more: go on when nobody asks for anything
        if forgotten:
            log.info("forgot %d jobs that ended long ago", forgotten)
            self._ledger.reload_counts()
            self._on_counts(store.counts())
