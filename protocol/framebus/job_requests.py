"""What is asked of the dispatcher about jobs: by users, by workers, and by the launcher that saw a worker die."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Raw, Struct

from framebus.asking import MAX_ROWS, Answer, Done, Request
from framebus.messages import (
    NIL,
    AtS,
    Count,
    Instance,
    JobError,
    JobId,
    JobState,
    JobView,
    Message,
    Name,
    Path,
    Percent,
    QueueStatus,
    Seconds,
    Text,
    Whole,
)

# Asked by users -----------------------------------------------------------------------------------------------------


class JobAccepted(Answer, frozen=True, kw_only=True):
    """The job is on disk; nothing will lose it."""

    id: JobId
    state: JobState
    position: Count
    """place in line, from 1; 0 when it does not wait"""
    created: bool
    """false when this id was known already"""


class SubmitJob(Request[JobAccepted], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a job; without `id` it takes the request's id, so that a resend is the same job."""

    type: Name
    params: Raw
    """a map, as the job type defines it"""
    id: JobId | None = None
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    """greater goes first"""
    name: Text | None = None
    case: Text | None = None


class BatchItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One job of a batch."""

    client_item_id: Text | None = None
    """the caller's own mark; comes back with the answer to this item"""
    job: SubmitJob


class BatchAnswer(Message, frozen=True, kw_only=True):
    """What became of one item: `job` or `error`."""

    item_index: Count
    client_item_id: Text | None = None
    job: JobAccepted | None = None
    error: JobError | None = None


class BatchAccepted(Answer, frozen=True, kw_only=True):
    items: list[BatchAnswer]
    """in the order of the batch"""


class SubmitBatch(Request[BatchAccepted], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take many jobs at once. An item that is refused hinders no other; a batch that does not fit is refused whole.

    Item i without `id` takes the first 32 hex digits of SHA-256(request id + i as u32 little endian).
    """

    items: Annotated[list[BatchItem], Meta(min_length=1, max_length=MAX_ROWS)]


class GetJob(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: JobId


class JobViews(Answer, frozen=True, kw_only=True):
    jobs: list[JobView]
    next: Text | None = None


class ListJobs(Request[JobViews], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Jobs, newest first."""

    type: Name | None = None
    state: JobState | None = None
    camera: Name | None = None
    case: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100
    next: Text | None = None

    def __post_init__(self) -> None:
        if self.state is JobState.UNKNOWN:  # what news reads leniently would here be a typo that finds nothing
            raise ValueError(f"state is one of {', '.join(state for state in JobState if state != 'unknown')}")


class JobMove(Message, frozen=True, kw_only=True):
    """One line of a job's story."""

    at_s: AtS
    state: JobState
    detail: Text


class JobStory(Answer, frozen=True, kw_only=True):
    """What happened to a job, oldest first."""

    job: JobView
    moves: Annotated[list[JobMove], Meta(max_length=MAX_ROWS)]
    """the last 500"""
    evidence: Annotated[list[str], Meta(max_length=200)] = []
    """last log lines of the worker that it killed last"""


class GetStory(Request[JobStory], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How did it come to this? A dead job counts as seen from then on."""

    id: JobId


class GetQueue(Request[QueueStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How full is the queue of a job type, and how long does a new job wait?"""

    type: Name


class CancelJob(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop a job; a running one is told and ends soon after."""

    id: JobId


class CancelCase(Request[JobViews], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop all jobs of a case: waiting ones end, running ones are told and end soon after; others keep their order.

    The answer lists those that it changed. Beyond 500 of them `next` is set: ask again.
    """

    case: Annotated[str, Meta(min_length=1, max_length=500)]


class RetryJob(Request[JobAccepted], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new job with the parameters of one that ended."""

    id: JobId


# Asked by workers ---------------------------------------------------------------------------------------------------


class LeasedJob(Message, frozen=True, kw_only=True):
    """A job in the hands of a worker, for as long as it beats."""

    id: JobId
    type: Name
    params: Raw
    name: Text | None = None
    attempt: Count
    fence: Count
    """each lease of a job has a greater one; what comes with an older is answered `lost`"""
    lease_s: Seconds


class Lease(Answer, frozen=True, kw_only=True):
    job: LeasedJob | None = None


class LeaseJob(Request[Lease], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker asks for work; the answer waits up to `wait_s` for some."""

    types: Annotated[list[Name], Meta(min_length=1, max_length=32)]
    worker: Instance
    incarnation: Count
    slot: Annotated[int, Meta(ge=0, le=1_000)] = 0
    isolated: bool = False
    """whether the job runs in a process of its own, so that the worker's death is not its fault"""
    wait_s: Annotated[float, Meta(ge=0.0, le=5.0)] = 5.0


class BeatAnswer(Answer, frozen=True, kw_only=True):
    cancel: bool = False


class BeatJob(Request[BeatAnswer], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Still at it: renews the lease and tells the progress."""

    id: JobId
    fence: Count
    step: Text
    percent: Percent
    eta_s: Seconds | None = None


class PreparedFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finished file under its temporary name, known by device and inode."""

    temp: Path
    """relative to the exports folder: `.{id}.{fence}.{n}.part` beside the final place"""
    final: Path
    """relative to the exports folder"""
    size_bytes: Count
    dev: Annotated[int, Meta(ge=0)]
    ino: Annotated[int, Meta(ge=0)]


class JobPrepared(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files are whole: give them their names. Answered when they have them."""

    id: JobId
    fence: Count
    files: Annotated[list[PreparedFile], Meta(min_length=1, max_length=16)]
    """in the order of publishing: the main file last"""
    result: Raw = NIL


class JobEnd(JobView, frozen=True, kw_only=True):
    """The job as it ended, and the next one of the slot that did it."""

    lease: LeasedJob | None = None
    """nil: ask with `job.lease`, which waits for one"""


class JobDone(Request[JobEnd], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job without files is finished; with `next` its slot takes another, both in one transaction."""

    id: JobId
    fence: Count
    result: Raw = NIL
    next: LeaseJob | None = None
    """as `job.lease`, but nobody waits: `wait_s` is not looked at"""


class FailKind(StrEnum):
    """What a failure means for the job."""

    TRANSIENT = "transient"
    """tried again after a back-off, up to the policy's number of failures"""
    RATE_LIMITED = "rate_limited"
    """whoever does the work for us asks for a rest: the whole type rests; no failure is counted"""
    NO_SPACE = "no_space"
    """tried again every 30 s; no failure is counted"""
    NO_SOURCE = "no_source"
    PERMANENT = "permanent"
    CRASH = "crash"
    """the process of the job alone died unasked"""


class JobFailed(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: JobId
    fence: Count
    kind: FailKind
    message: Text
    code: Annotated[str, Meta(max_length=32)] | None = None
    retry_after_s: Seconds | None = None
    """with `rate_limited`: how long the type rests; default: the policy's"""
    signal: Count | None = None
    """with `crash`: what killed the process"""
    log_tail: Annotated[list[str], Meta(max_length=200)] = []
    """with `crash`: its last words"""


class JobStopped(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cancelled job has stopped and left nothing behind."""

    id: JobId
    fence: Count


class ReleaseJob(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worker stops in good order and hands the job back."""

    id: JobId
    fence: Count


# Told by the launcher -----------------------------------------------------------------------------------------------


class WorkerLost(Request[Done], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The launcher saw a process die."""

    worker: Instance
    incarnation: Count
    exit_code: Whole | None = None
    signal: Count | None = None
    by_us: bool = False
    """the launcher had asked for it"""
    hung: bool = False
    log_tail: Annotated[list[str], Meta(max_length=200)] = []
