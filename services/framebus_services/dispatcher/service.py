"""The dispatcher as a service: opens the doors, and hands what comes in to the ledger, the leases and the boards."""

import fcntl
import logging
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from framebus.bus import Bus
from framebus.clock import boot_id
from framebus.door import Promise
from framebus.errors import ExitCode
from framebus.messages import ConfigChanged, JobState, QueueStatus
from framebus.plugins import load_job_types
from framebus.redact import redact
from framebus.requests import (
    BeatAnswer,
    BeatJob,
    CancelCase,
    CancelJob,
    GetJob,
    GetQueue,
    GetStory,
    JobDone,
    JobFailed,
    JobPrepared,
    JobStopped,
    LeaseJob,
    ListJobs,
    ReleaseJob,
    RetryJob,
    SubmitBatch,
    SubmitJob,
    WorkerLost,
)
from framebus.settings import DispatcherSettings
from framebus_services.dispatcher.admission import Admission
from framebus_services.dispatcher.board import ENDED_SHOWN_S, MAX_ENDED, Boards
from framebus_services.dispatcher.clerk import Clerk
from framebus_services.dispatcher.crashes import OomWatch
from framebus_services.dispatcher.deaths import Deaths
from framebus_services.dispatcher.forecast import Facts, status_of
from framebus_services.dispatcher.hands import Hands
from framebus_services.dispatcher.housekeeping import Counts
from framebus_services.dispatcher.leases import Leases
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.moved import Moved
from framebus_services.dispatcher.proxy import Proxy
from framebus_services.dispatcher.publisher import Publisher
from framebus_services.dispatcher.room import Room
from framebus_services.dispatcher.state import State
from framebus_services.dispatcher.store import Store
from framebus_services.dispatcher.users import Users
from framebus_services.dispatcher.workers import Workers

log = logging.getLogger(__name__)

