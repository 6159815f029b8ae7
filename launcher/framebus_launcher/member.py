"""One row of the table and its life: started, ready, silent, dead, started again. Time comes in as a number."""

import logging
import signal
from collections.abc import Callable

from framebus.errors import ExitCode
from framebus.messages import ServiceState, ServiceStatus
from framebus.requests import WorkerLost
from framebus.settings import Restart
from framebus_launcher.life import FOREVER_S, STOP_S, Life
from framebus_launcher.liveness import ABORT_S, KILL_S, SUSPECT_S, Liveness, Silence
from framebus_launcher.notices import Notice
from framebus_launcher.process import Child, Exit, Usage
from framebus_launcher.restart import Death, Record, judge, prospect
from framebus_launcher.standing import Standing
from framebus_launcher.table import DISPATCHER, Row
from framebus_launcher.tail import Tail

log = logging.getLogger(__name__)

SILENT_READY_S = 1.0
"""a child that does not speak sd_notify is ready when it has run for so long"""
TOLD_S = 0.2
"""a successor waits no longer for the dispatcher to hear of the death"""


class Member:
    """One row with the process that it has, wants, or had."""

    def __init__(self, row: Row, policy: Restart, spawn: Callable[[Row], Child], wall_s: Callable[[], float]) -> None:
        self.row = row
        self.tail = Tail()
        self._life: Life | None = None
        self.was_ready = False
        """ever, since the launcher started"""
        self._has_begun = False
        self._has_failed = False
        self.standing = Standing(wall_s)
        self.usage = Usage()
        self.was_killed = True
        """the life before ended from outside: with a launcher before us, by a signal that was ordered, or by a SIGKILL
        that we did not send"""
        self.policy = policy
        self._spawn = spawn
        self._is_restart = False
        """the next start makes good for a death that nobody asked for"""
        self._record = Record()
        self._start_s: float | None = None
        """when to start; None: not by itself"""
        self._hold_s = 0.0
        self._died_s: float | None = None

    # What is asked ----------------------------------------------------------------------------------------------------

    def start(self, now_s: float) -> None:
        """Run; a broken member is tried at once, and its past forgotten. Asked of a member that stops: run again."""
        if self._life is not None:
            self._life.again = self._life.is_asked
            return
        self._record, self._is_restart = Record(), False
        self._start_s = now_s
        if self.standing.state is not ServiceState.STARTING:
            self.standing.become(ServiceState.STARTING)

    def stop(self, now_s: float, *, again: bool = False) -> None:
        """End the child within 5 s and, unless `again`, stay stopped."""
        self._start_s = None
        if self._life is None:
            if again:
                self.start(now_s)
            elif self.standing.state is not ServiceState.STOPPED:
                self.standing.become(ServiceState.STOPPED)
            return
        self._life.again = again
        if not self._life.is_asked:
            self._life.ask_end(now_s, STOP_S)
            self._life.child.send_group(signal.SIGTERM)

    def replace(self, row: Row, now_s: float) -> bool:
        """Be this row from now on. Whether its process is replaced, too: who is off, or waits for its turn, is not."""
        self.row = row
        if self.is_off or (self._life is None and not self._has_begun):
            return False
        self.stop(now_s, again=True)
        return True

    def kill(self, now_s: float) -> None:
        """End the child now, in whatever state it is."""
        if self._life is not None:
            self._life.ask_end(now_s, FOREVER_S)
            self._life.child.send_group(signal.SIGKILL)

    def send(self, number: int, now_s: float) -> None:
        """Send a signal to the child and what it started. A death of that is ordered: it starts again at once.

        Also that of a child that was stopped by the signal and is found hanging; but who survives it dies for himself.
        """
        if self._life is not None:
            self._life.order(now_s)
            self._life.child.send_group(number)

    # What happens -----------------------------------------------------------------------------------------------------

    def note(self, notice: Notice, now_s: float) -> None:
        """The child said something of itself."""
        life = self._life
        if life is None:
            return
        is_in_time = (notice.is_beat or notice.is_ready) and life.beat(now_s)
        if is_in_time and self.standing.state is ServiceState.SUSPECTED:
            self.standing.become(ServiceState.READY)
        if notice.is_ready and life.ready_s is None:
            self._become_ready(life, now_s)
        if notice.status is not None:
            self.standing.say(notice.status)
        if notice.is_stopping:
            life.note_stop(now_s)

    def die(self, how: Exit, now_s: float) -> WorkerLost:
        """The child is dead. What there is to tell the dispatcher."""
        life = self._life
        assert life is not None
        hung_s, is_ordered = life.silent_s(now_s), life.is_ordered(now_s)
        lost = WorkerLost(
            worker=self.row.name,
            incarnation=self.standing.incarnation,
            exit_code=how.code,
            signal=how.signal,
            by_us=life.is_asked or is_ordered,
            hung=hung_s is not None,
            log_tail=list(self.tail.lines),
        )
        is_ours = hung_s is not None or life.is_asked
        self.was_killed = is_ordered or (how.signal == signal.SIGKILL and not is_ours)
        reason = life.reason(how, now_s)
        self._life, self.usage = None, Usage()
        self.standing.last_exit, self.standing.hung_s = how, hung_s
        self._died_s = life.missed_since_s(now_s)
        self._hold_s = now_s + TOLD_S if self.row.name != DISPATCHER else 0.0
        if life.is_asked:
            self._after_stop(life, how, now_s)
        elif is_ordered:
            log.warning("%s: %s, as ordered; started again", self.row.name, reason)
            self.standing.become(ServiceState.RESTARTING, reason)
            self._start_s = now_s
        else:
            self._after_death(how, reason, now_s, life.ready_s)
        return lost

    def fail(self, error: OSError, now_s: float) -> None:
        """The child could not be started after all."""
        life, self._life = self._life, None
        how = Exit(code=ExitCode.INTERNAL)
        if life is not None and life.is_asked:
            self._after_stop(life, how, now_s)
        else:
            self._after_death(how, f"cannot be started: {error}", now_s)

    def told(self, incarnation: int) -> None:
        """The dispatcher has heard of that death: the successor need not wait for it."""
        if incarnation == self.standing.incarnation:
            self._hold_s = 0.0

    def skip(self, gap_s: float) -> None:
        """The launcher did not run for so long: nobody is to blame for that."""
        if self._life is not None:
            self._life.skip(gap_s)

    def step(self, now_s: float) -> None:
        """Do what is due: start, give up waiting, call a silent child to order."""
        life = self._life
        if life is None:
            if self._start_s is not None and now_s >= max(self._start_s, self._hold_s):
                self._start(now_s)
        elif now_s >= life.kill_s:
            life.kill_s = FOREVER_S
            log.warning("%s does not stop; killed", self.row.name)
            life.child.send_group(signal.SIGKILL)
        elif life.is_asked:
            return
        elif life.ready_s is None:
            self._step_start(life, now_s)
        elif life.liveness is not None:
            self._step_silence(life.child, life.liveness, now_s)

    @property
    def child(self) -> Child | None:
        """Its process, also one that the zygote has yet to fork."""
        return self._life.child if self._life is not None else None

    @property
    def next_s(self) -> float:
        """When something is due next."""
        if self._life is not None:
            return self._life.next_s
        return FOREVER_S if self._start_s is None else max(self._start_s, self._hold_s)

    @property
    def is_settled(self) -> bool:
        """Whether the next tier need not wait for it: it was ready, or is off, or has failed once.

        A failed one is seen to by itself; only without the dispatcher nobody has anything to do.
        """
        if self.was_ready or self.standing.state is ServiceState.STOPPED:
            return True
        return self._has_failed and self.row.name != DISPATCHER

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing that was asked of it is still under way."""
        return self.standing.state is not ServiceState.STARTING and not (self._life is not None and self._life.is_asked)

    @property
    def is_stopped(self) -> bool:
        return self.standing.state is ServiceState.STOPPED

    @property
    def is_off(self) -> bool:
        """Whether it was asked to stop and not to start again, also while it is on its way there."""
        life = self._life
        return self.standing.state is ServiceState.STOPPED or (life is not None and life.is_asked and not life.again)

    @property
    def is_broken(self) -> bool:
        return self.standing.state is ServiceState.BROKEN

    @property
    def is_up(self) -> bool:
        return self.standing.state is ServiceState.READY

    @property
    def status(self) -> ServiceStatus:
        """How it is, for everybody to know."""
        return self.standing.status(self.row.name, self.child, self.usage, self.tail)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _start(self, now_s: float) -> None:
        self._start_s = None
        self.standing.said, self.usage = "", Usage()
        self._has_begun = True
        self.standing.restarts += self._is_restart
        self._is_restart = False
        try:
            child = self._spawn(self.row)
        except OSError as error:
            self.fail(error, now_s)
            return
        self._life = Life(child, now_s, self.row.ready_s if self.row.notify else SILENT_READY_S)
        self.standing.incarnation = child.incarnation
        if not self.is_broken:  # a probe stays broken until it has proven itself
            self.standing.become(ServiceState.STARTING)

    def _become_ready(self, life: Life, now_s: float) -> None:
        life.ready_s = now_s
        self.was_ready = True
        if self.row.notify:
            life.liveness = Liveness(now_s)
        if self._died_s is not None:
            self.standing.back_after_s = now_s - self._died_s
        self.standing.become(ServiceState.READY)
        log.info("%s is ready after %.2f s", self.row.name, now_s - life.spawned_s)

    def _step_start(self, life: Life, now_s: float) -> None:
        if now_s < life.due_s:
            return
        if not self.row.notify:
            self._become_ready(life, now_s)
            return
        log.error("%s was not ready within %g s; killed", self.row.name, self.row.ready_s)
        life.child.send(signal.SIGABRT)
        life.due_s, life.is_late = FOREVER_S, True
        life.kill_s = now_s + KILL_S - ABORT_S

    def _step_silence(self, child: Child, liveness: Liveness, now_s: float) -> None:
        step = liveness.step(now_s)
        if step is Silence.SUSPECTED:
            log.warning("%s has not beaten for %.0f s", self.row.name, SUSPECT_S)
            self.standing.become(ServiceState.SUSPECTED, f"no beat for {SUSPECT_S:.0f} s")
        elif step is Silence.ABORTED:
            log.error("%s hangs; asked for its stacks (SIGABRT)", self.row.name)
            child.send(signal.SIGABRT)
        elif step is Silence.KILLED:
            child.send_group(signal.SIGKILL)

    def _after_stop(self, life: Life, how: Exit, now_s: float) -> None:
        name, took_s = self.row.name, now_s - (life.asked_s or 0.0)
        if how.signal == signal.SIGKILL:
            log.warning("%s was killed after %.2f s", name, took_s)
        else:
            # A program without a handler dies of our SIGTERM, and that is in good order.
            log.info("%s stopped after %.2f s%s", name, took_s, f" with {how}" if how.code else "")
        if life.again:
            self.start(now_s)
        else:
            self._died_s = None  # who comes back by wish has not come back from a death
            self.standing.become(ServiceState.STOPPED)

    def _after_death(self, how: Exit, reason: str, now_s: float, ready_s: float | None = None) -> None:
        self._has_failed = self._is_restart = True
        ready_for_s = now_s - ready_s if ready_s is not None else None
        death = Death(at_s=now_s, ready_for_s=ready_for_s, exit_code=how.code, signal=how.signal)
        verdict = judge(self._record, death, self.policy)
        self._record = verdict.record
        self._start_s = None if verdict.wait_s is None else now_s + verdict.wait_s
        name = self.row.name
        if not verdict.record.is_broken:
            log.warning("%s: %s; started again in %.1f s", name, reason, verdict.wait_s)
            self.standing.become(ServiceState.RESTARTING, reason)
            return
        again = prospect(name, verdict, self.policy)
        if cause := self.tail.last_error():
            reason = f"{reason} ({cause})"
        log.error("%s is broken: %s: %s", name, reason, again)
        self.standing.become(ServiceState.BROKEN, f"{reason}: {again}")
