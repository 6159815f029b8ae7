"""How the end of a job is told: its error codes, its result, and what its worker is answered."""

import msgspec
from msgspec import Raw

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import LEASE_S, MAX_ERROR_CHARACTERS, MAX_RESULT_BYTES, JobEvent
from framebus.messages import JobState, JobView
from framebus.redact import redact
from framebus.requests import FailKind, LeasedJob
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.publishing import Claim

MAX_EVIDENCE_LINES = 199
MAX_EVIDENCE_CHARACTERS = 16_000
"""of one job: a ledger of many dead jobs must not grow large"""

DEFAULT_CODES = {
    FailKind.TRANSIENT: ErrorCode.UNAVAILABLE,
    FailKind.RATE_LIMITED: ErrorCode.BUSY,
    FailKind.NO_SPACE: ErrorCode.NO_SPACE,
    FailKind.NO_SOURCE: ErrorCode.NO_SOURCE,
    FailKind.PERMANENT: ErrorCode.BAD_REQUEST,
    FailKind.CRASH: ErrorCode.CRASHED,
}
FAIL_EVENTS = {
    FailKind.TRANSIENT: JobEvent.FAIL_TRANSIENT,
    FailKind.RATE_LIMITED: JobEvent.FAIL_RATE_LIMITED,
    FailKind.NO_SPACE: JobEvent.FAIL_NO_SPACE,
    FailKind.NO_SOURCE: JobEvent.FAIL_FOR_GOOD,
    FailKind.PERMANENT: JobEvent.FAIL_FOR_GOOD,
    FailKind.CRASH: JobEvent.CRASH,
}


def outcome_of(job: Job) -> JobView | RefusedError:
    """What a worker that says it is finished is told. Returned, not raised: the move stands."""
    if job.state is JobState.SUCCEEDED:
        return job.view()
    if job.state is JobState.CANCELLED:
        return RefusedError(ErrorCode.CANCELLED, f"job {job.id} was cancelled")
    return RefusedError(ErrorCode.LOST, f"job {job.id} is {job.state.value}")


def leased(job: Job) -> LeasedJob:
    """A job as its worker gets it."""
    return LeasedJob(
        id=job.id,
        type=job.type,
        params=Raw(job.params),
        name=job.name,
        attempt=job.attempt,
        fence=job.fence,
        lease_s=LEASE_S,
    )


def checked_result(result: bytes) -> bytes:
    """The result; raises RefusedError for one that is larger than boards can show."""
    if len(result) > MAX_RESULT_BYTES:
        raise RefusedError(ErrorCode.TOO_LARGE, f"the result has {len(result)} bytes; at most {MAX_RESULT_BYTES} fit")
    return result


def put_claims(job: Job, claims: list[Claim], result: bytes) -> None:
    """Note the names that the files of a job get; its result tells them."""
    try:
        value = msgspec.msgpack.decode(result)
    except (ValueError, RecursionError) as error:
        raise RefusedError(ErrorCode.BAD_REQUEST, f"result: {error}") from None
    if isinstance(value, dict):
        result = codec.encode({**value, "files": [claim.final for claim in claims]})
    job.files, job.result = codec.encode(claims), checked_result(result)


def evidence_of(how: str, log_tail: list[str]) -> list[str]:
    """How a worker died and its last lines: redacted, and as many of the last as fit."""
    kept: list[str] = []
    left = MAX_EVIDENCE_CHARACTERS
    for line in reversed(log_tail[-MAX_EVIDENCE_LINES:]):
        line = redact(line)[:MAX_ERROR_CHARACTERS]
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return [how, *reversed(kept)]


def claims_of(job: Job) -> list[Claim]:
    """The names that were noted for the files of a job."""
    return msgspec.msgpack.decode(job.files, type=list[Claim]) if job.files else []
