"""Takes jobs and does them: leases, beats, progress and failures are settled here; a JobRunner brings the work."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from framebus.beating import Beater
from framebus.bus import Bus
from framebus.doing import Ending, Failed, do, request_of
from framebus.errors import ErrorCode, ExitCode, FramebusError, MalformedError, RefusedError
from framebus.job_process import JobProcess
from framebus.jobs import MAX_ERROR_CHARACTERS
from framebus.messages import Message
from framebus.outage import Outage
from framebus.report import Report, StopReason
from framebus.requests import FailKind, JobDone, JobEnd, JobFailed, LeasedJob, LeaseJob, ReleaseJob, Request
from framebus.runner import AnyJobRunner, RunnerContext
from framebus.worker import StartError

log = logging.getLogger(__name__)

LEASE_WAIT_S = 5.0
LEASE_DEADLINE_S = 8.0
ANSWER_S = 5.0
AWAY_S = 0.2
DRAIN_S = 4.0
START_S = 60.0
"""what a runner has to be made; a model may be large"""


class Worker:
    """A service's hands: `slots` threads that lease jobs, do them, and hand in what they made."""

    def __init__(self, bus: Bus, runners: Sequence[AnyJobRunner | type[AnyJobRunner]], slots: int = 1) -> None:
        """Runners are given as classes; one that was made by hand, too, unless it is isolated.

        When an isolated runner can't be made in its process, the service ends as with any error of its configuration.
        """
        self._bus = bus
        self._runners = {runner.contract.name: runner for runner in runners}
        self._is_isolated = _are_isolated(runners)
        self._exports = bus.place.data / "exports"
        self._at_work: dict[tuple[str, int], Report] = {}
        """by job and fence: a job that one slot hands back may come to the next before the first has tidied up"""
        self._is_stopping = threading.Event()
        self._outage = Outage(bus.clock.boot_s)
        self._processes: list[JobProcess] = []
        context = RunnerContext.of(bus)
        hands = [self._make_hands(context) for _ in range(slots)] if self._is_isolated else []
        if not self._is_isolated:
            hands = [_in_thread(self._runners, context)] * slots
        self._threads = [
            threading.Thread(target=self._work, args=(slot, does), name=f"slot-{slot}", daemon=True)
            for slot, does in enumerate(hands)
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
        self._close_processes()

    def is_healthy(self) -> bool:
        """Whether every slot can do jobs, or it stops."""
        can_work = all(thread.is_alive() for thread in self._threads)
        return self._is_stopping.is_set() or (can_work and not any(process.is_over for process in self._processes))

    # Beginning and end -----------------------------------------------------------------------------------------------

    def _make_hands(self, context: RunnerContext) -> "Hands":
        """One slot with a process for each of its types."""
        made: Hands = {}
        for name, runner in self._runners.items():
            assert isinstance(runner, type)
            process = JobProcess(runner, context, self._count)
            self._processes.append(process)
            made[name] = process.do
        return made

    def _are_ready(self) -> bool:
        """Find out whether runners can be made at all before jobs are taken; the service need not wait for that."""
        try:
            for process in self._processes[: len(self._runners)]:
                process.wait_ready(START_S)
            return True
        except StartError as error:
            if not self._is_stopping.is_set():
                self._bus.call_soon(partial(self._give_up, str(error)))
            return False

    def _give_up(self, why: str) -> None:
        log.error("configuration: %s: the runner can't be made: %s", ", ".join(self._runners), why)
        self._close_processes()
        raise SystemExit(ExitCode.CONFIGURATION)

    def _count(self, what: str) -> None:
        self._bus.call_soon(partial(self._bus.stats.count, what))

    def _close_processes(self) -> None:
        for process in self._processes:
            process.close()

    # Slots -----------------------------------------------------------------------------------------------------------

    def _work(self, slot: int, does: "Hands") -> None:
        if not self._are_ready():
            return
        beater = Beater(self._bus, f"beats-{slot}", self._stall_s, None if self._is_isolated else self._end_stalled)
        while not self._is_stopping.is_set():
            job = self._lease(slot)
            report = None if job is None else self._begin(job)
            while report is not None:
                report = self._do(report, does[report.job.type], beater, slot)
        beater.close()

    def _stall_s(self, kind: str) -> float:
        return self._runners[kind].contract.stall_s

    def _lease(self, slot: int) -> LeasedJob | None:
        try:
            lease = self._bus.ask("dispatcher", self._wish(slot, LEASE_WAIT_S), LEASE_DEADLINE_S, is_long=True)
            self._outage.back()
            return lease.job
        except (RefusedError, MalformedError) as error:
            if not self._is_stopping.wait(_wait_s(error)):
                self._outage.away(error)
            return None

    def _wish(self, slot: int, wait_s: float) -> LeaseJob:
        return LeaseJob(
            types=list(self._runners),
            worker=self._bus.name,
            incarnation=self._bus.epoch,
            slot=slot,
            isolated=self._is_isolated,
            wait_s=wait_s,
        )

    def _begin(self, job: LeasedJob) -> Report:
        report = Report(job, self._exports, self._bus.clock.boot_s)
        self._at_work[job.id, job.fence] = report
        if self._is_stopping.is_set():
            report.stop(StopReason.RELEASED)
        return report

    def _do(self, report: Report, work: "Hand", beater: Beater, slot: int) -> Report | None:
        """One job from lease to end; returns the next, where the dispatcher had one."""
        job = report.job
        beater.begin(report)
        try:
            ending = work(job, report)
            if isinstance(ending, Failed) and ending.code == ErrorCode.INTERNAL:
                self._count(f"errors.{job.type}")
            elif isinstance(ending, Failed) and ending.kind is FailKind.CRASH:
                log.error("job %s: %s", job.id, ending.message)
                self._count(f"crashes.{job.type}")
            request = request_of(ending, job)
            if isinstance(request, JobDone) and not self._is_stopping.is_set():
                request = replace(request, next=self._wish(slot, 0.0))
            answer = None if request is None else self._tell(report, request)
            if isinstance(answer, RefusedError):  # it counts as running still, and would be given to us again
                self._tell(report, _refused(job, answer))
            next_job = answer.lease if isinstance(answer, JobEnd) else None
            return None if next_job is None else self._begin(next_job)
        finally:
            report.remove_temps()
            beater.end(report)
            del self._at_work[job.id, job.fence]

    def _tell(self, report: Report, request: Request[Message]) -> Message | RefusedError | None:
        """Hand in the end of a job; returns the answer, or why it was not taken.

        A dispatcher that is away, or cannot write, is asked again; a job that is another's or cancelled is let go.
        """
        report.is_working = False
        while report.stop_reason is not StopReason.LOST:
            try:
                answer = self._bus.ask("dispatcher", request, ANSWER_S)
                self._outage.back()
                return answer
            except MalformedError as error:
                log.warning("job %s: %s", report.job.id, error)
                return None
            except RefusedError as error:
                if error.code is not ErrorCode.DEADLINE:
                    is_known = error.code in (ErrorCode.CANCELLED, ErrorCode.LOST)  # somebody's wish, or another's turn
                    log.log(logging.INFO if is_known else logging.WARNING, "job %s: %s", report.job.id, error)
                    if error.retry_after_s is None:
                        return None if is_known else error
                if self._is_stopping.wait(_wait_s(error)):
                    return None
                if error.code is ErrorCode.DEADLINE:
                    self._outage.away(error)
        return None

    def _end_stalled(self, report: Report) -> None:
        """A thread that hangs cannot be stopped: fail its job, hand the others back, and start the process anew."""
        job, step = report.job, report.told[0]
        log.error("job %s: stalled at %s; this process ends", job.id, step)
        others = [other for other in list(self._at_work.values()) if other is not report]
        self._is_stopping.set()
        self._tell(report, JobFailed(id=job.id, fence=job.fence, kind=FailKind.TRANSIENT, message=f"stalled at {step}"))
        for other in others:
            self._tell(other, ReleaseJob(id=other.job.id, fence=other.job.fence))
        for one in (report, *others):
            one.remove_temps()
        os._exit(ExitCode.INTERNAL)


Hand = Callable[[LeasedJob, Report], Ending]
Hands = dict[str, Hand]
"""what does the jobs of each type"""


def _are_isolated(runners: Sequence[AnyJobRunner | type[AnyJobRunner]]) -> bool:
    isolated = [runner.contract.name for runner in runners if runner.is_isolated]
    if isolated and len(isolated) < len(runners):
        raise TypeError(f"{', '.join(isolated)}: isolated, and others are not; give them services of their own")
    if by_hand := [runner.contract.name for runner in runners if runner.is_isolated and not isinstance(runner, type)]:
        raise TypeError(f"{', '.join(by_hand)}: isolated; give the class of the runner, its process makes it")
    return bool(isolated)


def _in_thread(runners: dict[str, AnyJobRunner | type[AnyJobRunner]], context: RunnerContext) -> Hands:
    made = {name: runner(context) if isinstance(runner, type) else runner for name, runner in runners.items()}
    return {name: partial(do, runner) for name, runner in made.items()}


def _refused(job: LeasedJob, refusal: RefusedError) -> JobFailed:
    """The end of a job whose end was refused: what it made is not right, and would not be the next time."""
    kind = FailKind.TRANSIENT if refusal.code is ErrorCode.INTERNAL else FailKind.PERMANENT
    text = f"its end was refused: {refusal.message}"[:MAX_ERROR_CHARACTERS]
    return JobFailed(id=job.id, fence=job.fence, kind=kind, message=text, code=refusal.code)


def _wait_s(error: FramebusError) -> float:
    """How long to leave a dispatcher alone that could not answer, in seconds."""
    return (isinstance(error, RefusedError) and error.retry_after_s) or AWAY_S
