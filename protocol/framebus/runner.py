"""Takes jobs and does them: leases, beats, progress, files and failures are settled here; a job type brings the work.

class Clip(JobRunner[ClipParams, ClipResult]):
    contract = CLIP

    def run(self, params, report):
        path = report.temp("front/clip.mp4")     # write here; the dispatcher gives it its name when all is whole
        report("copying", 40.0)                  # raises Stopped when the job was cancelled or lost
        return Output(result=ClipResult(...), files=["front/clip.mp4"])
"""

import errno
import logging
import math
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Generic, TypeVar

from msgspec import Raw, Struct

from framebus import codec
from framebus.bus import Bus
from framebus.errors import ErrorCode, ExitCode, FramebusError, MalformedError, RefusedError
from framebus.jobs import MAX_ERROR_CHARACTERS, MAX_RESULT_BYTES, AnyJobType
from framebus.messages import JobView, Message
from framebus.redact import redact
from framebus.requests import (
    BeatJob,
    FailKind,
    JobDone,
    JobFailed,
    JobPrepared,
    JobStopped,
    LeasedJob,
    LeaseJob,
    PreparedFile,
    ReleaseJob,
    Request,
)

log = logging.getLogger(__name__)

BEAT_S = 1.0
BEAT_SOON_S = 0.25
"""with new progress a worker beats up to four times a second"""
LEASE_WAIT_S = 5.0
LEASE_DEADLINE_S = 8.0
ANSWER_S = 5.0
AWAY_S = 0.2
MAX_STEP_CHARACTERS = 100
MAX_ETA_S = 1e9
DRAIN_S = 4.0

P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)


class StopReason(StrEnum):
    """Why work must end before it is done."""

    CANCELLED = "cancelled"
    LOST = "lost"
    RELEASED = "released"