TICK_S = 0.25
HANDS_PERIOD_S = 1.0
"""how soon a board says that nobody takes the jobs of its type any more"""


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
        self._hands = Hands()
        self._admission = Admission(types, settings.jobs, data, frozenset(settings.cameras), bus.clock)
        room = Room(data)
        store = Store(data / "ledger.db")
        self._ledger = Ledger(
            store,
            self._admission.policy_of,
            clock=bus.clock,
            boot_id=boot_id(),
            progress_of=self._leases.progress_of,
        )
        publisher = Publisher(self._ledger, data / "exports")
        publisher.recover()
        room.keep()
        self._users = Users(self._ledger, self._admission, room, self._hands)
        self._workers = Workers(self._ledger, publisher, room, OomWatch())
        bus.epoch = _draw_epoch(store, bus.epoch)
        self._facts: dict[str, Facts] = {}
        self._ticks = False
        """whether leases are looked at"""
        self._had_hands: dict[str, tuple[bool, bool]] = {}
        self._boards = Boards(bus.publish, self._queue_status, lambda kind: self._facts[kind].turns, bus.stats.count)
        self._show_all()
        self._clerk = Clerk(
            self._ledger,
            self._workers,
            publisher,
            room,
            bus.clock,
            bus.call_soon,
            self._note_moves,
            self._note_counts,
            bus.stats.count,
        )
        State(bus)
        self._proxy = Proxy(bus.place)
        self._board_due_s: float | None = None
        self._board_timer = bus.after(0.0, self._send_boards)
        self._deaths = Deaths(bus)
        self._answer_requests()
        bus.on(ConfigChanged, self._note_config)
        bus.every(HANDS_PERIOD_S, self._look_at_hands)
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
        bus, users, workers, put, put_read = (
            self._bus,
            self._users,
            self._workers,
            self._clerk.put,
            self._clerk.put_read,
        )
        bus.answer_later(SubmitJob, lambda ask, promise: put(partial(users.submit, ask, promise.request_id), promise))
        bus.answer_later(
            SubmitBatch, lambda ask, promise: put(partial(users.submit_batch, ask, promise.request_id), promise)
        )
        bus.answer_later(RetryJob, lambda ask, promise: put(partial(users.retry, ask.id, promise.request_id), promise))
        bus.answer_later(CancelJob, lambda ask, promise: put(partial(users.cancel, ask.id), promise))
        bus.answer_later(CancelCase, lambda ask, promise: put(partial(users.cancel_case, ask.case), promise))
        bus.answer_later(GetJob, lambda ask, promise: put_read(partial(users.get, ask.id), promise))
        bus.answer_later(GetQueue, lambda ask, promise: put_read(partial(users.queue, ask.type), promise))
        bus.answer_later(ListJobs, lambda ask, promise: put_read(partial(users.listing, ask), promise))
        bus.answer_later(GetStory, self._tell_story)
        bus.answer_later(LeaseJob, self._park)
        bus.answer(BeatJob, self._beat, can_wait=True)
        bus.answer_later(JobPrepared, self._clerk.put_prepared)
        bus.answer_later(JobDone, self._take_done)
        bus.answer_later(JobFailed, lambda ask, promise: put(partial(workers.fail, ask), promise))
        bus.answer_later(JobStopped, lambda ask, promise: put(partial(workers.stopped, ask.id, ask.fence), promise))
        bus.answer_later(ReleaseJob, self._clerk.put_release)
        bus.answer_later(WorkerLost, self._note_lost)

    def _tell_story(self, ask: GetStory, promise: Promise) -> None:
        self._clerk.put_read(partial(self._users.story, ask.id), promise)
        self._clerk.put(partial(self._users.note_seen, ask.id))  # apart: a full disk keeps nobody from reading

    def _park(self, request: LeaseJob, promise: Promise) -> None:
        self._hands.ask(request, self._bus.clock.boot_s())
        self._clerk.park(request, promise)

    def _take_done(self, request: JobDone, promise: Promise) -> None:
        if request.next is not None:
            self._hands.ask(request.next, self._bus.clock.boot_s())
        self._clerk.put_done(request, promise)

    def _beat(self, beat: BeatJob) -> BeatAnswer:
        if (step := redact(beat.step)) != beat.step:
            beat = msgspec.structs.replace(beat, step=step)
        now_s = self._bus.clock.boot_s()
        answer = self._leases.beat(beat, now_s)
        self._boards.progress(beat.id, beat.step, beat.percent, beat.eta_s, now_s)
        self._plan_boards()
        return answer

    def _note_lost(self, lost: WorkerLost, promise: Promise) -> None:
        self._deaths.tell(lost)
        self._hands.forget(lost.worker, lost.incarnation)
        self._clerk.forget_worker(lost.worker, lost.incarnation)
        self._clerk.put(partial(self._workers.lost, lost), promise)

    def _note_config(self, changed: ConfigChanged) -> None:
        """Cameras and job types come and go while we run."""
        self._admission.take(changed)
        now_s = self._bus.clock.boot_s()
        for kind in self._admission.known_types:
            policy = self._admission.policy_of(kind)
            if kind not in self._facts:
                self._facts[kind] = Facts(policy=policy, waiting=0)
                self._boards.add_type(kind, {}, now_s)
            elif self._facts[kind].policy != policy:
                self._facts[kind] = replace(self._facts[kind], policy=policy)
                self._boards.note_queue(kind, now_s)
        self._clerk.put(lambda: None)  # a worker that waits may have its job now
        self._plan_boards()

    # Moves and boards -------------------------------------------------------------------------------------------------

    def _note_moves(self, moves: list[Moved], facts: dict[str, Facts]) -> None:
        """What the ledger has just committed."""
        now_s = self._bus.clock.boot_s()
        self._facts |= facts
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
        self._plan_tick()

    def _show_all(self) -> None:
        """After a start: every active job is on the board again, and its worker has time to speak up.

        So are jobs that have just ended: the last dispatcher may have died before it told.
        """
        now_s, now_at_s = self._bus.clock.boot_s(), self._bus.clock.wall_s()
        self._facts = {kind: self._ledger.facts(kind) for kind in self._ledger.counts}
        self._show_counts(self._ledger.counts)
        ended = self._ledger.store.ended_since(now_at_s - ENDED_SHOWN_S, MAX_ENDED)
        for job in ended + self._ledger.active_jobs():
            self._boards.load(job.view(), job.priority, job.number, now_s)
            if job.state is JobState.RUNNING:
                self._leases.inherit(job.id, job.fence, now_s, is_cancelled=job.cancel_requested)
        self._plan_tick()

    def _note_counts(self, counts: Counts) -> None:
        self._show_counts(counts)
        self._plan_boards()

    def _show_counts(self, counts: Counts) -> None:
        for kind in {*self._admission.known_types, *counts}:
            self._facts.setdefault(kind, Facts(policy=self._admission.policy_of(kind), waiting=0))
            self._boards.add_type(kind, counts.get(kind, {}), self._bus.clock.boot_s())

    def _queue_status(self, kind: str) -> QueueStatus:
        now_s = self._bus.clock.boot_s()
        hands = self._hands.slots(kind, now_s)
        return status_of(self._facts[kind], hands, self._hands.asked_s(kind), now_s, self._bus.clock.wall_s())

    def _look_at_hands(self) -> None:
        """Workers come, and go without a word: both belong on the boards."""
        now_s = self._bus.clock.boot_s()
        for kind in self._facts:
            status = self._queue_status(kind)
            has_hands = (status.worker_running, status.stuck_since_at_s is not None)
            if self._had_hands.get(kind, (False, False)) != has_hands:
                self._boards.note_queue(kind, now_s)
            self._had_hands[kind] = has_hands
        self._plan_boards()

    def _plan_boards(self) -> None:
        due_s = self._boards.next_due_s()
        if due_s == self._board_due_s:
            return  # 10,000 beats a second must not make 10,000 timers
        self._board_due_s = due_s
        self._board_timer.cancel()
        if due_s is not None:
            delay_s = max(0.0, due_s - self._bus.clock.boot_s())
            self._board_timer = self._bus.after(delay_s, self._send_boards)

    def _send_boards(self) -> None:
        self._board_due_s = None
        try:
            self._boards.release_due(self._bus.clock.boot_s(), self._bus.clock.boot_s)
        finally:  # what could not be sent must not end the boards for good
            self._plan_boards()

    def _plan_tick(self) -> None:
        if not self._ticks and not self._leases.is_empty:
            self._end_leases()

    def _end_leases(self) -> None:
        self._ticks = not self._leases.is_empty
        if self._ticks:
            self._bus.after(TICK_S, self._end_leases)
        for ended in self._leases.tick(self._bus.clock.boot_s()):
            log.warning("job %s: %s", ended.job_id, ended.detail)
            self._clerk.put(partial(self._workers.end_lease, ended.job_id, ended.fence, ended.event, ended.detail))


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
