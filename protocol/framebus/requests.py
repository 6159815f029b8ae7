"""The requests of the bus and their answers, and the table of methods.

Requests refuse fields that they do not know (a typo must not be silent); answers are read leniently, like news.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Raw, Struct

from framebus.messages import (
    NIL,
    AtS,
    Count,
    Instance,
    JobId,
    JobState,
    JobView,
    Message,
    Name,
    Path,
    Percent,
    Seconds,
    ServiceStats,
    ServiceStatus,
    Text,
    Whole,
)

MAX_ROWS = 500


class Answer(Message, frozen=True, kw_only=True):
    """What comes back from a request that was done."""


A = TypeVar("A", bound=Message)
A_co = TypeVar("A_co", bound=Message, covariant=True)


class Request(Struct, Generic[A_co], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something asked of a service; `A_co` is the type of its answer."""


class Done(Answer, frozen=True, kw_only=True):
    """Done; there is nothing more to say."""


# Every service ------------------------------------------------------------------------------------------------------


class Pong(Answer, frozen=True, kw_only=True):
    name: Instance
    pid: Count
    epoch: Count
    version: Text


class Ping(Request[Pong], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Are you there?"""


class GetStats(Request[ServiceStats], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What have you counted?"""


# Dispatcher: retained state and jobs --------------------------------------------------------------------------------


class StateRow(Message, frozen=True, kw_only=True):
    """The last value of one retained topic."""

    topic: Text
    src: Instance
    epoch: Count
    seq: Count
    at_s: AtS
    body: Raw
    is_stale: bool = False
    """its publisher died and has not spoken since"""


class StateRows(Answer, frozen=True, kw_only=True):
    rows: list[StateRow]
    next: Text | None = None
    """ask again with `after` set to this"""


class GetState(Request[StateRows], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The retained topics under a prefix, at most 500 at once."""

    prefix: Text = ""
    after: Text | None = None


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


class CancelJob(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stop a job; a running one is told and ends soon after."""

    id: JobId


class RetryJob(Request[JobAccepted], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new job with the parameters of one that ended."""

    id: JobId


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


class JobDone(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job without files is finished."""

    id: JobId
    fence: Count
    result: Raw = NIL


class FailKind(StrEnum):
    """What a failure means for the job."""

    TRANSIENT = "transient"
    NO_SPACE = "no_space"
    NO_SOURCE = "no_source"
    PERMANENT = "permanent"
    CRASH = "crash"


class JobFailed(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: JobId
    fence: Count
    kind: FailKind
    message: Text
    code: Annotated[str, Meta(max_length=32)] | None = None


class JobStopped(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cancelled job has stopped and left nothing behind."""

    id: JobId
    fence: Count


class ReleaseJob(Request[JobView], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The worker stops in good order and hands the job back."""

    id: JobId
    fence: Count


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


# Launcher -----------------------------------------------------------------------------------------------------------


class Services(Answer, frozen=True, kw_only=True):
    services: list[ServiceStatus]


class ListServices(Request[Services], frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class StartService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Instance


class StopService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Instance


class RestartService(Request[ServiceStatus], frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Instance


# Capture ------------------------------------------------------------------------------------------------------------


class Snapshot(Answer, frozen=True, kw_only=True):
    """A JPEG of the newest frame comes as blob."""

    camera: Name
    number: Count
    captured_at_s: AtS
    width: Count
    height: Count


class TakeSnapshot(Request[Snapshot], frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table: who answers what with what."""

    name: str
    service: str
    request: type[Request[Message]]
    answer: type[Message]


METHODS: tuple[Method, ...] = (
    Method(name="ping", service="every service", request=Ping, answer=Pong),
    Method(name="stats", service="every service", request=GetStats, answer=ServiceStats),
    Method(name="state.get", service="dispatcher", request=GetState, answer=StateRows),
    Method(name="job.submit", service="dispatcher", request=SubmitJob, answer=JobAccepted),
    Method(name="job.get", service="dispatcher", request=GetJob, answer=JobView),
    Method(name="job.list", service="dispatcher", request=ListJobs, answer=JobViews),
    Method(name="job.cancel", service="dispatcher", request=CancelJob, answer=JobView),
    Method(name="job.retry", service="dispatcher", request=RetryJob, answer=JobAccepted),
    Method(name="job.lease", service="dispatcher", request=LeaseJob, answer=Lease),
    Method(name="job.beat", service="dispatcher", request=BeatJob, answer=BeatAnswer),
    Method(name="job.prepared", service="dispatcher", request=JobPrepared, answer=JobView),
    Method(name="job.done", service="dispatcher", request=JobDone, answer=JobView),
    Method(name="job.fail", service="dispatcher", request=JobFailed, answer=JobView),
    Method(name="job.stopped", service="dispatcher", request=JobStopped, answer=JobView),
    Method(name="job.release", service="dispatcher", request=ReleaseJob, answer=JobView),
    Method(name="worker.lost", service="dispatcher", request=WorkerLost, answer=Done),
    Method(name="service.list", service="launcher", request=ListServices, answer=Services),
    Method(name="service.start", service="launcher", request=StartService, answer=ServiceStatus),
    Method(name="service.stop", service="launcher", request=StopService, answer=ServiceStatus),
    Method(name="service.restart", service="launcher", request=RestartService, answer=ServiceStatus),
    Method(name="capture.snapshot", service="capture", request=TakeSnapshot, answer=Snapshot),
)

BY_NAME = {method.name: method for method in METHODS}
_BY_REQUEST: dict[type, Method] = {method.request: method for method in METHODS}


def method_of(request: type) -> Method:
    """The row of a request type; raises TypeError for a type that is in no row."""
    try:
        return _BY_REQUEST[request]
    except KeyError:
        raise TypeError(f"{request.__name__} is no request of the table of methods") from None
