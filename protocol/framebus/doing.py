"""One job from its parameters to its ending: the error boundary of work, the same in a thread and in a process."""

import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Raw, Struct

from framebus import codec
from framebus.errors import ErrorCode, MalformedError, sound
from framebus.jobs import MAX_ERROR_CHARACTERS, MAX_RESULT_BYTES
from framebus.messages import Message
from framebus.redact import redact
from framebus.report import Report, Stopped, StopReason
from framebus.requests import (
    FailKind,
    JobDone,
    JobFailed,
    JobPrepared,
    JobStopped,
    LeasedJob,
    PreparedFile,
    ReleaseJob,
    Request,
)
from framebus.runner import AnyJobRunner, WorkError

log = logging.getLogger(__name__)


class Made(Struct, frozen=True, kw_only=True, tag="made"):
    result: Raw
    files: list[PreparedFile]


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    kind: FailKind
    message: str
    code: str | None = None
    retry_after_s: float | None = None
    signal: int | None = None
    log_tail: Sequence[str] = ()


class Halted(Struct, frozen=True, kw_only=True, tag="halted"):
    reason: StopReason


Ending = Made | Failed | Halted


def do(runner: AnyJobRunner, job: LeasedJob, report: Report) -> Ending:
    """Do a job. Whatever the work raises is its ending; of one that is not made no file is left."""
    ending: Ending
    try:
        return _make(runner, job, report)
    except Stopped as stopped:
        ending = Halted(reason=stopped.reason)
    except WorkError as error:
        text = sound(str(error))
        log.warning("job %s: %s: %s", job.id, error.kind.value, text)
        ending = Failed(kind=error.kind, message=text, code=error.code, retry_after_s=error.retry_after_s)
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            log.warning("job %s: %s", job.id, error)
            ending = Failed(kind=FailKind.NO_SPACE, message=sound(f"disk full: {error}"))
        else:
            log.exception("job %s failed", job.id)
            ending = Failed(kind=FailKind.TRANSIENT, message=repr(error), code=ErrorCode.INTERNAL)
    report.remove_temps()
    return ending


def request_of(ending: Ending, job: LeasedJob) -> Request[Message] | None:
    """How an ending is handed in; of a job that is another's by now nothing is told."""
    if isinstance(ending, Made):
        if ending.files:
            return JobPrepared(id=job.id, fence=job.fence, files=ending.files, result=ending.result)
        return JobDone(id=job.id, fence=job.fence, result=ending.result)
    if isinstance(ending, Failed):
        return JobFailed(
            id=job.id,
            fence=job.fence,
            kind=ending.kind,
            message=redact(ending.message)[:MAX_ERROR_CHARACTERS],  # in this order: half an address is not known as one
            code=ending.code,
            retry_after_s=ending.retry_after_s,
            signal=ending.signal,
            log_tail=list(ending.log_tail),
        )
    if ending.reason is StopReason.CANCELLED:
        return JobStopped(id=job.id, fence=job.fence)
    if ending.reason is StopReason.RELEASED:
        return ReleaseJob(id=job.id, fence=job.fence)
    return None


def _make(runner: AnyJobRunner, job: LeasedJob, report: Report) -> Made:
    report("preparing", 0.0)
    try:
        params = codec.decode_body(bytes(job.params), runner.contract.params)
    except MalformedError as error:
        raise WorkError(FailKind.PERMANENT, f"params: {error}") from None
    output = runner.run(params, report)
    result = codec.encode(output.result)
    if len(result) > MAX_RESULT_BYTES:
        text = f"the result has {len(result)} bytes; at most {MAX_RESULT_BYTES} fit"
        raise WorkError(FailKind.PERMANENT, text, ErrorCode.TOO_LARGE)
    if not output.files:
        return Made(result=Raw(result), files=[])
    report("verifying", report.told[1])
    runner.verify(report.temps[output.files[-1]], output.result)
    report("finalizing", report.told[1])
    return Made(result=Raw(result), files=[_prepared(report, final) for final in output.files])


def _prepared(report: Report, final: str) -> PreparedFile:
    temp = report.temps[final]
    found = _sync(temp)
    return PreparedFile(
        temp=str(temp.relative_to(report.exports)),
        final=final,
        size_bytes=found.st_size,
        dev=found.st_dev,
        ino=found.st_ino,
    )


def _sync(path: Path) -> os.stat_result:
    """Make a file survive a power cut; returns what it is now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
