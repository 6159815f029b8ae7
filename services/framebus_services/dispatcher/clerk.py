"""The ledger's thread: takes what waits, does it in one transaction, commits, and only then lets anybody know."""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from framebus.clock import Clock
from framebus.door import Promise
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import JobEvent
from framebus.messages import Message
from framebus.requests import JobPrepared, Lease, LeaseJob, ReleaseJob
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.moved import Moved

log = logging.getLogger(__name__)

MAX_BATCH = 256
STUCK_S = 15.0
RETRY_AFTER_S = 5.0
IDLE_S = 60.0
AGAIN_S = 1.0
"""between two tries to write what could not be written"""

_INTERNAL = RefusedError(ErrorCode.INTERNAL, "the ledger failed; its log tells more")

Outcome = Message | RefusedError
Work = Callable[[], Outcome | None]


@dataclass(frozen=True)
class Errand:
    """Something to do in the ledger, and who waits for it.

    Work that raises RefusedError is undone; a refusal that it returns stands. None: answered later, or nobody waits.
    """

    work: Work
    promise: Promise | None = None


@dataclass(frozen=True)
class Parked:
    """A worker that waits for work."""

    request: LeaseJob
    promise: Promise
    until_s: float


class Clerk:
    """Owns the ledger from `start()` to `stop()`.

    `hand_back` runs a function on the loop's thread; `on_moves` is called there with the moves of each transaction.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        hand_back: Callable[[Callable[[], None]], None],
        on_moves: Callable[[list[Moved]], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._hand_back = hand_back
        self._on_moves = on_moves
        self._errands: queue.SimpleQueue[Errand | Parked | None] = queue.SimpleQueue()
        self._parked: list[Parked] = []
        self._prepared: dict[str, Promise] = {}
        self._settled: list[tuple[Promise, Outcome]] = []
        self._busy_since_s: float | None = None
        self._unpublished: list[str] = []
        """whose files have their names, or nearly, but whose row could not be written yet"""
        self._has_failed = False
        """the last batch could not be written: what is due waits a moment"""
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do what waits, then end."""
        self._errands.put(None)
        self._thread.join(timeout=4.0)

    def is_healthy(self) -> bool:
        """Whether the thread lives and no transaction takes too long."""
        since_s = self._busy_since_s
        is_stuck = since_s is not None and self._clock.boot_s() - since_s > STUCK_S
        return self._thread.is_alive() and not is_stuck

    def put(self, work: Work, promise: Promise | None = None) -> None:
        """Have something done; the promise is settled after the commit."""
        self._errands.put(Errand(work, promise))

    def put_prepared(self, request: JobPrepared, promise: Promise) -> None:
        """As `put`, for a job whose files get their names before the promise is settled."""

        def work() -> Outcome | None:
            outcome = self._ledger.prepared(request)
            if outcome is None:
                self._prepared[request.id] = promise
            return outcome

        self.put(work, promise)

    def park(self, request: LeaseJob, promise: Promise) -> None:
        """Give a worker a job as soon as there is one, within its patience."""
        self._errands.put(Parked(request, promise, self._clock.boot_s() + request.wait_s))

    def put_release(self, request: ReleaseJob, promise: Promise) -> None:
        """As `put`; a worker that hands a job back is about to end, and gets no other."""

        def work() -> Outcome:
            job = self._ledger.store.get(request.id)
            view = self._ledger.release(request.id, request.fence)
            if job is not None and job.owner is not None:
                self._withdraw(job.owner, job.incarnation or 0)
            return view

        self.put(work, promise)

    def forget_worker(self, worker: str, incarnation: int) -> None:
        """A process is gone: give it no more work."""
        self.put(partial(self._withdraw, worker, incarnation))

    def _withdraw(self, worker: str, incarnation: int) -> None:
        self._parked = [
            parked
            for parked in self._parked
            if parked.request.worker != worker or parked.request.incarnation > incarnation
        ]

    def _run(self) -> None:
        while not self._is_stopping:
            errands = self._take()
            self._busy_since_s = self._clock.boot_s()
            asking = [one.promise for one in (*self._parked, *errands)]
            self._has_failed = True
            try:
                self._do_batch(errands)
                self._has_failed = False
                self._let_know()
                self._publish()
            except sqlite3.Error as error:
                log.error("the ledger could not be written: %s", error)
                text = f"the ledger could not be written: {error}"
                self._refuse_all(asking, RefusedError(_code_of(error), text, retry_after_s=RETRY_AFTER_S))
            except Exception:
                log.exception("a batch of the ledger failed")
                self._refuse_all(asking, _INTERNAL)
            self._busy_since_s = None

    def _take(self) -> list[Errand | Parked]:
        """What waits, after waiting for the first or until something is due."""
        taken: list[Errand | Parked] = []
        try:
            first = self._errands.get(timeout=self._wait_s())
            while True:
                if first is None:
                    self._is_stopping = True
                else:
                    taken.append(first)
                if self._is_stopping or len(taken) >= MAX_BATCH:
                    return taken
                first = self._errands.get_nowait()
        except queue.Empty:
            return taken

    def _wait_s(self) -> float:
        dues = [parked.until_s for parked in self._parked]
        if (due_s := self._ledger.next_due_s()) is not None:
            dues.append(due_s)
        if self._unpublished:
            dues.append(self._clock.boot_s() + AGAIN_S)
        least_s = AGAIN_S if self._has_failed else 0.0
        return min(IDLE_S, max(least_s, min(dues) - self._clock.boot_s())) if dues else IDLE_S

    def _do_batch(self, errands: list[Errand | Parked]) -> None:
        with self._ledger.store.transaction():
            for errand in errands:
                if isinstance(errand, Parked):
                    self._parked.append(errand)
                else:
                    self._do(errand)
            self._ledger.run_due()
            self._serve_parked()

    def _do(self, errand: Errand) -> None:
        promise = errand.promise
        if promise is not None and promise.until_s < self._clock.boot_s():
            self._settled.append((promise, RefusedError(ErrorCode.DEADLINE, "it was too late to begin")))
            return
        moves = len(self._ledger.moves)
        try:
            with self._ledger.store.savepoint():
                outcome = errand.work()
        except sqlite3.Error:
            raise  # not this errand's fault: the whole batch is undone
        except Exception as error:
            outcome = error if isinstance(error, RefusedError) else _INTERNAL
            if outcome is _INTERNAL:
                log.exception("an errand of the ledger failed")
            if len(self._ledger.moves) > moves:
                del self._ledger.moves[moves:]
                self._ledger.reload_counts()
        if promise is not None and outcome is not None:
            self._settled.append((promise, outcome))

    def _serve_parked(self) -> None:
        now_s = self._clock.boot_s()
        waiting = []
        for parked in self._parked:
            lease = self._ledger.lease(parked.request) if parked.promise.until_s > now_s else Lease()
            if lease.job is not None:
                void = partial(
                    self._ledger.end_lease, lease.job.id, lease.job.fence, JobEvent.VOID, "its worker was gone"
                )
                parked.promise.on_undelivered = partial(self.put, void)
            if lease.job is not None or now_s >= parked.until_s:
                self._settled.append((parked.promise, lease))
            else:
                waiting.append(parked)
        self._parked = waiting

    def _publish(self) -> None:
        """Put files in place, outside of the transaction that promised to; each job is told when it is done."""
        ids = self._unpublished + self._ledger.to_publish
        self._unpublished, self._ledger.to_publish = [], []
        for job_id in ids:
            try:
                outcome = self._ledger.publish(job_id)
            except sqlite3.Error as error:
                log.error("job %s is done, but the ledger could not be written: %s; trying again", job_id, error)
                self._ledger.undo()
                self._unpublished.append(job_id)
                continue
            promise = self._prepared.pop(job_id, None)
            if promise is not None:
                self._settled.append((promise, outcome))
            self._let_know()

    def _let_know(self) -> None:
        moves = self._ledger.take_moves()
        settled, self._settled = self._settled, []
        if moves or settled:
            self._hand_back(partial(self._deliver, moves, settled))

    def _deliver(self, moves: list[Moved], settled: list[tuple[Promise, Outcome]]) -> None:
        self._on_moves(moves)
        for promise, outcome in settled:
            _settle(promise, outcome)

    def _refuse_all(self, asking: list[Promise | None], error: RefusedError) -> None:
        """Nothing of a batch was done: undo what is in memory, and let everybody ask again, parked workers too."""
        self._ledger.undo()
        self._settled.clear()
        self._parked.clear()
        for promise in asking:
            if promise is not None:
                self._hand_back(partial(_settle, promise, error))


def _settle(promise: Promise, outcome: Outcome) -> None:
    if promise.is_settled:
        return
    if isinstance(outcome, RefusedError):
        promise.refuse(outcome)
    else:
        promise.resolve(outcome)


def _code_of(error: sqlite3.Error) -> ErrorCode:
    is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return ErrorCode.NO_SPACE if is_full else ErrorCode.UNAVAILABLE
