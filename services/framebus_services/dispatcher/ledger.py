"""The ledger: what becomes of each job. Reads the table of moves, writes rows, and remembers who must be told.

Used by one thread, inside the transactions that `clerk` opens.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Raw

from framebus import codec
from framebus.clock import Clock
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.jobs import (
    ACTIVE,
    FINAL,
    MAX_ERROR_CHARACTERS,
    MAX_RESULT_BYTES,
    NO_SPACE_RETRY_S,
    AnyJobType,
    CheckContext,
    JobEvent,
    find_move,
)
from framebus.messages import NIL, JobState, JobView
from framebus.redact import redact
from framebus.requests import (
    Done,
    FailKind,
    JobAccepted,
    JobFailed,
    JobPrepared,
    JobViews,
    Lease,
    LeasedJob,
    LeaseJob,
    ListJobs,
    SubmitJob,
    WorkerLost,
)
from framebus.settings import QueuePolicy
from framebus.throttle import backoff_s
from framebus_services.dispatcher import publishing
from framebus_services.dispatcher.publishing import Claim
from framebus_services.dispatcher.store import Job, Store

log = logging.getLogger(__name__)

LEASE_S = 5.0
_DEFAULT_CODES = {
    FailKind.TRANSIENT: ErrorCode.UNAVAILABLE,
    FailKind.NO_SPACE: ErrorCode.NO_SPACE,
    FailKind.NO_SOURCE: ErrorCode.NO_SOURCE,
    FailKind.PERMANENT: ErrorCode.BAD_REQUEST,
    FailKind.CRASH: ErrorCode.CRASHED,
}
_FAIL_EVENTS = {
    FailKind.TRANSIENT: JobEvent.FAIL_TRANSIENT,
    FailKind.NO_SPACE: JobEvent.FAIL_NO_SPACE,
    FailKind.NO_SOURCE: JobEvent.FAIL_FOR_GOOD,
    FailKind.PERMANENT: JobEvent.FAIL_FOR_GOOD,
    FailKind.CRASH: JobEvent.CRASH,
}


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A move that was made: what the board shows, and what the table of leases needs."""

    view: JobView
    was: JobState | None
    priority: int
    number: int
    fence: int
    owner: str | None
    incarnation: int


Progress = tuple[str, float]
"""step and percent"""


