"""The ledger's thread: takes what waits, does it in one transaction, commits, and only then lets anybody know."""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial

from framebus.clock import Clock
from framebus.door import Promise
from framebus.errors import ErrorCode, RefusedError
from framebus.requests import JobDone, JobEnd, JobPrepared, LeaseJob, ReleaseJob
from framebus_services.dispatcher.errands import Errand, Outcome, Work, settle
from framebus_services.dispatcher.forecast import Facts
from framebus_services.dispatcher.housekeeping import Counts, Housekeeping
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.moved import Moved
from framebus_services.dispatcher.parked import Parked, Parking
from framebus_services.dispatcher.publisher import Publisher
from framebus_services.dispatcher.room import RETRY_AFTER_S, Room
from framebus_services.dispatcher.unpublished import Unpublished
from framebus_services.dispatcher.workers import Workers

log = logging.getLogger(__name__)

MAX_BATCH = 256
STUCK_S = 15.0
IDLE_S = 60.0
AGAIN_S = 1.0
"""between two tries to write what could not be written"""

_INTERNAL = RefusedError(ErrorCode.INTERNAL, "the ledger failed; its log tells more")

Told = Callable[[list[Moved], dict[str, Facts]], None]
"""is called with moves, and with the facts of the queues that they belong to"""


