"""One row of the table and its life: started, ready, silent, dead, started again. Time comes in as a number."""

import logging
import signal
from collections.abc import Callable

from framebus.errors import ExitCode
from framebus.messages import ServiceState, ServiceStatus
from framebus.requests import WorkerLost
from framebus.settings import Restart
from framebus_launcher.liveness import ABORT_S, KILL_S, SUSPECT_S, Liveness, Silence
from framebus_launcher.notices import Notice
from framebus_launcher.process import Child, Exit, Usage
from framebus_launcher.restart import NOT_AGAIN, PROBE_S, Death, Record, judge
from framebus_launcher.table import DISPATCHER, Row
from framebus_launcher.tail import Tail

log = logging.getLogger(__name__)

STOP_S = 5.0
"""what a child has to end after SIGTERM"""
SILENT_READY_S = 1.0
"""a child that does not speak sd_notify is ready when it has run for so long"""
TOLD_S = 0.2
"""a successor waits no longer for the dispatcher to hear of the death"""
ORDERED_S = 10.0
"""a signal that was ordered kills within so long: also SIGSTOP, by the silence that follows"""
FOREVER_S = float("inf")


class Member:
    """One row with the process that it has, wants, or had."""

    def __init__(self, row: Row, policy: Restart, spawn: Callable[[Row], Child], wall_s: Callable[[], float]) -> None:
        self.row = row
        self.tail = Tail()
        self.child: Child | None = None
        self.was_ready = False
        """ever, since the launcher started"""
        self._has_begun = False
        self._has_failed = False
        self.is_changed = True
        """the status has news; who tells them sets it back"""
        self.usage = Usage()
        self.policy = policy
        self._spawn = spawn
        self._wall_s = wall_s
        self._state = ServiceState.STARTING
        self._since_at_s = wall_s()
        self._reason = "waits for its turn"
        self._said = ""
        self._incarnation = 0
        self._restarts = 0
        self._is_restart = False
        """the next start makes good for a death that nobody asked for"""
        self._last_exit = Exit()
        self._hung_s: float | None = None
        self._back_after_s: float | None = None
        self._record = Record()
        self._start_s: float | None = None
        """when to start; None: not by itself"""
        self._hold_s = 0.0
        self._spawned_s = 0.0
        self._limit_s = FOREVER_S
        """until when it must be ready"""
        self._is_late = False
        self._ready_s: float | None = None
        self._died_s: float | None = None
        self._liveness: Liveness | None = None
        self._kill_s = FOREVER_S
        self._is_asked = False
        """the end of the child is our wish"""
        self._asked_s = 0.0
        self._again = False
        self._ordered_until_s = 0.0
        """a death until then is a test"""

    # What is asked ----------------------------------------------------------------------------------------------------

    def start(self, now_s: float) -> None:
        """Run; a broken member is tried at once, and its past forgotten. Asked of a member that stops: run again."""
        if self.child is not None:
            self._again = self._is_asked
            return
        self._record, self._is_restart = Record(), False
        self._start_s = now_s
        if self._state is not ServiceState.STARTING:
            self._become(ServiceState.STARTING)

    def stop(self, now_s: float, *, again: bool = False) -> None:
        """End the child within 5 s and, unless `again`, stay stopped."""
        self._again = again
        self._start_s = None
        if self.child is None:
            if again:
                self.start(now_s)
            elif self._state is not ServiceState.STOPPED:
                self._become(ServiceState.STOPPED)
        elif not self._is_asked:
            self._is_asked, self._asked_s = True, now_s
            self._kill_s = now_s + STOP_S
            self.child.send_group(signal.SIGTERM)

    def replace(self, row: Row, now_s: float) -> bool:
        """Be this row from now on. Whether its process is replaced, too: who is off, or waits for its turn, is not."""
        self.row = row
        if self.is_off or (self.child is None and not self._has_begun):
            return False
        self.stop(now_s, again=True)
        return True

    def kill(self, now_s: float) -> None:
        """End the child now, in whatever state it is."""
        if self.child is not None:
            if not self._is_asked:
                self._is_asked, self._asked_s = True, now_s
            self._kill_s = FOREVER_S
            self.child.send_group(signal.SIGKILL)

    def send(self, number: int, now_s: float) -> None:
        """Send a signal to the child and what it started. A death of that is ordered: it starts again at once.

        Also that of a child that was stopped by the signal and is found hanging; but who survives it dies for himself.
        """
        if self.child is not None:
            self._ordered_until_s = now_s + ORDERED_S
            self.child.send_group(number)

    # What happens -----------------------------------------------------------------------------------------------------

    def note(self, notice: Notice, now_s: float) -> None:
        """The child said something of itself."""
        if self._liveness is not None and (notice.is_beat or notice.is_ready):
            self._liveness.beat(now_s)
            if self._state is ServiceState.SUSPECTED and self._liveness.silence is Silence.NONE:
                self._become(ServiceState.READY)
        if notice.is_ready and self._ready_s is None:
            self._become_ready(now_s)
        if notice.status is not None and notice.status != self._said:
            self._said = notice.status
            self.is_changed = True
        if notice.is_stopping:
            self._liveness = None  # a service that stops has no loop that beats
            self._kill_s = min(self._kill_s, now_s + STOP_S)

    def die(self, how: Exit, now_s: float) -> WorkerLost:
        """The child is dead. What there is to tell the dispatcher."""
        hung_s = self._silent_s(now_s)
        is_ordered = now_s < self._ordered_until_s
        lost = WorkerLost(
            worker=self.row.name,
            incarnation=self._incarnation,
            exit_code=how.code,
            signal=how.signal,
            by_us=self._is_asked or is_ordered,
            hung=hung_s is not None,
            log_tail=list(self.tail.lines),
        )
        reason = str(how)
        if self._is_late:
            reason = f"not ready within {self.row.ready_s:g} s, {how}"
        elif hung_s is not None:
            reason = f"hung, no beat for {hung_s:.1f} s, {how}"
        self._hung_s = hung_s
        self._end_life(how, now_s if hung_s is None or self._is_late else now_s - hung_s, now_s)
        if self._is_asked:
            self._after_stop(how, now_s)
        elif is_ordered:
            log.warning("%s: %s, as ordered; started again", self.row.name, reason)
            self._become(ServiceState.RESTARTING, reason)
            self._start_s = now_s
        else:
            self._after_death(how, reason, now_s)
        return lost

    def fail(self, error: OSError, now_s: float) -> None:
        """The child could not be started after all."""
        self.child = None
        how = Exit(code=ExitCode.INTERNAL)
        if self._is_asked:
            self._after_stop(how, now_s)
        else:
            self._after_death(how, f"cannot be started: {error}", now_s)

    def told(self, incarnation: int) -> None:
        """The dispatcher has heard of that death: the successor need not wait for it."""
        if incarnation == self._incarnation:
            self._hold_s = 0.0

    def skip(self, gap_s: float) -> None:
        """The launcher did not run for so long: nobody is to blame for that."""
        self._limit_s += gap_s
        if self._liveness is not None:
            self._liveness.skip(gap_s)

    def step(self, now_s: float) -> None:
        """Do what is due: start, give up waiting, call a silent child to order."""
        if self.child is None:
            if self._start_s is not None and now_s >= max(self._start_s, self._hold_s):
                self._start(now_s)
        elif now_s >= self._kill_s:
            self._kill_s = FOREVER_S
            log.warning("%s does not stop; killed", self.row.name)
            self.child.send_group(signal.SIGKILL)
        elif self._is_asked:
            return
        elif self._ready_s is None:
            self._step_start(now_s, self.child)
        elif self._liveness is not None:
            self._step_silence(now_s, self.child, self._liveness)

    @property
    def next_s(self) -> float:
        """When something is due next."""
        if self.child is None:
            return FOREVER_S if self._start_s is None else max(self._start_s, self._hold_s)
        if self._is_asked:
            return self._kill_s
        if self._ready_s is None:
            return min(self._kill_s, self._limit_s)
        due_s = self._liveness.next_s if self._liveness is not None else None
        return self._kill_s if due_s is None else min(self._kill_s, due_s)

    @property
    def is_settled(self) -> bool:
        """Whether the next tier need not wait for it: it was ready, or is off, or has failed once.

        A failed one is seen to by itself; only without the dispatcher nobody has anything to do.
        """
        if self.was_ready or self._state is ServiceState.STOPPED:
            return True
        return self._has_failed and self.row.name != DISPATCHER

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing that was asked of it is still under way."""
        return self._state is not ServiceState.STARTING and not (self.child is not None and self._is_asked)

    @property
    def is_stopped(self) -> bool:
        return self._state is ServiceState.STOPPED

    @property
    def is_off(self) -> bool:
        """Whether it was asked to stop and not to start again, also while it is on its way there."""
        return self._state is ServiceState.STOPPED or (self._is_asked and not self._again)

    @property
    def is_broken(self) -> bool:
        return self._state is ServiceState.BROKEN

    @property
    def is_up(self) -> bool:
        return self._state is ServiceState.READY

    @property
    def status(self) -> ServiceStatus:
        """How it is, for everybody to know."""
        return ServiceStatus(
            name=self.row.name,
            state=self._state,
            pid=(self.child.pid or None) if self.child is not None else None,
            incarnation=self._incarnation,
            restarts=self._restarts,
            since_at_s=self._since_at_s,
            exit_code=self._last_exit.code,
            signal=self._last_exit.signal,
            reason=(self._reason or self._said)[:500],
            back_after_s=self._back_after_s,
            hung_s=self._hung_s,
            cpu_percent=self.usage.cpu_percent,
            rss_bytes=self.usage.rss_bytes,
            log_tail=list(self.tail.lines) if self.is_broken else [],
        )

    # Inside -----------------------------------------------------------------------------------------------------------

    def _silent_s(self, now_s: float) -> float | None:
        """For how long nothing was heard of it, where that is why we ended it."""
        if self._is_late:
            return now_s - self._spawned_s
        is_hung = self._liveness is not None and self._liveness.silence >= Silence.ABORTED
        return now_s - self._liveness.heard_s if is_hung and self._liveness is not None else None

    def _become(self, state: ServiceState, reason: str = "") -> None:
        self._state, self._reason = state, reason
        self._since_at_s = self._wall_s()
        self.is_changed = True

    def _start(self, now_s: float) -> None:
        self._start_s = None
        self._ready_s, self._liveness, self._kill_s = None, None, FOREVER_S
        self._is_asked = self._again = False
        self._ordered_until_s = 0.0
        self._said, self.usage = "", Usage()
        self._spawned_s = now_s
        self._limit_s, self._is_late = now_s + (self.row.ready_s if self.row.notify else SILENT_READY_S), False
        self._has_begun = True
        self._restarts += self._is_restart
        self._is_restart = False
        try:
            self.child = self._spawn(self.row)
        except OSError as error:
            self.fail(error, now_s)
            return
        self._incarnation = self.child.incarnation
        if not self.is_broken:  # a probe stays broken until it has proven itself
            self._become(ServiceState.STARTING)

    def _become_ready(self, now_s: float) -> None:
        self._ready_s = now_s
        self.was_ready = True
        if self.row.notify:
            self._liveness = Liveness(now_s)
        if self._died_s is not None:
            self._back_after_s = now_s - self._died_s
        self._become(ServiceState.READY)
        log.info("%s is ready after %.2f s", self.row.name, now_s - self._spawned_s)

    def _step_start(self, now_s: float, child: Child) -> None:
        if now_s < self._limit_s:
            return
        if not self.row.notify:
            self._become_ready(now_s)
            return
        log.error("%s was not ready within %g s; killed", self.row.name, self.row.ready_s)
        child.send(signal.SIGABRT)
        self._limit_s, self._is_late = FOREVER_S, True
        self._kill_s = now_s + KILL_S - ABORT_S

    def _step_silence(self, now_s: float, child: Child, liveness: Liveness) -> None:
        step = liveness.step(now_s)
        if step is Silence.SUSPECTED:
            log.warning("%s has not beaten for %.0f s", self.row.name, SUSPECT_S)
            self._become(ServiceState.SUSPECTED, f"no beat for {SUSPECT_S:.0f} s")
        elif step is Silence.ABORTED:
            log.error("%s hangs; asked for its stacks (SIGABRT)", self.row.name)
            child.send(signal.SIGABRT)
        elif step is Silence.KILLED:
            child.send_group(signal.SIGKILL)

    def _end_life(self, how: Exit, fault_s: float, now_s: float) -> None:
        """`fault_s`: since when it is missed; who hung was missed before it died."""
        self.child, self._liveness, self.usage = None, None, Usage()
        self._died_s, self._last_exit = fault_s, how
        self._hold_s = now_s + TOLD_S if self.row.name != DISPATCHER else 0.0

    def _after_stop(self, how: Exit, now_s: float) -> None:
        name, took_s = self.row.name, now_s - self._asked_s
        if how.signal == signal.SIGKILL:
            log.warning("%s was killed after %.2f s", name, took_s)
        else:
            # A program without a handler dies of our SIGTERM, and that is in good order.
            log.info("%s stopped after %.2f s%s", name, took_s, f" with {how}" if how.code else "")
        if self._again:
            self.start(now_s)
        else:
            self._died_s = None  # who comes back by wish has not come back from a death
            self._become(ServiceState.STOPPED)

    def _after_death(self, how: Exit, reason: str, now_s: float) -> None:
        self._has_failed = self._is_restart = True
        ready_for_s = now_s - self._ready_s if self._ready_s is not None else None
        death = Death(at_s=now_s, ready_for_s=ready_for_s, exit_code=how.code, signal=how.signal)
        verdict = judge(self._record, death, self.policy)
        self._record = verdict.record
        self._start_s = None if verdict.wait_s is None else now_s + verdict.wait_s
        name = self.row.name
        if how.code in NOT_AGAIN:
            again = f"not started again; mend it, then `framebus start {name}` reads its settings anew"
        elif verdict.record.is_broken:
            policy = self.policy
            again = f"{policy.deaths} early deaths in {policy.within_s:g} s; tried again every {PROBE_S:.0f} s"
        else:
            log.warning("%s: %s; started again in %.1f s", name, reason, verdict.wait_s)
            self._become(ServiceState.RESTARTING, reason)
            return
        if cause := self.tail.last_error():
            reason = f"{reason} ({cause})"
        log.error("%s is broken: %s: %s", name, reason, again)
        self._become(ServiceState.BROKEN, f"{reason}: {again}")
