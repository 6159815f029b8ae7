"""The dispatcher as a service: opens the doors, and hands what comes in to the ledger, the leases and the boards."""

import fcntl
import logging
import os
from functools import partial
from pathlib import Path

from framebus.bus import Bus
from framebus.clock import boot_id
from framebus.door import Promise
from framebus.errors import ExitCode
from framebus.messages import ConfigChanged, Gone, JobState
from framebus.plugins import load_job_types
from framebus.requests import (
    BeatAnswer,
    BeatJob,
    CancelCase,
    CancelJob,
    GetJob,
    JobDone,
    JobFailed,
    JobPrepared,
    JobStopped,
    LeaseJob,
    ListJobs,
    ReleaseJob,
    RetryJob,
    SubmitJob,
    WorkerLost,
)
from framebus.settings import DispatcherSettings
from framebus_services.dispatcher.admission import Admission
from framebus_services.dispatcher.board import ENDED_SHOWN_S, MAX_ENDED, Boards
from framebus_services.dispatcher.clerk import Clerk, Counts
from framebus_services.dispatcher.leases import Leases
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.moved import Moved
from framebus_services.dispatcher.proxy import Proxy
from framebus_services.dispatcher.state import State
from framebus_services.dispatcher.store import Store

log = logging.getLogger(__name__)

TICK_S = 0.25
GONE_PERIOD_S = 1.0
GONE_REPEATED_S = 10.0
"""how long a death is told again: after a restart, subscribers need a while to be back"""