class Clerk:
    """Owns the ledger from `start()` to `stop()`.

    `hand_back` runs a function on the loop's thread; `on_moves` is called there with the moves of each transaction,
    `on_counts` with the counts when jobs that ended long ago were forgotten, `count` with the name of what went wrong.
    """

    def __init__(
        self,
        ledger: Ledger,
        workers: Workers,
        publisher: Publisher,
        room: Room,
        clock: Clock,
        hand_back: Callable[[Callable[[], None]], None],
        on_moves: Told,
        on_counts: Callable[[Counts], None],
        count: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._workers = workers
        self._room = room
        self._clock = clock
        self._hand_back = hand_back
        self._on_moves = on_moves
        self._count = count
        self._house = Housekeeping(ledger, publisher, room, clock, lambda counts: hand_back(partial(on_counts, counts)))
        self._errands: queue.SimpleQueue[Errand | Parked | None] = queue.SimpleQueue()
        self._parking = Parking(workers, clock, self.put)
        self._unpublished = Unpublished(ledger, publisher, clock, self._note_unpublished)
        self._settled: list[tuple[Promise, Outcome]] = []
        self._busy_since_s: float | None = None
        self._due_again_s: float | None = None
        """what is due could not be written: the boot time of the next try"""
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

    def put_read(self, work: Work, promise: Promise) -> None:
        """As `put`, for what only looks."""
        self._errands.put(Errand(work, promise, is_read=True))

    def put_prepared(self, request: JobPrepared, promise: Promise) -> None:
        """As `put`, for a job whose files get their names before the promise is settled."""

        def work() -> Outcome | None:
            outcome = self._workers.prepared(request)
            if outcome is None:
                self._unpublished.expect(request.id, promise)
            return outcome

        self.put(work, promise)

    def put_done(self, request: JobDone, promise: Promise) -> None:
        """As `put`, for the end of a job whose slot may take the next."""

        def work() -> Outcome:
            outcome = self._workers.done(request)
            if isinstance(outcome, JobEnd) and outcome.lease is not None:
                self._parking.void_undelivered(promise, outcome.lease)
            return outcome

        self.put(work, promise)

    def park(self, request: LeaseJob, promise: Promise) -> None:
        """Give a worker a job as soon as there is one, within its patience."""
        self._errands.put(Parked(request, promise, self._clock.boot_s() + request.wait_s))

    def put_release(self, request: ReleaseJob, promise: Promise) -> None:
        """As `put`; a worker that hands a job back is about to end, and gets no other."""

        def work() -> Outcome:
            job = self._ledger.store.get(request.id)
            view = self._workers.release(request.id, request.fence)
            if job is not None and job.owner is not None:
                self._parking.withdraw(job.owner, job.incarnation or 0)
            return view

        self.put(work, promise)

    def forget_worker(self, worker: str, incarnation: int) -> None:
        """A process is gone: give it no more work."""
        self.put(partial(self._parking.withdraw, worker, incarnation))

    def _run(self) -> None:
        while not self._is_stopping:
            errands = self._take()
            self._busy_since_s = self._clock.boot_s()
            self._attempt(self._write, [one for one in errands if isinstance(one, Parked) or not one.is_read])
            self._attempt(self._read, [one for one in errands if isinstance(one, Errand) and one.is_read])
            if not errands:
                self._attempt(self._tidy_up, [])
            self._house.keep_room()
            self._busy_since_s = None

    def _attempt(self, work: Callable[[Sequence[Errand | Parked]], None], errands: Sequence[Errand | Parked]) -> None:
        parked = self._parking.mark()
        asking = [*self._parking.promises, *(one.promise for one in errands)]
        try:
            try:
                work(errands)
            except sqlite3.Error as error:
                if not self._can_try_again(error):
                    raise
                self._parking.restore(parked)
                work(errands)
        except sqlite3.Error as error:
            self._note_failed("ledger.failed")
            log.error("the ledger could not be written: %s", error)
            text = f"the ledger could not be written: {error}"
            self._refuse_all(asking, RefusedError(self._code_of(error), text, retry_after_s=RETRY_AFTER_S))
        except Exception:
            self._note_failed("ledger.failed")
            log.exception("a batch of the ledger failed")
            self._refuse_all(asking, _INTERNAL)

    def _can_try_again(self, error: sqlite3.Error) -> bool:
        """Whether there is room now: the reserve is given back to a full disk, and nothing of the batch is done yet."""
        if self._code_of(error) is not ErrorCode.NO_SPACE or not self._room.give_back():
            return False
        self._ledger.undo()
        self._settled.clear()
        return True

    def _code_of(self, error: sqlite3.Error) -> ErrorCode:
        code = getattr(error, "sqlite_errorcode", None) or 0
        is_io = code & 0xFF == sqlite3.SQLITE_IOERR  # what a full disk does to the files beside the database
        is_full = code == sqlite3.SQLITE_FULL or (is_io and self._room.is_low())
        return ErrorCode.NO_SPACE if is_full else ErrorCode.UNAVAILABLE

    def _note_failed(self, what: str) -> None:
        self._hand_back(partial(self._count, what))

    def _write(self, errands: Sequence[Errand | Parked]) -> None:
        self._has_failed = True
        self._run_due()
        if errands or self._parking:
            self._do_batch(errands)
        self._has_failed = False
        self._let_know()
        self._publish()

    def _read(self, errands: Sequence[Errand | Parked]) -> None:
        for errand in errands:
            if isinstance(errand, Errand):
                self._do(errand)
        self._let_know()

    def _tidy_up(self, _: Sequence[Errand | Parked]) -> None:
        self._house.forget()
        self._house.sweep()

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
        dues = [self._parking.next_due_s, self._unpublished.next_due_s]
        if (due_s := self._next_due_s()) is not None:
            dues.append(due_s)
        if (ready_s := self._ledger.next_ready_s()) is not None:
            dues.append(ready_s)
        dues.append(self._house.next_due_s(has_parked=bool(self._parking)))
        least_s = AGAIN_S if self._has_failed else 0.0
        return min(IDLE_S, max(least_s, min(dues) - self._clock.boot_s()))

    def _next_due_s(self) -> float | None:
        due_s = self._ledger.next_due_s()
        return due_s if due_s is None or self._due_again_s is None else max(due_s, self._due_again_s)

    def _run_due(self) -> None:
        """In a transaction of its own: nobody who asks is to blame when it cannot be written."""
        due_s = self._next_due_s()
        if due_s is None or due_s > self._clock.boot_s():
            return
        try:
            with self._ledger.store.transaction():
                self._ledger.run_due()
        except sqlite3.Error as error:
            self._note_failed("ledger.failed")
            self._can_try_again(error)
            if self._due_again_s is None:
                log.error("what is due could not be written: %s; trying again every %.0f s", error, AGAIN_S)
            self._due_again_s = self._clock.boot_s() + AGAIN_S
            self._ledger.undo()
            return
        self._due_again_s = None
        self._let_know()  # before a batch that fails undoes what is in memory

    def _do_batch(self, errands: Sequence[Errand | Parked]) -> None:
        with self._ledger.store.transaction():
            for errand in errands:
                if isinstance(errand, Parked):
                    self._parking.add(errand)
                else:
                    self._do(errand)
            self._settled += self._parking.serve()

    def _do(self, errand: Errand) -> None:
        promise = errand.promise
        if promise is not None and promise.until_s < self._clock.boot_s():
            self._settled.append((promise, RefusedError(ErrorCode.DEADLINE, "it was too late to begin")))
            return
        mark = self._ledger.mark()
        try:
            with self._ledger.store.savepoint():
                outcome = errand.work()
        except sqlite3.Error:
            raise  # not this errand's fault: the whole batch is undone
        except Exception as error:
            outcome = error if isinstance(error, RefusedError) else _INTERNAL
            if outcome is _INTERNAL:
                self._note_failed("ledger.errand")
                log.exception("an errand of the ledger failed")
            self._ledger.undo(mark)
        if promise is not None and outcome is not None:
            self._settled.append((promise, outcome))

    def _publish(self) -> None:
        for promise, outcome in self._unpublished.step():
            if promise is not None:
                self._settled.append((promise, outcome))
            self._let_know()  # of each when it is done

    def _note_unpublished(self, fault: sqlite3.Error | None) -> None:
        self._note_failed("ledger.unpublished")
        if fault is not None:
            self._can_try_again(fault)

    def _let_know(self) -> None:
        moves = self._ledger.take_moves()
        settled, self._settled = self._settled, []
        if moves or settled:
            self._hand_back(partial(self._deliver, moves, self._facts_of(moves), settled))

    def _facts_of(self, moves: list[Moved]) -> dict[str, Facts]:
        try:
            return {kind: self._ledger.facts(kind) for kind in {moved.view.type for moved in moves}}
        except sqlite3.Error as error:  # what was committed is told all the same
            log.error("the queues could not be read: %s", error)
            return {}

    def _deliver(self, moves: list[Moved], facts: dict[str, Facts], settled: list[tuple[Promise, Outcome]]) -> None:
        try:
            self._on_moves(moves, facts)
        finally:  # it is committed: who asked is told, whatever becomes of the news
            for promise, outcome in settled:
                settle(promise, outcome)

    def _refuse_all(self, asking: list[Promise | None], error: RefusedError) -> None:
        """Nothing of a batch was done: undo what is in memory, and let everybody ask again, parked workers too."""
        self._ledger.undo()
        self._settled.clear()
        self._parking.restore([])
        for promise in asking:
            if promise is not None:
                self._hand_back(partial(settle, promise, error))
