"""What workers ask of the ledger, and what becomes of their jobs when they die."""

import signal as signals

from msgspec.structs import asdict

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import JobEvent
from framebus.messages import JobState, JobView
from framebus.redact import redact
from framebus.requests import Done, FailKind, JobDone, JobEnd, JobFailed, JobPrepared, Lease, LeaseJob, WorkerLost
from framebus_services.dispatcher import publishing
from framebus_services.dispatcher.crashes import OomWatch, said, verdict
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.outcomes import (
    DEFAULT_CODES,
    FAIL_EVENTS,
    checked_result,
    evidence_of,
    leased,
    outcome_of,
    put_claims,
)
from framebus_services.dispatcher.publisher import Publisher
from framebus_services.dispatcher.room import Room


class Workers:
    """The workers' side of the ledger."""

    def __init__(self, ledger: Ledger, publisher: Publisher, room: Room, oom: OomWatch) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._exports = publisher.exports
        self._room = room
        self._oom = oom

    # Leases -----------------------------------------------------------------------------------------------------------

    def lease(self, request: LeaseJob) -> Lease:
        """A job for a free slot, or none."""
        in_hand = []
        for held in self._store.held_by(request.worker):
            if held.incarnation < request.incarnation:
                self._ledger.move(self._ledger.known(held.id), JobEvent.VOID, "its worker was started anew")
            elif held.type in request.types and (held.incarnation, held.slot) == (request.incarnation, request.slot):
                return Lease(job=leased(self._ledger.known(held.id)))  # the answer to its first asking was lost
            elif not held.isolated:
                in_hand.append(held)
        if self._room.is_low():
            return Lease()
        free = self._next(request.types)
        if free is None:
            return Lease()
        if not request.isolated and in_hand and (free.is_suspect or any(one.is_suspect for one in in_hand)):
            return Lease()  # a suspect works alone, so that a death can be laid at its door
        clock = self._ledger.clock
        self._oom.glance(clock.boot_s())
        free.owner, free.incarnation, free.slot = request.worker, request.incarnation, request.slot
        free.isolated, free.boot_id, free.leased_up_s = request.isolated, self._ledger.boot_id, clock.boot_s()
        free.started_at = free.started_at or max(free.created_at, clock.wall_s())
        self._ledger.move(free, JobEvent.LEASE, f"leased by {request.worker}")
        return Lease(job=leased(free))

    def has_work(self, kinds: list[str]) -> bool:
        """Whether there is a job that may begin; costs nothing on the disk."""
        return any(self._may_begin(kind) for kind in kinds)

    def _next(self, kinds: list[str]) -> Job | None:
        for kind in kinds:
            if self._may_begin(kind) and (found := self._store.next_queued(kind)) is not None:
                return found
        return None

    def _may_begin(self, kind: str) -> bool:
        ledger = self._ledger
        if not ledger.count(kind, JobState.QUEUED):
            return False
        has_room = ledger.count(kind, JobState.RUNNING) < ledger.policy_of(kind).max_running
        return has_room and ledger.queues.ready_s(kind) <= ledger.clock.boot_s()

    # Ends that workers tell -------------------------------------------------------------------------------------------

    def prepared(self, request: JobPrepared) -> JobView | RefusedError | None:
        """Note that the files are whole. None: the answer comes when they have their names."""
        job = self._ledger.held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            is_wanted = not job.cancel_requested
            if is_wanted:
                publishing.check_files(self._exports, job.id, job.fence, request.files)
                put_claims(job, publishing.claim_names(self._exports, request.files), bytes(request.result))
            self._ledger.move(job, JobEvent.PREPARED, "files are whole")
            if is_wanted:
                self._ledger.to_publish.append(job.id)
        return None if job.state is JobState.PUBLISHING else outcome_of(job)

    def done(self, request: JobDone) -> JobEnd | RefusedError:
        """A job has ended; its slot may take the next with the same commit."""
        job = self._ledger.held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            job.result = checked_result(bytes(request.result))
            self._ledger.move(job, JobEvent.DONE, "done")
        outcome = outcome_of(job)
        if isinstance(outcome, RefusedError):
            return outcome
        lease = Lease() if request.next is None else self.lease(request.next)
        return JobEnd(**asdict(outcome), lease=lease.job)

    def fail(self, request: JobFailed) -> JobView:
        job = self._ledger.held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            text = redact(request.message)
            self._ledger.set_error(job, request.code or DEFAULT_CODES[request.kind], text)
            event = FAIL_EVENTS[request.kind]
            if request.kind is FailKind.CRASH:
                # It died in a process of its own: there is nobody to share the blame with.
                event = self._blame(job, request.signal, 1, request.log_tail, is_alone=True)
            self._ledger.move(job, event, f"{request.kind.value}: {text}", rest_s=request.retry_after_s)
        return job.view()

    def stopped(self, job_id: str, fence: int) -> JobView:
        job = self._ledger.held(job_id, fence)
        self._ledger.move(job, JobEvent.STOPPED, "stopped")
        return job.view()

    def release(self, job_id: str, fence: int) -> JobView:
        job = self._ledger.held(job_id, fence)
        self._ledger.move(job, JobEvent.RELEASE, "handed back")
        return job.view()

    # Ends that nobody tells -------------------------------------------------------------------------------------------

    def end_lease(self, job_id: str, fence: int, event: JobEvent, detail: str) -> None:
        """A lease is over without a word of its worker; `event` is VOID or STALLED."""
        job = self._store.get(job_id)
        if job is None or job.fence != fence or job.state is not JobState.RUNNING:
            return
        if event is JobEvent.STALLED:
            self._ledger.set_error(job, ErrorCode.UNAVAILABLE, detail)
        self._ledger.move(job, event, detail)

    def lost(self, lost: WorkerLost) -> Done:
        """A worker died: its jobs are free again, and blamed only where the death may be their doing."""
        jobs = [job for job in self._store.running_of(lost.worker) if (job.incarnation or 0) <= lost.incarnation]
        is_alone = sum(not job.isolated for job in jobs) == 1
        for job in jobs:
            if lost.hung:
                self._ledger.set_error(job, ErrorCode.UNAVAILABLE, "its worker hung")
                self._ledger.move(job, JobEvent.STALLED, "its worker hung")
            elif lost.by_us or job.isolated:
                self._ledger.move(job, JobEvent.VOID, "its worker ended")
            else:
                event = self._blame(job, lost.signal, lost.exit_code, lost.log_tail, is_alone=is_alone)
                text = f"its worker died: {said(lost.signal, lost.exit_code)}"
                if event is not JobEvent.VOID:
                    self._ledger.set_error(job, ErrorCode.CRASHED, text)
                self._ledger.move(job, event, text)
        return Done()

    def _blame(
        self, job: Job, signal: int | None, exit_code: int | None, log_tail: list[str], *, is_alone: bool
    ) -> JobEvent:
        """What a death means for a job that was in hand; the row and the evidence say how it looks now."""
        leased_s = job.leased_up_s if job.boot_id == self._ledger.boot_id else None
        grown_s = self._oom.look(self._ledger.clock.boot_s())
        was_out_of_memory = leased_s is not None and grown_s > leased_s
        event = verdict(signal, exit_code, is_alone=is_alone, was_out_of_memory=was_out_of_memory)
        if event is not JobEvent.VOID or signal == signals.SIGKILL:
            job.is_suspect = True
        if event is not JobEvent.VOID:
            how = said(signal, exit_code) + (", out of memory" if was_out_of_memory else "")
            self._store.set_evidence(job.id, codec.encode(evidence_of(how, log_tail)))
        return event
