"""The ledger: what becomes of each job. Reads the table of moves, writes rows, and remembers who must be told.

Used by one thread, inside the transactions that `clerk` opens.
"""

import errno
import logging
from collections.abc import Callable
from pathlib import Path

from msgspec import Raw

from framebus.clock import Clock
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import ACTIVE, FINAL, MAX_ERROR_CHARACTERS, NO_SPACE_RETRY_S, JobEvent, find_move
from framebus.messages import NIL, JobState, JobView
from framebus.redact import redact
from framebus.requests import (
    MAX_ROWS,
    Done,
    JobAccepted,
    JobFailed,
    JobPrepared,
    JobViews,
    Lease,
    LeaseJob,
    ListJobs,
    SubmitJob,
    WorkerLost,
)
from framebus.settings import QueuePolicy
from framebus.throttle import backoff_s
from framebus_services.dispatcher import publishing
from framebus_services.dispatcher.admission import Admission, content_hash
from framebus_services.dispatcher.alarms import Alarms
from framebus_services.dispatcher.moved import Moved
from framebus_services.dispatcher.outcomes import (
    DEFAULT_CODES,
    FAIL_EVENTS,
    checked_result,
    claims_of,
    leased,
    outcome_of,
    put_claims,
)
from framebus_services.dispatcher.store import Job, Store

log = logging.getLogger(__name__)


Progress = tuple[str, float]
"""step and percent"""