class Dispatcher:
    """Carries the messages and keeps the truth about jobs."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        settings = bus.settings(DispatcherSettings)
        data = bus.place.data
        data.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(data / "ledger.lock")
        types, problems = load_job_types()
        for problem in problems:
            log.error("left out: %s", problem)
        self._leases = Leases()
        store = Store(data / "ledger.db")
        self._admission = Admission(types, settings.jobs, data, frozenset(settings.cameras), bus.clock)
        self._ledger = Ledger(
            store,
            self._admission,
            data=data,
            clock=bus.clock,
            boot_id=boot_id(),
            progress_of=self._leases.progress_of,
        )
        self._ledger.recover()
        bus.epoch = _draw_epoch(store, bus.epoch)
        self._boards = Boards(bus.publish, self._admission.policy_of)
        self._show_all()
        self._clerk = Clerk(self._ledger, bus.clock, bus.call_soon, self._note_moves, self._note_counts)
        State(bus)
        self._proxy = Proxy(bus.place)
        self._board_timer = bus.after(0.0, self._send_boards)
        self._gones: dict[str, tuple[Gone, float]] = {}
        self._answer_requests()
        bus.on(ConfigChanged, self._note_config)
        bus.every(GONE_PERIOD_S, self._repeat_gones)
        bus.every(TICK_S, self._end_leases)
        self._clerk.start()

    def stop(self) -> None:
        """Commit what was asked; jobs at work go on, and find the next dispatcher."""
        self._clerk.stop()
        self._ledger.store.close()
        self._proxy.close()
        os.close(self._lock)

    def is_healthy(self) -> bool:
        return self._clerk.is_healthy() and self._proxy.is_alive

    # Requests ---------------------------------------------------------------------------------------------------------

    def _answer_requests(self) -> None:
        bus, ledger, put, put_read = self._bus, self._ledger, self._clerk.put, self._clerk.put_read
        bus.answer_later(SubmitJob, lambda ask, promise: put(partial(ledger.submit, ask, promise.request_id), promise))
        bus.answer_later(RetryJob, lambda ask, promise: put(partial(ledger.retry, ask.id, promise.request_id), promise))
        bus.answer_later(CancelJob, lambda ask, promise: put(partial(ledger.cancel, ask.id), promise))
        bus.answer_later(CancelCase, lambda ask, promise: put(partial(ledger.cancel_case, ask.case), promise))
        bus.answer_later(GetJob, lambda ask, promise: put_read(partial(ledger.get, ask.id), promise))
        bus.answer_later(ListJobs, lambda ask, promise: put_read(partial(ledger.listing, ask), promise))
        bus.answer_later(LeaseJob, self._clerk.park)
        bus.answer(BeatJob, self._beat)
        bus.answer_later(JobPrepared, self._clerk.put_prepared)
        bus.answer_later(
            JobDone, lambda ask, promise: put(partial(ledger.done, ask.id, ask.fence, ask.result), promise)
        )
        bus.answer_later(JobFailed, lambda ask, promise: put(partial(ledger.fail, ask), promise))
        bus.answer_later(JobStopped, lambda ask, promise: put(partial(ledger.stopped, ask.id, ask.fence), promise))
        bus.answer_later(ReleaseJob, self._clerk.put_release)
        bus.answer_later(WorkerLost, self._note_lost)

    def _beat(self, beat: BeatJob) -> BeatAnswer:
        now_s = self._bus.clock.boot_s()
        answer = self._leases.beat(beat, now_s)
        self._boards.progress(beat.id, beat.step, beat.percent, beat.eta_s, now_s)
        self._plan_boards()
        return answer

    def _note_lost(self, lost: WorkerLost, promise: Promise) -> None:
        gone = Gone(src=lost.worker, incarnation=lost.incarnation)
        self._bus.publish(gone)
        self._gones[lost.worker] = (gone, self._bus.clock.boot_s() + GONE_REPEATED_S)
        self._clerk.forget_worker(lost.worker, lost.incarnation)
        self._clerk.put(partial(self._ledger.worker_lost, lost), promise)

    def _repeat_gones(self) -> None:
        now_s = self._bus.clock.boot_s()
        self._gones = {src: (gone, until_s) for src, (gone, until_s) in self._gones.items() if until_s > now_s}
        for gone, _ in self._gones.values():
            self._bus.publish(gone)

    def _note_config(self, changed: ConfigChanged) -> None:
        """Cameras and job types come and go while we run."""
        known = set(self._admission.known_types)
        self._admission.take(changed)
        for kind in set(self._admission.known_types) - known:
            self._boards.add_type(kind, self._ledger.counts.get(kind, {}), self._bus.clock.boot_s())
        self._plan_boards()

    # Moves and boards -------------------------------------------------------------------------------------------------

    def _note_moves(self, moves: list[Moved]) -> None:
        """What the ledger has just committed."""
        now_s = self._bus.clock.boot_s()
        for moved in moves:
            view = moved.view
            if view.state is JobState.PUBLISHING:
                self._leases.hold(view.id)
            elif view.state is JobState.RUNNING:
                self._leases.begin(view.id, moved.fence, now_s, is_cancelled=view.cancelling)
            else:
                self._leases.end(view.id)
            self._boards.move(view, moved.was, moved.priority, moved.number, now_s)
        self._plan_boards()

    def _show_all(self) -> None:
        """After a start: every active job is on the board again, and its worker has time to speak up.

        So are jobs that have just ended: the last dispatcher may have died before it told.
        """
        now_s, now_at_s = self._bus.clock.boot_s(), self._bus.clock.wall_s()
        self._show_counts(self._ledger.counts)
        ended = self._ledger.store.ended_since(now_at_s - ENDED_SHOWN_S, MAX_ENDED)
        for job in ended + self._ledger.active_jobs():
            self._boards.load(job.view(), job.priority, job.number, now_s)
            if job.state is JobState.RUNNING:
                self._leases.inherit(job.id, job.fence, now_s, is_cancelled=job.cancel_requested)

    def _note_counts(self, counts: Counts) -> None:
        self._show_counts(counts)
        self._plan_boards()

    def _show_counts(self, counts: Counts) -> None:
        for kind in {*self._admission.known_types, *counts}:
            self._boards.add_type(kind, counts.get(kind, {}), self._bus.clock.boot_s())

    def _plan_boards(self) -> None:
        due_s = self._boards.next_due_s()
        self._board_timer.cancel()
        if due_s is not None:
            delay_s = max(0.0, due_s - self._bus.clock.boot_s())
            self._board_timer = self._bus.after(delay_s, self._send_boards)

    def _send_boards(self) -> None:
        try:
            self._boards.release_due(self._bus.clock.boot_s(), self._bus.clock.boot_s)
        finally:  # what could not be sent must not end the boards for good
            self._plan_boards()

    def _end_leases(self) -> None:
        for ended in self._leases.tick(self._bus.clock.boot_s()):
            log.warning("job %s: %s", ended.job_id, ended.detail)
            self._clerk.put(partial(self._ledger.end_lease, ended.job_id, ended.fence, ended.event, ended.detail))


def _lock(path: Path) -> int:
    """Be the only dispatcher of this ledger; a second one ends with exit 75."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.error("%s is locked: another dispatcher serves this data folder", path)
        os.close(descriptor)
        raise SystemExit(ExitCode.TRY_AGAIN) from None
    return descriptor


def _draw_epoch(store: Store, epoch: int) -> int:
    """An epoch greater than that of every dispatcher before, whatever the clock says."""
    epoch = max(epoch, int(store.meta("epoch") or 0) + 1)
    with store.transaction():
        store.set_meta("epoch", str(epoch))
    return epoch
