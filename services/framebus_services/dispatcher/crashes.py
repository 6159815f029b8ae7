"""Whose fault the death of a worker is, by how it died and by what the kernel says of its memory."""

import signal
from collections.abc import Callable

from framebus.jobs import JobEvent
from framebus_services.oom import count_oom_kills

OWN_DOING = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGSYS,
        signal.SIGTRAP,
        signal.SIGXCPU,
        signal.SIGXFSZ,
        signal.SIGALRM,
        signal.SIGVTALRM,
        signal.SIGPROF,
    }
)
"""signals that come from what a process does; all others are sent by somebody"""


def verdict(death_signal: int | None, exit_code: int | None, *, is_alone: bool, was_out_of_memory: bool) -> JobEvent:
    """What the unasked death of a process means for each job that it had in hand: CRASH, KILLED or VOID.

    SIGKILL tells nothing: an operator, a test, or a kernel without memory. Where the kernel has counted, it is a crash.
    Else the first one costs nothing but makes the job a suspect, which is leased alone; and only from then on, while
    `is_alone`, it counts, towards a bound so generous that chance does not reach it and a job that eats memory does.
    """
    if death_signal is None:
        return JobEvent.CRASH if exit_code else JobEvent.VOID
    if death_signal in OWN_DOING or (death_signal == signal.SIGKILL and was_out_of_memory):
        return JobEvent.CRASH
    return JobEvent.KILLED if death_signal == signal.SIGKILL and is_alone else JobEvent.VOID


def said(death_signal: int | None, exit_code: int | None) -> str:
    """How a process died, in words.

    >>> said(11, None), said(None, 3), said(None, None)
    ('signal 11 (SIGSEGV)', 'exit code 3', 'no exit code')
    """
    if death_signal is None:
        return "no exit code" if exit_code is None else f"exit code {exit_code}"
    try:
        return f"signal {death_signal} ({signal.Signals(death_signal).name})"
    except ValueError:
        return f"signal {death_signal}"


FRESH_S = 0.01
"""so old may be what is known of the kernel's count when a job is leased"""


class OomWatch:
    """Notes when the kernel's count has grown."""

    def __init__(self, read: Callable[[], int | None] = count_oom_kills) -> None:
        self._read = read
        self._last = read()
        self._grown_s = self._looked_s = float("-inf")

    def glance(self, now_s: float) -> None:
        """As `look`, but one that was just taken will do: a look costs as much as half a lease."""
        if not 0.0 <= now_s - self._looked_s < FRESH_S:
            self.look(now_s)

    def look(self, now_s: float) -> float:
        """Boot time at which the count was last seen greater than before."""
        count = self._read()
        if count is not None and self._last is not None and count > self._last:
            self._grown_s = now_s
        self._last, self._looked_s = count, now_s
        return self._grown_s
