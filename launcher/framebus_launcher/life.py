"""One process of a row, from its start to its death: what it has to do by when, and what was asked of it."""

from framebus_launcher.liveness import Liveness, Silence
from framebus_launcher.process import Child, Exit

STOP_S = 5.0
"""what a child has to end after SIGTERM"""
ORDERED_S = 10.0
"""a signal that was ordered kills within so long: also SIGSTOP, by the silence that follows"""
FOREVER_S = float("inf")


class Life:
    """Times of one child. No clocks, no signals here."""

    def __init__(self, child: Child, now_s: float, limit_s: float) -> None:
        """`limit_s` is what it has to be ready, or to be taken for that."""
        self.child = child
        self.spawned_s = now_s
        self._given_s = limit_s
        self.due_s = now_s + limit_s
        """until when it must be ready"""
        self.is_late = False
        self.ready_s: float | None = None
        self.liveness: Liveness | None = None
        self.kill_s = FOREVER_S
        self.asked_s: float | None = None
        """since when its end is our wish"""
        self.again = False
        """another follows an end that is our wish"""
        self._ordered_until_s = 0.0
        """a death until then is a test"""

    def ask_end(self, now_s: float, limit_s: float) -> None:
        """Its end is wished for, and is not waited for longer than that."""
        if self.asked_s is None:
            self.asked_s = now_s
        self.kill_s = now_s + limit_s

    def order(self, now_s: float) -> None:
        """What it may die of soon is a test."""
        self._ordered_until_s = now_s + ORDERED_S

    def beat(self, now_s: float) -> bool:
        """It says that it lives; whether that was in time."""
        if self.liveness is None:
            return False
        self.liveness.beat(now_s)
        return self.liveness.silence is Silence.NONE

    def note_stop(self, now_s: float) -> None:
        """It says that it stops: from now on it has no loop that beats."""
        self.liveness = None
        self.kill_s = min(self.kill_s, now_s + STOP_S)

    def skip(self, gap_s: float) -> None:
        """The launcher did not run for so long: nobody is to blame for that."""
        self.due_s += gap_s
        if self.liveness is not None:
            self.liveness.skip(gap_s)

    def is_ordered(self, now_s: float) -> bool:
        """Whether a death now is a test."""
        return now_s < self._ordered_until_s

    def silent_s(self, now_s: float) -> float | None:
        """For how long nothing was heard of it, where that is why we ended it."""
        if self.is_late:
            return now_s - self.spawned_s
        if self.liveness is None or self.liveness.silence < Silence.ABORTED:
            return None
        return now_s - self.liveness.heard_s

    def missed_since_s(self, now_s: float) -> float:
        """When it dies now: who hung was missed before."""
        return now_s if self.is_late else now_s - (self.silent_s(now_s) or 0.0)

    def reason(self, how: Exit, now_s: float) -> str:
        """Why it died, for people."""
        silent_s = self.silent_s(now_s)
        if self.is_late:
            return f"not ready within {self._given_s:g} s, {how}"
        return str(how) if silent_s is None else f"hung, no beat for {silent_s:.1f} s, {how}"

    @property
    def is_asked(self) -> bool:
        """Whether its end is our wish."""
        return self.asked_s is not None

    @property
    def next_s(self) -> float:
        """When something is due next."""
        if self.is_asked:
            return self.kill_s
        if self.ready_s is None:
            return min(self.kill_s, self.due_s)
        next_s = self.liveness.next_s if self.liveness is not None else None
        return self.kill_s if next_s is None else min(self.kill_s, next_s)