class Ledger:
    """All jobs. Methods raise RefusedError for what is refused; `moves` tells what they changed."""

    def __init__(
        self,
        store: Store,
        *,
        types: Mapping[str, AnyJobType],
        policies: Mapping[str, QueuePolicy],
        data: Path,
        cameras: frozenset[str],
        clock: Clock,
        boot_id: str,
        progress_of: Callable[[str], Progress | None] = lambda _: None,
    ) -> None:
        self.store = store
        self.exports = data / "exports"
        self.moves: list[Moved] = []
        self.to_publish: list[str] = []
        self.counts: dict[str, dict[JobState, int]] = {}
        self._types = types
        self._policies = policies
        self._data = data
        self._cameras = cameras
        self._clock = clock
        self._boot_id = boot_id
        self._progress_of = progress_of
        self._alarms: dict[str, float] = {}
        """boot time at which an active job has to be looked at: its retry is due, or it expires"""
        self.reload_counts()

    @property
    def known_types(self) -> list[str]:
        return sorted({*self._types, *self._policies})

    def policy_of(self, kind: str) -> QueuePolicy:
        """The configured policy of a type, else the type's own."""
        if kind in self._policies:
            return self._policies[kind]
        return self._types[kind].policy if kind in self._types else QueuePolicy()

    def reload_counts(self) -> None:
        """Count anew what is on disk: at the start, and after a transaction that was undone."""
        self.counts = self.store.counts()

    # Asked by users ---------------------------------------------------------------------------------------------------

    def submit(self, request: SubmitJob, request_id: bytes, retry_of: str | None = None) -> JobAccepted:
        """Take a job, once per id."""
        job_id = request.id or request_id.hex()
        params_sha = _content_hash(request)
        known = self.store.get(job_id)
        if known is not None:
            if known.params_sha != params_sha:
                raise RefusedError(ErrorCode.CONFLICT, f"job {job_id} exists with other content")
            return self._accepted(known, created=False)
        camera = self._check(request)
        policy = self.policy_of(request.type)
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
        job = self._known(job_id)
        if job.state is JobState.PUBLISHING:
            raise RefusedError(ErrorCode.TOO_LATE, f"job {job_id} is done; its files are being put in place")
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
            elif (job.incarnation, job.slot) == (request.incarnation, request.slot):
                return Lease(job=_leased(job))  # the answer to its first asking was lost
        free = (
            kind for kind in request.types if self._count(kind, JobState.RUNNING) < self.policy_of(kind).max_running
        )
        next_job = next((found for kind in free if (found := self.store.next_queued(kind)) is not None), None)
        if next_job is None:
            return Lease()
        next_job.owner, next_job.incarnation, next_job.slot = request.worker, request.incarnation, request.slot
        next_job.isolated, next_job.boot_id = request.isolated, self._boot_id
        next_job.started_at = next_job.started_at or self._clock.wall_s()
        self._move(next_job, JobEvent.LEASE, f"leased by {request.worker}")
        return Lease(job=_leased(next_job))

    def prepared(self, request: JobPrepared) -> JobView | RefusedError | None:
        """Note that the files are whole. None: the answer comes when they have their names."""
        job = self._held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            if not job.cancel_requested:
                publishing.check_files(self.exports, job.id, job.fence, request.files)
                self._put_claims(job, publishing.choose_names(self.exports, request.files), request.result)
                self.to_publish.append(job.id)
            self._move(job, JobEvent.PREPARED, "files are whole")
        return None if job.state is JobState.PUBLISHING else _outcome_of(job)

    def done(self, job_id: str, fence: int, result: Raw) -> JobView | RefusedError:
        job = self._held(job_id, fence)
        if job.state is JobState.RUNNING:
            job.result = _checked_result(result)
            self._move(job, JobEvent.DONE, "done")
        return _outcome_of(job)

    def fail(self, request: JobFailed) -> JobView:
        job = self._held(request.id, request.fence)
        if job.state is JobState.RUNNING:
            text = redact(request.message)
            self._set_error(job, request.code or _DEFAULT_CODES[request.kind], text)
            self._move(job, _FAIL_EVENTS[request.kind], f"{request.kind.value}: {text}")
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

    def publish(self, job_id: str) -> Job:
        """Give the files of a publishing job their names; to be called outside of transactions.

        Raises OSError when the disk refuses, FileNotFoundError when a file is gone.
        """
        job = self._known(job_id)
        while True:
            claims = _claims(job)
            try:
                publishing.link_files(self.exports, claims)
                return job
            except FileExistsError:
                with self.store.transaction():  # the next names are on disk before anything is linked to them
                    self._put_claims(job, publishing.choose_names(self.exports, claims), Raw(job.result or bytes(NIL)))
                    self.store.update(job)

    def published(self, job: Job) -> None:
        self._move(job, JobEvent.PUBLISHED, "published")

    def publish_failed(self, job_id: str, text: str) -> None:
        job = self._known(job_id)
        self._set_error(job, ErrorCode.NO_SPACE, text)
        self._move(job, JobEvent.PUBLISH_FAILED, text)

    def unlink_temps(self, job: Job) -> None:
        publishing.unlink_temps(self.exports, _claims(job))

    def recover(self) -> None:
        """Put in order what the last dispatcher left; called once, before doors open."""
        self.exports.mkdir(parents=True, exist_ok=True)
        for job in self.store.in_states(JobState.PUBLISHING):
            if publishing.can_be_linked(self.exports, _claims(job)):
                published = self.publish(job.id)
                with self.store.transaction():
                    self.published(published)
                self.unlink_temps(published)
            else:
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
            self._set_alarm(job)
        self.moves.clear()

    def active_jobs(self) -> list[Job]:
        return self.store.in_states(*ACTIVE)

    def run_due(self) -> None:
        """Bring back jobs whose retry is due, and end those that expired."""
        now_s = self._clock.boot_s()
        for job_id in [job_id for job_id, due_s in self._alarms.items() if due_s <= now_s]:
            del self._alarms[job_id]
            job = self.store.get(job_id)
            if job is None or job.state in FINAL:
                continue
            if job.expires_at <= self._clock.wall_s():
                if job.error_code is None:
                    self._set_error(job, ErrorCode.DEADLINE, "it did not end in time")
                self._move(job, JobEvent.EXPIRE, "expired")
            else:
                self._move(job, JobEvent.DUE, "tried again")
            if job.state not in FINAL:
                self._set_alarm(job)

    def next_due_s(self) -> float | None:
        """Boot time at which `run_due` has something to do."""
        return min(self._alarms.values(), default=None)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _move(self, job: Job, event: JobEvent, detail: str) -> bool:
        policy = self.policy_of(job.type)
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
        elif was is JobState.RUNNING:
            job.step, job.percent = self._progress_of(job.id) or (job.step, job.percent)
        if move.to is JobState.RUNNING and was is JobState.QUEUED:
            job.step, job.percent = "", 0.0
        elif move.to is JobState.RETRYING:
            wait_s = NO_SPACE_RETRY_S if event is JobEvent.FAIL_NO_SPACE else _retry_wait_s(job.failures, policy)
            job.not_before = self._clock.wall_s() + wait_s
        elif move.to in FINAL:
            job.ended_at = self._clock.wall_s()
            if move.to is JobState.SUCCEEDED:
                job.step, job.percent, job.error_code, job.error_message = "done", 100.0, None, None
            elif move.to is JobState.CANCELLED:
                self._set_error(job, ErrorCode.CANCELLED, "cancelled")
        if move.to not in (JobState.RUNNING, JobState.PUBLISHING):
            job.owner = None
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
        self._set_alarm(job)
        self.moves.append(
            Moved(
                view=job.view(),
                was=was,
                priority=job.priority,
                number=job.number,
                fence=job.fence,
                owner=job.owner,
                incarnation=job.incarnation or 0,
            )
        )

    def _set_alarm(self, job: Job) -> None:
        """Wall times of the row become boot times here, so that a clock that jumps moves nothing but a restart."""
        self._alarms.pop(job.id, None)
        if job.state in FINAL or job.state is JobState.PUBLISHING:
            return
        policy = self.policy_of(job.type)
        now_at_s = self._clock.wall_s()
        wait_s = min(max(job.expires_at - now_at_s, 0.0), policy.expires_s)
        if job.state is JobState.RETRYING and job.not_before is not None:
            limit_s = max(policy.backoff_limit_s * 1.2, NO_SPACE_RETRY_S)
            wait_s = min(wait_s, max(job.not_before - now_at_s, 0.0), limit_s)
        self._alarms[job.id] = self._clock.boot_s() + wait_s

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

    def _check(self, request: SubmitJob) -> str | None:
        """Refuse a job that cannot succeed; returns its camera."""
        job_type = self._types.get(request.type)
        if job_type is None and request.type not in self._policies:
            known = ", ".join(self.known_types) or "none"
            raise RefusedError(ErrorCode.UNKNOWN_TYPE, f"unknown job type {request.type}; known are {known}")
        try:
            if job_type is not None:
                params = codec.decode_body(bytes(request.params), job_type.params)
                context = CheckContext(data=self._data, cameras=self._cameras, now_at_s=self._clock.wall_s())
                job_type.check(params, context)
            shown = codec.decode_body(bytes(request.params), _HasCamera)
        except MalformedError as error:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"params: {error}") from None
        return shown.camera if isinstance(shown.camera, str) else None

    def _put_claims(self, job: Job, claims: list[Claim], result: Raw) -> None:
        job.files = codec.encode(claims)
        job.result = _with_files(_checked_result(result), claims)

    def _set_error(self, job: Job, code: str, text: str) -> None:
        job.error_code, job.error_message = str(code), redact(text)[:MAX_ERROR_CHARACTERS]