class Ledger:
    """All jobs. Methods raise RefusedError for what is refused; `moves` tells what they changed."""

    def __init__(
        self,
        store: Store,
        admission: Admission,
        *,
        data: Path,
        clock: Clock,
        boot_id: str,
        progress_of: Callable[[str], Progress | None] = lambda _: None,
    ) -> None:
        self.store = store
        self.exports = data / "exports"
        self.moves: list[Moved] = []
        self.to_publish: list[str] = []
        self.counts: dict[str, dict[JobState, int]] = {}
        self._admission = admission
        self._policy_of = admission.policy_of
        self._clock = clock
        self._boot_id = boot_id
        self._progress_of = progress_of
        self._alarms = Alarms(clock, admission.policy_of)
        self.reload_counts()

    def reload_counts(self) -> None:
        """Count anew what is on disk: at the start, and after something was undone."""
        self.counts = self.store.counts()

    def take_moves(self) -> list[Moved]:
        """What the last commit changed: it is true from now on."""
        moves, self.moves = self.moves, []
        for moved in moves:
            self._alarms.set(moved.view.id, moved.alarm)
        return moves

    def undo(self) -> None:
        """Forget what was done since the last commit."""
        self.moves.clear()
        self.to_publish.clear()
        self.reload_counts()

    # Asked by users ---------------------------------------------------------------------------------------------------

    def submit(self, request: SubmitJob, request_id: bytes, retry_of: str | None = None) -> JobAccepted:
        """Take a job, once per id."""
        job_id = request.id or request_id.hex()
        params_sha = content_hash(request)
        known = self.store.get(job_id)
        if known is not None:
            if known.params_sha != params_sha:
                raise RefusedError(ErrorCode.CONFLICT, f"job {job_id} exists with other content")
            return self._accepted(known, created=False)
        camera = self._admission.check(request)
        policy = self._policy_of(request.type)
        waiting = self._count(request.type, JobState.QUEUED) + self._count(request.type, JobState.RETRYING)
        if waiting >= policy.max_queued:
            text = f"the queue of {request.type} jobs is full ({policy.max_queued}); try again in a moment"
            raise RefusedError(ErrorCode.QUEUE_FULL, text, retry_after_s=max(1.0, 1.0 * waiting / policy.max_running))
        now_at_s = self._clock.wall_s()
        job = Job(
            id=job_id,
            type=request.type,
            camera=camera,
            case_id=request.case,
            name=request.name,
            params=bytes(request.params),
            params_sha=params_sha,
            priority=request.priority,
            expires_at=now_at_s + policy.expires_s,
            created_at=now_at_s,
            retry_of=retry_of,
        )
        self.store.insert(job)
        self._tell(job, None, "submitted")
        return self._accepted(job, created=True)

    def get(self, job_id: str) -> JobView:
        return self._view(self._known(job_id))

    def listing(self, request: ListJobs) -> JobViews:
        jobs = self.store.listing(request)
        more = len(jobs) > request.limit
        jobs = jobs[: request.limit]
        return JobViews(jobs=[self._view(job) for job in jobs], next=str(jobs[-1].number) if more else None)

    def cancel(self, job_id: str) -> JobView:
        return self._cancel(self._known(job_id))

    def cancel_case(self, case: str) -> JobViews:
        """Cancel what waits and runs of a case; what is being published is done."""
        jobs = self.store.active_of_case(case, MAX_ROWS + 1)
        views = [self._cancel(job) for job in jobs[:MAX_ROWS]]
        return JobViews(jobs=views, next="more" if len(jobs) > MAX_ROWS else None)

    def _cancel(self, job: Job) -> JobView:
        if job.state is JobState.PUBLISHING:
            raise RefusedError(ErrorCode.TOO_LATE, f"job {job.id} is done; its files are being put in place")
        if not (job.state is JobState.RUNNING and job.cancel_requested):
            self._move(job, JobEvent.CANCEL, "cancel asked")
        return job.view()

    def retry(self, job_id: str, request_id: bytes) -> JobAccepted:
        """A new job like one that ended."""
        old = self._known(job_id)
        if old.state not in FINAL:
            raise RefusedError(ErrorCode.CONFLICT, f"job {job_id} is {old.state.value}; only ended jobs are retried")
        request = SubmitJob(
            type=old.type, params=Raw(old.params), priority=old.priority, name=old.name, case=old.case_id
        )
        return self.submit(request, request_id, retry_of=old.id)

    # Asked by workers -------------------------------------------------------------------------------------------------

    def lease(self, request: LeaseJob) -> Lease:
        """A job for a free slot, or none."""
        for job in self.store.running_of(request.worker):
            if (job.incarnation or 0) < request.incarnation:
                self._move(job, JobEvent.VOID, "its worker was started anew")
            elif job.type in request.types and (job.incarnation, job.slot) == (request.incarnation, request.slot):
                return Lease(job=leased(job))  # the answer to its first asking was lost
        free = (
            kind for kind in request.types if self._count(kind, JobState.RUNNING) < self._policy_of(kind).max_running
        )
        next_job = next((found for kind in free if (found := self.store.next_queued(kind)) is not None), None)
        if next_job is None:
            return Lease()
        next_job.owner, next_job.incarnation, next_job.slot = request.worker, request.incarnation, request.slot
        next_job.isolated, next_job.boot_id = request.isolated, self._boot_id
        next_job.started_at = next_job.started_at or max(next_job.created_at, self._clock.wall_s())
        self._move(next_job, JobEvent.LEASE, f"leased by {request.worker}")
        return Lease(job=leased(next_job))

    def prepared(self, request: JobPrepared) -> JobView | RefusedError | None:
        """Note that the files are whole. None: the answer comes when they have their names."""
        job = self._held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            is_wanted = not job.cancel_requested
            if is_wanted:
                publishing.check_files(self.exports, job.id, job.fence, request.files)
                put_claims(job, publishing.claim_names(self.exports, request.files), bytes(request.result))
            self._move(job, JobEvent.PREPARED, "files are whole")
            if is_wanted:
                self.to_publish.append(job.id)
        return None if job.state is JobState.PUBLISHING else outcome_of(job)

    def done(self, job_id: str, fence: int, result: Raw) -> JobView | RefusedError:
        job = self._held(job_id, fence)
        if job.state is JobState.RUNNING:
            job.result = checked_result(bytes(result))
            self._move(job, JobEvent.DONE, "done")
        return outcome_of(job)

    def fail(self, request: JobFailed) -> JobView:
        job = self._held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            text = redact(request.message)
            self._set_error(job, request.code or DEFAULT_CODES[request.kind], text)
            self._move(job, FAIL_EVENTS[request.kind], f"{request.kind.value}: {text}")
        return job.view()

    def stopped(self, job_id: str, fence: int) -> JobView:
        job = self._held(job_id, fence)
        self._move(job, JobEvent.STOPPED, "stopped")
        return job.view()

    def release(self, job_id: str, fence: int) -> JobView:
        job = self._held(job_id, fence)
        self._move(job, JobEvent.RELEASE, "handed back")
        return job.view()

    def end_lease(self, job_id: str, fence: int, event: JobEvent, detail: str) -> None:
        """A lease is over without a word of its worker; `event` is VOID or STALLED."""
        job = self.store.get(job_id)
        if job is None or job.fence != fence or job.state is not JobState.RUNNING:
            return
        if event is JobEvent.STALLED:
            self._set_error(job, ErrorCode.UNAVAILABLE, detail)
        self._move(job, event, detail)

    def worker_lost(self, lost: WorkerLost) -> Done:
        """A worker died: its jobs are free again, and blamed only where the death may be their doing."""
        for job in self.store.running_of(lost.worker):
            if (job.incarnation or 0) > lost.incarnation:
                continue
            if lost.hung:
                self._set_error(job, ErrorCode.UNAVAILABLE, "its worker hung")
                self._move(job, JobEvent.STALLED, "its worker hung")
            elif lost.by_us or job.isolated or (lost.signal is None and not lost.exit_code):
                self._move(job, JobEvent.VOID, "its worker ended")
            else:
                how = f"signal {lost.signal}" if lost.signal is not None else f"exit code {lost.exit_code}"
                self._set_error(job, ErrorCode.CRASHED, f"its worker died: {how}")
                self._move(job, JobEvent.CRASH, f"its worker died: {how}")
        return Done()

    # Done by the dispatcher itself ------------------------------------------------------------------------------------

    def publish(self, job_id: str) -> JobView | RefusedError:
        """Give the files of a publishing job their names, all or none; to be called outside of transactions."""
        job = self._known(job_id)
        try:
            self._link(job)
        except (OSError, RefusedError) as error:
            publishing.withdraw(self.exports, claims_of(job))
            is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            code = ErrorCode.NO_SPACE if is_full else ErrorCode.UNAVAILABLE
            text = f"could not publish: {error}"
            with self.store.transaction():
                self._set_error(job, code, text)
                self._move(job, JobEvent.FAIL_NO_SPACE if is_full else JobEvent.PUBLISH_FAILED, text)
            return RefusedError(code, text)
        claims = claims_of(job)
        with self.store.transaction():
            self._move(job, JobEvent.PUBLISHED, "published")
        publishing.unlink_temps(self.exports, claims)
        return job.view()

    def _link(self, job: Job) -> None:
        while True:
            claims = claims_of(job)
            try:
                publishing.link_files(self.exports, claims)
                return
            except FileExistsError:
                publishing.withdraw(self.exports, claims)
                with self.store.transaction():  # the next names are on disk before anything is linked to them
                    put_claims(job, publishing.choose_names(self.exports, claims), job.result or bytes(NIL))
                    self.store.update(job)

    def recover(self) -> None:
        """Put in order what the last dispatcher left; called once, before doors open."""
        self.exports.mkdir(parents=True, exist_ok=True)
        for job in self.store.in_states(JobState.PUBLISHING):
            if publishing.can_be_linked(self.exports, claims_of(job)):
                self.publish(job.id)
            else:
                publishing.withdraw(self.exports, claims_of(job))
                with self.store.transaction():
                    self._move(job, JobEvent.UNPUBLISHED, "its files were gone at the start")
        with self.store.transaction():
            for job in self.store.in_states(JobState.RUNNING):
                if job.boot_id != self._boot_id:
                    self._move(job, JobEvent.VOID, "the machine was restarted")
        current = {(job.id, job.fence) for job in self.store.in_states(JobState.RUNNING)}
        removed = publishing.remove_temps(self.exports, current)
        if removed:
            log.info("removed %d temporary files of leases that are over", removed)
        for job in self.active_jobs():
            self._alarms.set(job.id, self._alarms.alarm_of(job))
        self.moves.clear()

    def active_jobs(self) -> list[Job]:
        return self.store.in_states(*ACTIVE)

    def run_due(self) -> None:
        """Bring back jobs whose retry is due, and end those that expired."""
        for job_id, has_expired in self._alarms.due():
            job = self._known(job_id)
            if not has_expired:
                self._move(job, JobEvent.DUE, "tried again")
                continue
            if job.error_code is None:
                self._set_error(job, ErrorCode.DEADLINE, "it did not end in time")
            self._move(job, JobEvent.EXPIRE, "expired")

    def next_due_s(self) -> float | None:
        """Boot time at which `run_due` has something to do."""
        return self._alarms.next_due_s()

    # Inside -----------------------------------------------------------------------------------------------------------

    def _move(self, job: Job, event: JobEvent, detail: str) -> bool:
        policy = self._policy_of(job.type)
        move = find_move(
            job.state,
            event,
            is_flagged=job.cancel_requested,
            failures=job.failures,
            max_failures=policy.max_failures,
        )
        if move is None:
            return False
        was, job.state = job.state, move.to
        job.fence += move.fence
        job.attempt = max(0, job.attempt + move.attempt)
        job.failures += move.failures
        job.crashes += move.crashes
        if move.is_flag:
            job.cancel_requested = True
        if was is JobState.RUNNING:
            job.step, job.percent = self._progress_of(job.id) or (job.step, job.percent)
        if move.to is JobState.RUNNING and was is JobState.QUEUED:
            job.step, job.percent = "", 0.0
        elif move.to is JobState.RETRYING:
            wait_s = NO_SPACE_RETRY_S if event is JobEvent.FAIL_NO_SPACE else _retry_wait_s(job.failures, policy)
            job.not_before = self._clock.wall_s() + wait_s
        elif move.to in FINAL:
            job.ended_at = max(job.started_at or job.created_at, self._clock.wall_s())
            if move.to is JobState.SUCCEEDED:
                job.step, job.percent, job.error_code, job.error_message = "done", 100.0, None, None
            elif move.to is JobState.CANCELLED:
                self._set_error(job, ErrorCode.CANCELLED, "cancelled")
        if move.to not in (JobState.RUNNING, JobState.PUBLISHING):
            job.owner = None
        if move.to not in (JobState.PUBLISHING, JobState.SUCCEEDED):
            job.files = job.result = None  # only what was published has a result
        job.rev += 1
        self.store.update(job)
        self._tell(job, was, detail)
        return True

    def _tell(self, job: Job, was: JobState | None, detail: str) -> None:
        self.store.note(job, self._clock.wall_s(), detail)
        counts = self.counts.setdefault(job.type, {})
        if was is not None:
            counts[was] = counts.get(was, 0) - 1
        counts[job.state] = counts.get(job.state, 0) + 1
        self.moves.append(Moved.of(job, was, self._alarms.alarm_of(job)))

    def _view(self, job: Job) -> JobView:
        if job.state is JobState.RUNNING:
            job.step, job.percent = self._progress_of(job.id) or (job.step, job.percent)
        return job.view()

    def _count(self, kind: str, state: JobState) -> int:
        return self.counts.get(kind, {}).get(state, 0)

    def _known(self, job_id: str) -> Job:
        job = self.store.get(job_id)
        if job is None:
            raise RefusedError(ErrorCode.NOT_FOUND, f"there is no job {job_id}")
        return job

    def _held(self, job_id: str, fence: int) -> Job:
        job = self._known(job_id)
        if job.fence != fence:
            raise RefusedError(ErrorCode.LOST, f"job {job_id} was given to another worker")
        return job

    def _accepted(self, job: Job, *, created: bool) -> JobAccepted:
        position = self.store.ahead_of(job) + 1 if job.state is JobState.QUEUED else 0
        return JobAccepted(id=job.id, state=job.state, position=position, created=created)

    def _set_error(self, job: Job, code: str, text: str) -> None:
        job.error_code, job.error_message = str(code), redact(text)[:MAX_ERROR_CHARACTERS]


def _retry_wait_s(failures: int, policy: QueuePolicy) -> float:
    return backoff_s(max(failures, 1), base_s=policy.backoff_s, limit_s=policy.backoff_limit_s)
