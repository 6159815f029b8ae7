"""Jobs of a slot in a process of their own: a WorkerProcess whose child holds the runner."""

import logging
import os
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from framebus.clock import SystemClock
from framebus.doing import Ending, Failed, Halted, do
from framebus.errors import ErrorCode
from framebus.importable import load_importable, name_importable
from framebus.logs import FORMAT, log_to_stderr
from framebus.place import Place
from framebus.report import Report, StopReason
from framebus.requests import FailKind, LeasedJob
from framebus.runner import AnyJobRunner, RunnerContext
from framebus.task import TaskEnd, TaskOutcome
from framebus.worker import Closed, WorkerProcess
from framebus.worker_child import Side

log = logging.getLogger(__name__)

HEED_S = 3.0
"""work that must stop and does not within this time is killed"""
LOOK_S = 0.1
TELL_S = 0.1
IDLE_S = 30.0
"""without a job the process gives its memory back; starting another takes less than a second"""


class Surroundings(Struct, frozen=True):
    """What the child needs to make its runner."""

    runner: str
    place: dict[str, str]
    settings: bytes


class Progress(Struct, frozen=True, tag="progress"):
    job: str
    fence: int
    step: str
    percent: float
    eta_s: float | None


class Temp(Struct, frozen=True, tag="temp"):
    """A file is about to be made: whoever survives the child removes it."""

    job: str
    fence: int
    final: str
    path: str


class JobProcess:
    """The parent's side: does the jobs of one slot, one after the other."""

    def __init__(self, runner: type[AnyJobRunner], context: RunnerContext, on_fault: Callable[[str], None]) -> None:
        """Raises TypeError for a runner that another process can't import; `on_fault` as of a WorkerProcess."""
        self._clock_s = context.clock.boot_s
        self._stall_s = runner.contract.stall_s
        self._report: Report | None = None
        self._worker = WorkerProcess(
            do_job,
            initialize=begin,
            setup=Surroundings(
                name_importable(runner, "the runner"), context.place.to_environment(), context.raw_settings
            ),
            on_crash="fail",
            max_waiting=1,
            on_news=self._note,
            on_fault=on_fault,
            idle_limit_s=IDLE_S,
            name=runner.contract.name,
        )

    def wait_ready(self, timeout_s: float) -> None:
        """Raises StartError when no runner could be made."""
        self._worker.wait_ready(timeout_s)

    @property
    def is_over(self) -> bool:
        """Whether no job will ever be done here any more."""
        return self._worker.is_over

    def close(self) -> None:
        self._worker.close()

    def do(self, job: LeasedJob, report: Report) -> Ending:
        """A job from its parameters to its ending, however its process ends."""
        key = f"{job.id}.{job.fence}"
        self._report = report
        report.on_stop = lambda reason: self._worker.send(key, reason)
        try:
            self._worker.submit(key, job)
        except Closed:
            return Halted(reason=StopReason.RELEASED)
        while True:
            for outcome in self._worker.results(LOOK_S):
                ending = self._ending(outcome, report)
                if not outcome.is_done:
                    report.remove_temps()
                return ending
            if report.stop_reason is not None:
                self._worker.send(key, report.stop_reason)  # again: the first may have come before the work began
                if self._clock_s() - report.stopped_s > HEED_S:
                    log.warning("job %s does not heed that it is %s; killing it", job.id, report.stop_reason.value)
                    self._worker.cancel(key)
            elif self._clock_s() - report.reported_s > self._stall_s:
                log.warning("job %s: stalled at %s; killing it", job.id, report.told[0])
                self._worker.cancel(key)

    def _ending(self, outcome: TaskOutcome, report: Report) -> Ending:
        if outcome.is_done:
            ending: Ending = outcome.result
            return ending
        at = f" at {report.told[0]}" if report.told[0] else ""
        if outcome.end in (TaskEnd.CRASHED, TaskEnd.QUARANTINED):
            return Failed(
                kind=FailKind.CRASH,
                message=f"{outcome.error}{at}",
                code=ErrorCode.CRASHED,
                signal=outcome.signal,
                log_tail=outcome.log_tail,
            )
        if outcome.end is TaskEnd.CANCELLED and report.stop_reason is None:
            return Failed(kind=FailKind.TRANSIENT, message=f"stalled{at}")
        if outcome.end in (TaskEnd.CANCELLED, TaskEnd.NOT_DONE):
            return Halted(reason=report.stop_reason or StopReason.RELEASED)
        log.error("job %s: %s\n%s", report.job.id, outcome.error, outcome.traceback)
        return Failed(kind=FailKind.TRANSIENT, message=outcome.error, code=ErrorCode.INTERNAL)

    def _note(self, key: Hashable, value: Any) -> None:
        """What the work tells, on the thread of its WorkerProcess."""
        told = msgspec.convert(value, Progress | Temp)
        report = self._report
        if report is None or (told.job, told.fence) != (report.job.id, report.job.fence):
            return  # the last word of a job that is over
        if isinstance(told, Temp):
            report.temps[told.final] = Path(told.path)
        else:
            report.note(told.step, told.percent, told.eta_s)


# In the child --------------------------------------------------------------------------------------------------------


class Hand:
    """The child's side: the runner, and the job that it has in hand."""

    def __init__(self, runner: AnyJobRunner, context: RunnerContext, side: Side) -> None:
        self.runner = runner
        self.clock_s = context.clock.boot_s
        self.exports = context.place.data / "exports"
        self.side = side
        self.report: DistantReport | None = None
        self.called = threading.Event()
        side.on_note = self._stop
        threading.Thread(target=self._tell, name="progress", daemon=True).start()

    def _stop(self, reason: str) -> None:
        if self.report is not None:
            self.report.stop(StopReason(reason))

    def _tell(self) -> None:
        """Pass on the newest progress, and that there is some: at most ten times a second."""
        while True:
            self.called.wait()
            self.called.clear()
            report = self.report
            if report is not None:
                self.pass_on(report)
            threading.Event().wait(TELL_S)

    def pass_on(self, report: Report) -> None:
        step, percent, eta_s = report.told
        self.side.tell(Progress(report.job.id, report.job.fence, step, percent, eta_s))


class DistantReport(Report):
    """Progress and files of the work, told to the parent."""

    def __init__(self, job: LeasedJob, hand: Hand) -> None:
        super().__init__(job, hand.exports, hand.clock_s)
        self._hand = hand

    def note(self, step: str, percent: float, eta_s: float | None) -> None:
        last = self.told[0]
        super().note(step, percent, eta_s)
        if self.told[0] != last:
            self._hand.pass_on(self)  # at once: should the work crash now, this is where
        else:
            self._hand.called.set()

    def _announce(self, final: str, path: Path) -> None:
        self._hand.side.tell(Temp(self.job.id, self.job.fence, final, str(path)))


def begin(side: Side) -> Hand:
    """Make the runner, in its own process."""
    around: Surroundings = side.setup(Surroundings)
    log_to_stderr(around.runner, {**os.environ, FORMAT: "plain"})  # the service takes up the lines, and gives them form
    place = Place.from_environment(around.place)
    context = RunnerContext(place=place, clock=SystemClock(), raw_settings=around.settings)
    return Hand(load_importable(around.runner)(context), context, side)


def do_job(hand: Hand, job: LeasedJob) -> Ending:
    """Do a job in this process."""
    hand.report = DistantReport(job, hand)
    try:
        return do(hand.runner, job, hand.report)
    finally:
        hand.report = None
