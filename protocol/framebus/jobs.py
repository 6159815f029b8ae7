"""States of a job and the table of its moves; what a job type is. No I/O.

The dispatcher's ledger keeps the jobs and reads this table; nothing else decides what becomes of a job.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from msgspec import Struct

from framebus.messages import JobState
from framebus.settings import QueuePolicy

LEASE_S = 5.0
"""a worker that has not beaten for so long has lost its job"""
INHERITED_LEASE_S = 10.0
"""leases of jobs that were running when the dispatcher died: their workers go on undisturbed"""
NO_SPACE_RETRY_S = 30.0
MAX_CRASHES = 3
"""a job that has brought down its worker so often is dead"""
MAX_KILLS = 30
"""a job that was alone with its worker so often when somebody killed it is dead; chance does not come so far"""
MAX_ERROR_CHARACTERS = 500
MAX_RESULT_BYTES = 4_096

ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING, JobState.RETRYING})
FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.DEAD})


class JobEvent(StrEnum):
    """What can happen to a job."""

    LEASE = "lease"
    PREPARED = "prepared"
    PUBLISHED = "published"
    PUBLISH_FAILED = "publish_failed"
    UNPUBLISHED = "unpublished"
    """found at the start: the files of a publishing job are gone"""
    DONE = "done"
    FAIL_TRANSIENT = "fail_transient"
    FAIL_RATE_LIMITED = "fail_rate_limited"
    FAIL_NO_SPACE = "fail_no_space"
    FAIL_FOR_GOOD = "fail_for_good"
    """permanent, no_source, or one transient failure too many"""
    CRASH = "crash"
    """the process that did the job died of something that only its own work can do: SIGSEGV, SIGABRT, SIGBUS, SIGFPE,
    SIGILL, SIGSYS, SIGTRAP, its own timers, limits on it, an exit code that is not 0, or SIGKILL by a kernel that was
    out of memory; each job in its hands is blamed, and leased alone from then on, so that an innocent neighbour is
    blamed once and never again"""
    KILLED = "killed"
    """SIGKILL, nobody knows by whom, while the process had no other job: waits longer from time to time, and counts
    towards `MAX_KILLS` only"""
    VOID = "void"
    """the worker is gone and the job is not to blame"""
    STALLED = "stalled"
    """the lease ran out, or the worker hung"""
    RELEASE = "release"
    STOPPED = "stopped"
    DUE = "due"
    CANCEL = "cancel"
    EXPIRE = "expire"


@dataclass(frozen=True, kw_only=True)
class Move:
    """Where an event leads, and what it adds to the job's numbers."""

    to: JobState
    fence: int = 0
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    kills: int = 0
    is_flag: bool = False
    """the job stays where it is, and its worker is told to stop"""


_Q, _R, _P, _T = JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING, JobState.RETRYING
_OK, _FAILED, _CANCELLED, _DEAD = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.DEAD
_E = JobEvent

MOVES: dict[tuple[JobState, JobEvent], Move] = {
    (_Q, _E.LEASE): Move(to=_R, fence=1, attempt=1),
    (_Q, _E.CANCEL): Move(to=_CANCELLED),
    (_Q, _E.EXPIRE): Move(to=_FAILED),
    (_R, _E.PREPARED): Move(to=_P),
    (_R, _E.DONE): Move(to=_OK),
    (_R, _E.FAIL_TRANSIENT): Move(to=_T, failures=1),
    (_R, _E.FAIL_RATE_LIMITED): Move(to=_T),
    (_R, _E.FAIL_NO_SPACE): Move(to=_T),
    (_R, _E.FAIL_FOR_GOOD): Move(to=_FAILED, failures=1),
    (_R, _E.CRASH): Move(to=_Q, fence=1, crashes=1),
    (_R, _E.KILLED): Move(to=_T, fence=1, attempt=-1, kills=1),
    (_R, _E.VOID): Move(to=_Q, fence=1, attempt=-1),
    (_R, _E.STALLED): Move(to=_T, fence=1, failures=1),
    (_R, _E.RELEASE): Move(to=_Q, attempt=-1),
    (_R, _E.CANCEL): Move(to=_R, is_flag=True),
    (_R, _E.EXPIRE): Move(to=_FAILED, fence=1),
    (_P, _E.PUBLISHED): Move(to=_OK),
    (_P, _E.PUBLISH_FAILED): Move(to=_T, failures=1),
    (_P, _E.FAIL_NO_SPACE): Move(to=_T),
    (_P, _E.UNPUBLISHED): Move(to=_Q, fence=1),
    (_T, _E.DUE): Move(to=_Q),
    (_T, _E.CANCEL): Move(to=_CANCELLED),
    (_T, _E.EXPIRE): Move(to=_FAILED),
}
"""What is not here does not happen: the job stays as it is."""

_ENDS_A_FLAGGED_JOB = frozenset(
    {
        _E.PREPARED,
        _E.DONE,
        _E.FAIL_TRANSIENT,
        _E.FAIL_RATE_LIMITED,
        _E.FAIL_NO_SPACE,
        _E.FAIL_FOR_GOOD,
        _E.CRASH,
        _E.KILLED,
        _E.VOID,
        _E.STALLED,
        _E.RELEASE,
        _E.STOPPED,
    }
)


_TAKEN_FROM_WORKER = frozenset({_E.CRASH, _E.KILLED, _E.VOID, _E.STALLED})
"""moves that the worker did not ask for: should it come back, its fence is stale"""


def find_move(
    state: JobState,
    event: JobEvent,
    *,
    is_flagged: bool,
    failures: int,
    max_failures: int,
    crashes: int = 0,
    kills: int = 0,
) -> Move | None:
    """The move of a job, or None when the event changes nothing.

    `is_flagged` says that its cancel was asked for; then whatever ends the work ends the job.
    """
    if state is JobState.RUNNING and is_flagged and event in _ENDS_A_FLAGGED_JOB:
        return Move(to=_CANCELLED, fence=1 if event in _TAKEN_FROM_WORKER else 0)
    move = MOVES.get((state, event))
    if move is None:
        return None
    if (move.crashes and crashes + move.crashes >= MAX_CRASHES) or (move.kills and kills + move.kills >= MAX_KILLS):
        return replace(move, to=_DEAD, attempt=0)
    if move.failures and move.to is JobState.RETRYING and failures + move.failures >= max_failures:
        return replace(move, to=_FAILED)
    return move


@dataclass(frozen=True, kw_only=True)
class CheckContext:
    """What a job type may look at when it checks the parameters of a new job."""

    data: Path
    cameras: frozenset[str]
    """those of the configuration"""
    now_at_s: float


P = TypeVar("P", bound=Struct)


@dataclass(frozen=True, kw_only=True)
class JobType(Generic[P]):
    """The contract of a job type, loaded by the dispatcher (entry point `framebus.job_types`); it imports no video."""

    name: str
    params: type[P]
    check: Callable[[P, CheckContext], None]
    """raises RefusedError when the job cannot succeed; pure, at most 50 ms"""
    policy: QueuePolicy = field(default_factory=QueuePolicy)
    stall_s: float = 30.0
    """work that has not reported for so long is killed and tried again"""


AnyJobType = JobType[Any]
