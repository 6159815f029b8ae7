"""What users ask of the ledger: submit, look, cancel, retry. Inside the transactions that `clerk` opens."""

import hashlib
from collections import Counter

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL, MAX_ERROR_CHARACTERS, JobEvent
from framebus.messages import JobError, JobState, JobView, QueueStatus
from framebus.requests import (
    MAX_ROWS,
    BatchAccepted,
    BatchAnswer,
    BatchItem,
    Done,
    JobAccepted,
    JobMove,
    JobStory,
    JobViews,
    ListJobs,
    SubmitBatch,
    SubmitJob,
)
from framebus_services.dispatcher.admission import Admission, content_hash
from framebus_services.dispatcher.forecast import retry_after_s, status_of
from framebus_services.dispatcher.hands import Hands
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.room import Room

PROMISED_SHARE = 2
"""times the places of a queue are promised to those who are turned away; beyond, they are told as the last of these"""

CHECKS_S = 3.0
"""for the checks of one batch; a clip of a whole day takes 50 ms to check"""

REMEMBERED_S = 5.0
"""after the time that was told: who comes then and finds no place is the next"""


class Users:
    """The users' side of the ledger."""

    def __init__(self, ledger: Ledger, admission: Admission, room: Room, hands: Hands) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._admission = admission
        self._room = room
        self._hands = hands
        self._promised_s: dict[str, dict[str, float]] = {}
        """by type and job: when those who were turned away have been told to come again"""

    def submit(self, request: SubmitJob, request_id: bytes, retry_of: str | None = None) -> JobAccepted:
        """Take a job, once per id."""
        request = replace(request, id=request.id or request_id.hex())
        if (known := self._same(request)) is not None:
            return known
        camera = self._admission.check(request)
        self._room.check()
        if not self._free(request.type):
            raise self._full(request.type, str(request.id))
        return self._take(request, camera, retry_of)

    def submit_batch(self, batch: SubmitBatch, request_id: bytes) -> BatchAccepted:
        """Take what can be taken, or nothing when the new jobs do not all fit."""
        requests = [replace(item.job, id=item.job.id or _item_id(request_id, n)) for n, item in enumerate(batch.items)]
        checked = self._check_all(requests)
        new = {request.id: request.type for request, found in zip(requests, checked, strict=True) if _is_new(found)}
        for kind, count in Counter(new.values()).items():
            self._refuse_unless_fit(kind, count, request_id)
        if new:
            self._room.check()
        times = Counter(request.id for request in requests)
        rows = zip(batch.items, requests, checked, strict=True)
        answers = [
            self._item(n, item, request, found, is_once=times[request.id] == 1)
            for n, (item, request, found) in enumerate(rows)
        ]
        return BatchAccepted(items=answers)

    def _check_all(self, requests: list[SubmitJob]) -> list[JobAccepted | RefusedError | str | None]:
        """As `_checked`, for as long as all others can wait: meanwhile no job is leased, and no file gets its name."""
        clock = self._ledger.clock
        end_s = clock.boot_s() + CHECKS_S
        checked: list[JobAccepted | RefusedError | str | None] = []
        for request in requests:
            if clock.boot_s() > end_s:
                text = (
                    f"within {CHECKS_S:.0f} s {len(checked)} of these {len(requests)} jobs could be checked; none was"
                )
                raise RefusedError(ErrorCode.TOO_LARGE, f"{text} taken: send fewer at once")
            checked.append(self._checked(request))
        return checked

    def _checked(self, request: SubmitJob) -> JobAccepted | RefusedError | str | None:
        """The known job, why it is refused, or the camera of a new one."""
        try:
            return self._same(request) or self._admission.check(request)
        except RefusedError as error:
            return error

    def _refuse_unless_fit(self, kind: str, count: int, request_id: bytes) -> None:
        limit, free = self._ledger.policy_of(kind).max_queued, self._free(kind)
        if count > limit:
            text = f"{count} new {kind} jobs can never fit into a queue of {limit}; send fewer at once"
            raise RefusedError(ErrorCode.TOO_LARGE, text)
        if count > free:
            raise self._full(kind, request_id.hex(), count - free, f"the batch has {count}, {free} fit; none was taken")

    def _item(self, n: int, item: BatchItem, request: SubmitJob, found: object, *, is_once: bool) -> BatchAnswer:
        outcome = found
        if _is_new(found):
            try:  # twice in one batch: the second is the first again, or in conflict with it
                same = None if is_once else self._same(request)
                outcome = same or self._take(request, found if isinstance(found, str) else None, None)
            except RefusedError as error:
                outcome = error
        if isinstance(outcome, RefusedError):
            told = JobError(code=outcome.code, message=outcome.message[:MAX_ERROR_CHARACTERS])
            return BatchAnswer(item_index=n, client_item_id=item.client_item_id, error=told)
        assert isinstance(outcome, JobAccepted)
        return BatchAnswer(item_index=n, client_item_id=item.client_item_id, job=outcome)

    def _same(self, request: SubmitJob) -> JobAccepted | None:
        """The answer for an id that is known; raises RefusedError when it is that of another job."""
        known = self._store.get(str(request.id))
        if known is None:
            return None
        if known.params_sha != content_hash(request):
            raise RefusedError(ErrorCode.CONFLICT, f"job {known.id} exists with other content")
        return self._accepted(known, created=False)

    def _take(self, request: SubmitJob, camera: str | None, retry_of: str | None) -> JobAccepted:
        now_at_s = self._ledger.clock.wall_s()
        job = Job(
            id=str(request.id),
            type=request.type,
            camera=camera,
            case_id=request.case,
            name=request.name,
            params=bytes(request.params),
            params_sha=content_hash(request),
            priority=request.priority,
            expires_at=now_at_s + self._ledger.policy_of(request.type).expires_s,
            created_at=now_at_s,
            retry_of=retry_of,
        )
        self._store.insert(job)
        self._ledger.tell(job, None, "submitted")
        self._promised_s.get(job.type, {}).pop(job.id, None)
        return self._accepted(job, created=True)

    def _accepted(self, job: Job, *, created: bool) -> JobAccepted:
        position = self._store.ahead_of(job, is_newest=created) + 1 if job.state is JobState.QUEUED else 0
        return JobAccepted(id=job.id, state=job.state, position=position, created=created)

    # A queue that is full ---------------------------------------------------------------------------------------------

    def _free(self, kind: str) -> int:
        return max(0, self._ledger.policy_of(kind).max_queued - self._ledger.waiting(kind))

    def _full(self, kind: str, who: str, places: int = 1, text: str = "") -> RefusedError:
        """When to come again: each who is turned away is told the time of a place of their own, in order."""
        now_s = self._ledger.clock.boot_s()
        limit = self._ledger.policy_of(kind).max_queued
        told = self._promised_s.setdefault(kind, {})
        for one in [one for one, until_s in told.items() if until_s + REMEMBERED_S <= now_s]:
            del told[one]
        was_s = told.pop(who, float("inf"))  # who came a little too early does not go behind all others
        ahead = sum(now_s < until_s <= was_s for until_s in told.values())
        place = min(ahead + places, PROMISED_SHARE * limit)
        again_s = retry_after_s(self._ledger.facts(kind), self._hands.slots(kind, now_s), now_s, place)
        if len(told) < PROMISED_SHARE * limit:
            told[who] = now_s + again_s
        message = f"the queue of {kind} jobs is full ({limit}); {text or f'try again in {again_s:.1f} s'}"
        return RefusedError(ErrorCode.QUEUE_FULL, message, retry_after_s=again_s)

    # Looking ----------------------------------------------------------------------------------------------------------

    def get(self, job_id: str) -> JobView:
        return self._ledger.view(self._ledger.known(job_id))

    def listing(self, request: ListJobs) -> JobViews:
        jobs = self._store.listing(request)
        more = len(jobs) > request.limit
        jobs = jobs[: request.limit]
        return JobViews(jobs=[self._ledger.view(job) for job in jobs], next=str(jobs[-1].number) if more else None)

    def queue(self, kind: str) -> QueueStatus:
        """How full a queue is; raises RefusedError for a type that nobody knows."""
        self._admission.check_type(kind)
        clock = self._ledger.clock
        now_s = clock.boot_s()
        hands = self._hands.slots(kind, now_s)
        return status_of(self._ledger.facts(kind), hands, self._hands.asked_s(kind), now_s, clock.wall_s())

    def story(self, job_id: str) -> JobStory:
        """What happened to a job, from its first lines to the last words of the worker that died with it."""
        job = self._ledger.known(job_id)
        moves = [
            JobMove(at_s=max(0.0, at), state=JobState(state), detail=detail[:MAX_ERROR_CHARACTERS])
            for state, at, detail in self._store.last_moves(job_id, MAX_ROWS)
        ]
        lines = self._store.evidence(job_id)
        evidence = msgspec.msgpack.decode(lines, type=list[str]) if lines is not None else []
        return JobStory(job=self._ledger.view(job), moves=moves, evidence=evidence)

    def note_seen(self, job_id: str) -> Done:
        """Somebody has asked for the story of a job: a dead one may be forgotten in its time."""
        job = self._store.get(job_id)
        if job is not None and job.state is JobState.DEAD and job.seen_at is None:
            job.seen_at = self._ledger.clock.wall_s()
            self._store.update(job)
        return Done()

    # Ending -----------------------------------------------------------------------------------------------------------

    def cancel(self, job_id: str) -> JobView:
        return self._cancel(self._ledger.known(job_id))

    def cancel_case(self, case: str) -> JobViews:
        """Cancel what waits and runs of a case; what is being published is done."""
        jobs = self._store.active_of_case(case, MAX_ROWS + 1)
        views = [self._cancel(job) for job in jobs[:MAX_ROWS]]
        return JobViews(jobs=views, next="more" if len(jobs) > MAX_ROWS else None)

    def _cancel(self, job: Job) -> JobView:
        if job.state is JobState.PUBLISHING:
            raise RefusedError(ErrorCode.TOO_LATE, f"job {job.id} is done; its files are being put in place")
        if not (job.state is JobState.RUNNING and job.cancel_requested):
            self._ledger.move(job, JobEvent.CANCEL, "cancel asked")
        return job.view()

    def retry(self, job_id: str, request_id: bytes) -> JobAccepted:
        """A new job like one that ended."""
        old = self._ledger.known(job_id)
        if old.state not in FINAL:
            raise RefusedError(ErrorCode.CONFLICT, f"job {job_id} is {old.state.value}; only ended jobs are retried")
        request = SubmitJob(
            type=old.type, params=Raw(old.params), priority=old.priority, name=old.name, case=old.case_id
        )
        return self.submit(request, request_id, retry_of=old.id)


def _is_new(found: object) -> bool:
    return found is None or isinstance(found, str)


def _item_id(request_id: bytes, n: int) -> str:
    """The id of the n-th item of a batch, so that a resend gives the same jobs."""
    return hashlib.sha256(request_id + n.to_bytes(4, "little")).hexdigest()[:32]
