"""Workers that wait for work: each is given the next job of its types, or, when its patience ends, none."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from framebus.clock import Clock
from framebus.door import Promise
from framebus.jobs import JobEvent
from framebus.requests import Lease, LeasedJob, LeaseJob
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
        self._fresh: list[Parked] = []
        """came with this batch, and have not looked yet"""

    def __len__(self) -> int:
        return len(self._parked) + len(self._fresh)

    @property
    def promises(self) -> list[Promise]:
        return [parked.promise for parked in self._parked]

    @property
    def next_due_s(self) -> float:
        """The boot time at which the first loses its patience."""
        return min((parked.until_s for parked in self._parked), default=float("inf"))

    def add(self, parked: Parked) -> None:
        self._fresh.append(parked)

    def withdraw(self, worker: str, incarnation: int) -> None:
        """A process is gone, or about to end: give it no more work."""
        self._parked, self._fresh = (
            [one for one in some if one.request.worker != worker or one.request.incarnation > incarnation]
            for some in (self._parked, self._fresh)
        )

    def mark(self) -> list[Parked]:
        """All that wait now, for `restore` when a batch is undone."""
        return list(self._parked)

    def restore(self, mark: list[Parked]) -> None:
        self._parked, self._fresh = mark, []

    def serve(self) -> list[tuple[Promise, Outcome]]:
        """What each is given that need not wait any longer; in a transaction."""
        now_s = self._clock.boot_s()
        waiting: list[Parked] = []
        served: list[tuple[Promise, Outcome]] = []
        served_slots: set[tuple[str, int]] = set()
        for is_fresh, parked in [*((False, one) for one in self._parked), *((True, one) for one in self._fresh)]:
            request, slot = parked.request, (parked.request.worker, parked.request.slot)
            lease = Lease()
            # Who has looked before need not look again, but for new work, or a job that went to their slot just now.
            if is_fresh or slot in served_slots or self._workers.has_work(request.types):
                lease = self._workers.lease(request) if parked.promise.until_s > now_s else lease
            if lease.job is not None:
                self.void_undelivered(parked.promise, lease.job)
                served_slots.add(slot)
            if lease.job is not None or now_s >= parked.until_s:
                served.append((parked.promise, lease))
            else:
                waiting.append(parked)
        self._parked, self._fresh = waiting, []
        return served

    def void_undelivered(self, promise: Promise, job: LeasedJob) -> None:
        """Should the answer find nobody, the job is free again."""
        void = partial(self._workers.end_lease, job.id, job.fence, JobEvent.VOID, "its worker was gone")
        promise.on_undelivered = partial(self._put, void)