class _HasCamera(msgspec.Struct):
    camera: object = None


def _outcome_of(job: Job) -> JobView | RefusedError:
    """What a worker that says it is finished is told. Returned, not raised: the move stands."""
    if job.state is JobState.SUCCEEDED:
        return job.view()
    if job.state is JobState.CANCELLED:
        return RefusedError(ErrorCode.CANCELLED, f"job {job.id} was cancelled")
    return RefusedError(ErrorCode.LOST, f"job {job.id} is {job.state.value}")


def _content_hash(request: SubmitJob) -> bytes:
    """Two submits with one id are the same job when this is equal."""
    content = codec.encode([request.type, bytes(request.params), request.name, request.case])
    return hashlib.sha256(content).digest()


def _retry_wait_s(failures: int, policy: QueuePolicy) -> float:
    return backoff_s(max(failures, 1), base_s=policy.backoff_s, limit_s=policy.backoff_limit_s)


def _leased(job: Job) -> LeasedJob:
    return LeasedJob(
        id=job.id,
        type=job.type,
        params=Raw(job.params),
        name=job.name,
        attempt=job.attempt,
        fence=job.fence,
        lease_s=LEASE_S,
    )


def _claims(job: Job) -> list[Claim]:
    return msgspec.msgpack.decode(job.files, type=list[Claim]) if job.files else []


def _checked_result(result: Raw) -> bytes:
    data = bytes(result)
    if len(data) > MAX_RESULT_BYTES:
        raise RefusedError(ErrorCode.TOO_LARGE, f"the result has {len(data)} bytes; at most {MAX_RESULT_BYTES} fit")
    return data


def _with_files(result: bytes, claims: list[Claim]) -> bytes:
    """The result with the names that the files really got."""
    value = msgspec.msgpack.decode(result)
    if not isinstance(value, dict):
        return result
    return codec.encode({**value, "files": [claim.final for claim in claims]})
