"""Workers that wait for work: each is given the next job of its types, or, when its patience ends, none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from framebus.clock import Clock
from framebus.door import Promise
from framebus.jobs import JobEvent
from framebus.requests import Lease, LeaseJob
from framebus_services.dispatcher.errands import Outcome, Work
from framebus_services.dispatcher.workers import Workers


@dataclass(frozen=True)
class Parked:
    """A worker that waits for work."""

    request: LeaseJob
    promise: Promise
    until_s: float


class Parking:
    """All that wait, in the order of their coming; for the ledger's thread."""

    def __init__(self, workers: Workers, clock: Clock, put: Callable[[Work], None]) -> None:
        """`put` has something done in the ledger, later."""
        self._workers = workers
        self._clock = clock
        self._put = put
        self._parked: list[Parked] = []

    def __len__(self) -> int:
        return len(self._parked)

    @property
    def promises(self) -> list[Promise]:
        return [parked.promise for parked in self._parked]

    @property
    def next_due_s(self) -> float:
        """The boot time at which the first loses its patience."""
        return min((parked.until_s for parked in self._parked), default=float("inf"))

    def add(self, parked: Parked) -> None:
        self._parked.append(parked)

    def withdraw(self, worker: str, incarnation: int) -> None:
        """A process is gone, or about to end: give it no more work."""
        self._parked = [
            parked
            for parked in self._parked
            if parked.request.worker != worker or parked.request.incarnation > incarnation
        ]

    def mark(self) -> list[Parked]:
        """All that wait now, for `restore` when a batch is undone."""
        return list(self._parked)

    def restore(self, mark: list[Parked]) -> None:
        self._parked = mark

    def serve(self) -> list[tuple[Promise, Outcome]]:
        """What each is given that need not wait any longer; in a transaction."""
        now_s = self._clock.boot_s()
        waiting: list[Parked] = []
        served: list[tuple[Promise, Outcome]] = []
        for parked in self._parked:
            lease = self._workers.lease(parked.request) if parked.promise.until_s > now_s else Lease()
            if lease.job is not None:
                void = partial(
                    self._workers.end_lease, lease.job.id, lease.job.fence, JobEvent.VOID, "its worker was gone"
                )
                parked.promise.on_undelivered = partial(self._put, void)
            if lease.job is not None or now_s >= parked.until_s:
                served.append((parked.promise, lease))
            else:
                waiting.append(parked)
        self._parked = waiting
        return served
