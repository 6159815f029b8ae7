"""Takes jobs and does them: leases, beats, progress and failures are settled here; a JobRunner brings the work."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue

from framebus.bus import Bus
from framebus.doing import Ending, Failed, do, request_of
from framebus.errors import ErrorCode, ExitCode, FramebusError, MalformedError, RefusedError
from framebus.job_process import JobProcess
from framebus.jobs import MAX_ERROR_CHARACTERS
from framebus.messages import JobView, Message
from framebus.outage import Outage
from framebus.report import Report, StopReason
from framebus.requests import BeatJob, FailKind, JobFailed, LeasedJob, LeaseJob, ReleaseJob, Request
from framebus.runner import AnyJobRunner, RunnerContext
from framebus.worker import StartError

log = logging.getLogger(__name__)

BEAT_S = 1.0
BEAT_SOON_S = 0.25
"""with new progress a worker beats up to four times a second"""
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
        for name in self._runners:
            bus.on(JobView, self._note_job, type=name)
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
        return self._is_stopping.is_set() or all(thread.is_alive() for thread in self._threads)

    # Beginning and end -----------------------------------------------------------------------------------------------

    def _make_hands(self, context: RunnerContext) -> "Hands":
        """One slot with a process for each of its types."""
        made: Hands = {}
        for name, runner in self._runners.items():
            assert isinstance(runner, type)
            process = JobProcess(runner, context)
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

    def _close_processes(self) -> None:
        for process in self._processes:
            process.close()

    # Slots -----------------------------------------------------------------------------------------------------------

    def _note_job(self, view: JobView) -> None:
        for report in list(self._at_work.values()):
            if report.job.id == view.id and view.cancelling:
                report.hurry.set()  # the answer to the beat tells it to stop
                report.news.set()

    def _work(self, slot: int, does: "Hands") -> None:
        if not self._are_ready():
            return
        begun = SimpleQueue[_Begun | None]()
        beater = threading.Thread(target=self._beat_for, args=(begun,), name=f"beats-{slot}", daemon=True)
        beater.start()
        while not self._is_stopping.is_set():
            job = self._lease(slot)
            if job is not None:
                self._do(job, does[job.type], begun)
        begun.put(None)

    def _lease(self, slot: int) -> LeasedJob | None:
        request = LeaseJob(
            types=list(self._runners),
            worker=self._bus.name,
            incarnation=self._bus.epoch,
            slot=slot,
            isolated=self._is_isolated,
            wait_s=LEASE_WAIT_S,
        )
        try:
            lease = self._bus.ask("dispatcher", request, LEASE_DEADLINE_S, is_long=True)
            self._outage.back()
            return lease.job
        except (RefusedError, MalformedError) as error:
            if not self._is_stopping.wait(_wait_s(error)):
                self._outage.away(error)
            return None

    def _do(self, job: LeasedJob, work: "Hand", begun: "SimpleQueue[_Begun | None]") -> None:
        """One job from lease to end."""
        report = Report(job, self._exports, self._bus.clock.boot_s)
        self._at_work[job.id, job.fence] = report
        if self._is_stopping.is_set():
            report.stop(StopReason.RELEASED)
        at_work = _Begun(report)
        begun.put(at_work)
        try:
            ending = work(job, report)
            if isinstance(ending, Failed) and ending.code == ErrorCode.INTERNAL:
                self._bus.call_soon(lambda: self._bus.stats.count(f"errors.{job.type}"))
            elif isinstance(ending, Failed) and ending.kind is FailKind.CRASH:
                log.error("job %s: %s", job.id, ending.message)
                self._bus.call_soon(lambda: self._bus.stats.count(f"crashes.{job.type}"))
            request = request_of(ending, job)
            refusal = None if request is None else self._tell(report, request)
            if refusal is not None:  # it counts as running still: asked for work, the dispatcher would give it again
                self._tell(report, _refused(job, refusal))
        finally:
            report.remove_temps()
            at_work.is_done.set()
            report.hurry.set()
            report.news.set()
            del self._at_work[job.id, job.fence]
            at_work.is_quiet.wait()

    def _tell(self, report: Report, request: Request[Message]) -> RefusedError | None:
        """Hand in the end of a job; returns why it was not taken.

        A dispatcher that is away, or cannot write, is asked again; a job that is another's or cancelled is let go.
        """
        report.is_working = False
        while report.stop_reason is not StopReason.LOST:
            try:
                self._bus.ask("dispatcher", request, ANSWER_S)
                self._outage.back()
                return None
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

    def _beat_for(self, begun: "SimpleQueue[_Begun | None]") -> None:
        """Beat for the jobs of one slot, one after the other."""
        while (at_work := begun.get()) is not None:
            try:
                self._beat(at_work.report, at_work.is_done)
            except Exception:  # its lease runs out; those of the jobs that come after must not
                log.exception("job %s: no more beats of it", at_work.report.job.id)
                self._bus.call_soon(lambda: self._bus.stats.count("errors.beat"))
            finally:
                at_work.is_quiet.set()

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
                if self._is_isolated:  # its process is being killed, and the slot goes on
                    continue
                self._end_stalled(report)
            beaten_s = self._bus.clock.boot_s()
            step, percent, eta_s = report.told
            try:
                beat = BeatJob(id=job.id, fence=job.fence, step=step, percent=percent, eta_s=eta_s)
                if self._bus.ask("dispatcher", beat, BEAT_S).cancel:
                    report.stop(StopReason.CANCELLED)
            except RefusedError as error:
                if error.code is ErrorCode.LOST:
                    if (
                        report.is_working and report.stop_reason is None
                    ):  # else it has just ended, and this beat is late
                        log.warning("job %s is lost: %s", job.id, error)
                    report.stop(StopReason.LOST)
                elif error.code is not ErrorCode.DEADLINE:  # who is away for a moment is asked again
                    log.warning("job %s: its beat was refused: %s", job.id, error)
            except MalformedError as error:
                log.warning("job %s: %s", job.id, error)

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


class _Begun:
    """A job that a slot has begun, for the thread that beats for it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.is_done = threading.Event()
        self.is_quiet = threading.Event()
        """no beat of it comes any more"""


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
