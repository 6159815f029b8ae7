"""Whether a ready child is alive: it beats each second from its main loop. No clocks, no signals here."""

from enum import IntEnum

SUSPECT_S = 3.0
"""three beats missed"""
ABORT_S = 4.0
"""SIGABRT: the child writes its stacks"""
KILL_S = 6.0


class Silence(IntEnum):
    """How long a child has said nothing."""

    NONE = 0
    SUSPECTED = 1
    ABORTED = 2
    KILLED = 3


_STEPS = {Silence.SUSPECTED: SUSPECT_S, Silence.ABORTED: ABORT_S, Silence.KILLED: KILL_S}


class Liveness:
    """Counts the silence of one child."""

    def __init__(self, now_s: float) -> None:
        self.heard_s = now_s
        """the last beat"""
        self.silence = Silence.NONE

    def beat(self, now_s: float) -> None:
        """It lives. After SIGABRT a beat comes too late: the child is on its way out."""
        if self.silence < Silence.ABORTED:
            self.heard_s = now_s
            self.silence = Silence.NONE

    def skip(self, gap_s: float) -> None:
        """The launcher itself did not run for so long, or the machine slept: that was nobody's silence."""
        self.heard_s += gap_s

    def step(self, now_s: float) -> Silence | None:
        """The step that is due now, one at a time; None when there is none."""
        due_s = self.next_s
        if due_s is None or now_s < due_s:
            return None
        self.silence = Silence(self.silence + 1)
        return self.silence

    @property
    def next_s(self) -> float | None:
        """When the next step is due."""
        if self.silence is Silence.KILLED:
            return None
        return self.heard_s + _STEPS[Silence(self.silence + 1)]