class Stopped(FramebusError):
    """Raised by `report()`: leave everything and return; what was begun is removed."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class WorkError(FramebusError):
    """A job failed for a known reason; `kind` decides whether it is tried again."""

    def __init__(self, kind: FailKind, message: str, code: ErrorCode | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code


@dataclass(frozen=True)
class Output(Generic[R]):
    """What a job made: its result, and the files that get their names now, the main one last."""

    result: R
    files: Sequence[str] = ()
    """relative to the exports folder; each was asked for with `report.temp()`"""


class Report:
    """How the work talks while it goes on; safe to call from any thread."""

    def __init__(self, job: LeasedJob, exports: Path, clock_s: Callable[[], float]) -> None:
        self.job = job
        self.stop_reason: StopReason | None = None
        self.temps: dict[str, Path] = {}
        self.told: tuple[str, float, float | None] = ("", 0.0, None)
        self.reported_s = clock_s()
        self.is_working = True
        """until its end is handed in: a dispatcher that is away is no stall"""
        self.news = threading.Event()
        self.hurry = threading.Event()
        """the next beat does not wait its turn"""
        self._exports = exports
        self._clock_s = clock_s

    def __call__(self, step: str, percent: float, eta_s: float | None = None) -> None:
        """Tell how far the job is: a step in one word, the percent of the whole job, the seconds that are left.

        Never blocks. Raises Stopped when the job was cancelled, lost, or must be handed back. A step that is too long
        is cut, an estimate that has run out is 0, and one that is no number is none: progress fails no job.
        """
        self.reported_s = self._clock_s()
        eta_s = min(max(0.0, eta_s), MAX_ETA_S) if eta_s is not None and math.isfinite(eta_s) else None
        percent = percent if math.isfinite(percent) else 0.0
        told = (step[:MAX_STEP_CHARACTERS], min(100.0, max(percent, self.told[1])), eta_s)
        if told != self.told:
            self.told = told
            self.news.set()
        if self.stop_reason is not None:
            raise Stopped(self.stop_reason)

    def temp(self, final: str) -> Path:
        """Where to write the file that will be `final` (relative to the exports folder): a new, empty file."""
        if final in self.temps:
            return self.temps[final]
        name = f".{self.job.id}.{self.job.fence}.{len(self.temps)}.part"
        path = self._exports / PurePosixPath(final).parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers(path.parent)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self.temps[final] = path
        return path

    def stop(self, reason: StopReason) -> None:
        """Let the next `report()` raise; the first reason stays."""
        self.stop_reason = self.stop_reason or reason
        self.news.set()

    def _remove_leftovers(self, folder: Path) -> None:
        """A worker that was killed while it had this job could not clean up."""
        for path in folder.glob(f".{self.job.id}.*.part"):
            fence = path.name.split(".")[2]
            if fence.isdecimal() and int(fence) < self.job.fence:
                path.unlink(missing_ok=True)

    def remove_temps(self) -> None:
        for path in self.temps.values():
            path.unlink(missing_ok=True)


class JobRunner(ABC, Generic[P, R]):
    """Does the jobs of one type."""

    contract: ClassVar[AnyJobType]

    @abstractmethod
    def run(self, params: P, report: Report) -> Output[R]:
        """Do one job. Raise WorkError for a failure with a reason; call `report()` at least each `stall_s`."""

    def verify(self, path: Path, result: R) -> None:
        """Look at the finished main file before it is published; raise WorkError when it is not what it should be."""


class Worker:
    """A service's hands: `slots` threads that lease jobs, do them, and hand in what they made."""

    def __init__(self, bus: Bus, runners: Sequence[JobRunner[Any, Any]], slots: int = 1) -> None:
        self._bus = bus
        self._runners = {runner.contract.name: runner for runner in runners}
        self._exports = bus.place.data / "exports"
        self._at_work: dict[tuple[str, int], Report] = {}
        """by job and fence: a job that one slot hands back may come to the next before the first has tidied up"""
        self._is_stopping = threading.Event()
        for name in self._runners:
            bus.on(JobView, self._note_job, type=name)
        self._threads = [
            threading.Thread(target=self._work, args=(slot,), name=f"slot-{slot}", daemon=True) for slot in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Hand back what is at work and end; a job that does not stop in time is found by its lease."""
        self._is_stopping.set()
        for report in list(self._at_work.values()):
            report.stop(StopReason.RELEASED)
        end_s = self._bus.clock.boot_s() + DRAIN_S
        while self._at_work and self._bus.clock.boot_s() < end_s:
            for thread in self._threads:
                thread.join(timeout=0.02)

    def is_healthy(self) -> bool:
        return self._is_stopping.is_set() or all(thread.is_alive() for thread in self._threads)

    def _note_job(self, view: JobView) -> None:
        for report in list(self._at_work.values()):
            if report.job.id == view.id and view.cancelling:
                report.hurry.set()  # the answer to the beat tells it to stop
                report.news.set()

    def _work(self, slot: int) -> None:
        while not self._is_stopping.is_set():
            job = self._lease(slot)
            if job is not None:
                self._do(job)

    def _lease(self, slot: int) -> LeasedJob | None:
        request = LeaseJob(
            types=list(self._runners),
            worker=self._bus.name,
            incarnation=self._bus.epoch,
            slot=slot,
            wait_s=LEASE_WAIT_S,
        )
        try:
            return self._bus.ask("dispatcher", request, LEASE_DEADLINE_S, is_long=True).job
        except (RefusedError, MalformedError) as error:
            if not self._is_stopping.wait(_wait_s(error)):
                log.info("no work: %s", error)
            return None

    def _do(self, job: LeasedJob) -> None:
        """One job from lease to end: the error boundary of work."""
        report = Report(job, self._exports, self._bus.clock.boot_s)
        self._at_work[job.id, job.fence] = report
        if self._is_stopping.is_set():
            report.stop(StopReason.RELEASED)
        is_done = threading.Event()
        beater = threading.Thread(target=self._beat, args=(report, is_done), name=f"beat-{job.id[:4]}", daemon=True)
        beater.start()
        try:
            self._run(job, report)
        except Exception as error:
            self._bus.call_soon(lambda: self._bus.stats.count(f"errors.{job.type}"))
            log.exception("job %s failed", job.id)
            self._tell(report, _failure(job, FailKind.TRANSIENT, repr(error), ErrorCode.INTERNAL))
        finally:
            report.remove_temps()
            is_done.set()
            report.hurry.set()
            report.news.set()
            del self._at_work[job.id, job.fence]
            beater.join()

    def _run(self, job: LeasedJob, report: Report) -> None:
        try:
            self._tell(report, self._work_out(job, report))
        except Stopped as stopped:
            report.remove_temps()
            if stopped.reason is StopReason.CANCELLED:
                self._tell(report, JobStopped(id=job.id, fence=job.fence))
            elif stopped.reason is StopReason.RELEASED:
                self._tell(report, ReleaseJob(id=job.id, fence=job.fence))
        except WorkError as error:
            report.remove_temps()
            log.warning("job %s: %s: %s", job.id, error.kind.value, error)
            self._tell(report, _failure(job, error.kind, str(error), error.code))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            report.remove_temps()
            self._tell(report, _failure(job, FailKind.NO_SPACE, f"disk full: {error}", None))

    def _work_out(self, job: LeasedJob, report: Report) -> Request[Message]:
        """Do the work; returns how its end is handed in."""
        runner = self._runners[job.type]
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
            return JobDone(id=job.id, fence=job.fence, result=Raw(result))
        report("verifying", report.told[1])
        runner.verify(report.temps[output.files[-1]], output.result)
        report("finalizing", report.told[1])
        return self._prepared(job, report, output)

    def _prepared(self, job: LeasedJob, report: Report, output: Output[Any]) -> JobPrepared:
        files = []
        for final in output.files:
            temp = report.temps[final]
            found = _sync(temp)
            files.append(
                PreparedFile(
                    temp=str(temp.relative_to(self._exports)),
                    final=final,
                    size_bytes=found.st_size,
                    dev=found.st_dev,
                    ino=found.st_ino,
                )
            )
        return JobPrepared(id=job.id, fence=job.fence, files=files, result=Raw(codec.encode(output.result)))

    def _tell(self, report: Report, request: Request[Message]) -> None:
        """Hand in the end of a job. A dispatcher that is away, or cannot write, is asked again; a refusal ends it."""
        report.is_working = False
        while report.stop_reason is not StopReason.LOST:
            try:
                self._bus.ask("dispatcher", request, ANSWER_S)
                return
            except MalformedError as error:
                log.warning("job %s: %s", report.job.id, error)
                return
            except RefusedError as error:
                log.warning("job %s: %s", report.job.id, error)
                if error.code is not ErrorCode.DEADLINE and error.retry_after_s is None:
                    return
                if self._is_stopping.wait(_wait_s(error)):
                    return
                log.warning("job %s is over; telling the dispatcher again", report.job.id)

    def _beat(self, report: Report, is_done: threading.Event) -> None:
        """Renew the lease while the work goes on, and learn when it must stop."""
        job, stall_s = report.job, self._runners[report.job.type].contract.stall_s
        beaten_s = self._bus.clock.boot_s()
        while not is_done.is_set():
            report.news.wait(timeout=BEAT_S)
            report.hurry.wait(timeout=max(0.0, beaten_s + BEAT_SOON_S - self._bus.clock.boot_s()))
            report.hurry.clear()
            report.news.clear()
            if is_done.is_set():
                return
            if report.is_working and self._bus.clock.boot_s() - report.reported_s > stall_s:
                self._end_stalled(report)
            beaten_s = self._bus.clock.boot_s()
            step, percent, eta_s = report.told
            try:
                beat = BeatJob(id=job.id, fence=job.fence, step=step, percent=percent, eta_s=eta_s)
                if self._bus.ask("dispatcher", beat, BEAT_S).cancel:
                    report.stop(StopReason.CANCELLED)
            except RefusedError as error:
                if error.code is ErrorCode.LOST:
                    report.stop(StopReason.LOST)
                if error.code is not ErrorCode.DEADLINE:  # who is away for a moment is asked again
                    log.warning("job %s: its beat was refused: %s", job.id, error)
            except MalformedError as error:
                log.warning("job %s: %s", job.id, error)

    def _end_stalled(self, report: Report) -> None:
        """A thread that hangs cannot be stopped: fail its job, hand the others back, and start the process anew."""
        step = report.told[0]
        log.error("job %s: stalled at %s; this process ends", report.job.id, step)
        others = [other for other in list(self._at_work.values()) if other is not report]
        self._is_stopping.set()
        self._tell(report, _failure(report.job, FailKind.TRANSIENT, f"stalled at {step}", None))
        for other in others:
            self._tell(other, ReleaseJob(id=other.job.id, fence=other.job.fence))
        for one in (report, *others):
            one.remove_temps()
        os._exit(ExitCode.INTERNAL)


def _wait_s(error: FramebusError) -> float:
    """How long to leave a dispatcher alone that could not answer, in seconds."""
    return (isinstance(error, RefusedError) and error.retry_after_s) or AWAY_S


def _failure(job: LeasedJob, kind: FailKind, message: str, code: ErrorCode | None) -> JobFailed:
    text = redact(message)[:MAX_ERROR_CHARACTERS]  # before it is cut: half an address would not be known as one
    return JobFailed(id=job.id, fence=job.fence, kind=kind, message=text, code=code)


def _sync(path: Path) -> os.stat_result:
    """Make a file survive a power cut; returns what it is now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)
