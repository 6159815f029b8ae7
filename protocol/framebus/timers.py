"""Calls to come: what a loop has to do at a time, in the order of those times. No waiting here."""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from framebus.clock import Clock

Handler = Callable[[], None]

TOGETHER_S = 1.0
"""a period of at least so long falls on whole seconds of the boot clock: what all processes do each second wakes those
who hear it once, not once for each"""
EXACT_S = 0.01
"""so little may be missing in a period"""


@dataclass(eq=False)
class Timer:
    """Something to call later; `cancel()` stops it."""

    handler: Handler
    period_s: float | None
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Timers:
    """The timers of one loop; `guard(what, handler)` is how it calls them."""

    def __init__(self, clock: Clock, guard: Callable[[str, Handler], None]) -> None:
        self._clock = clock
        self._guard = guard
        self._heap: list[tuple[float, int, Timer]] = []
        self._ticket = itertools.count()

    def every(self, period_s: float, handler: Handler) -> Timer:
        """Call `handler` each `period_s`, first after one period; raises ValueError when that is no time at all.

        A period of a second or more begins at the next whole second of the boot clock.
        """
        if period_s <= 0.0:
            raise ValueError(f"a period must be greater than 0 s, not {period_s}")
        return self._push(_together(self._clock.boot_s() + period_s, period_s), Timer(handler, period_s))

    def at_second(self, handler: Handler) -> Timer:
        """Call `handler` once, at the next whole second of the boot clock."""
        return self._push(math.floor(self._clock.boot_s() + EXACT_S) + 1.0, Timer(handler, None))

    def after(self, delay_s: float, handler: Handler) -> Timer:
        """Call `handler` once, `delay_s` from now."""
        return self._push(self._clock.boot_s() + delay_s, Timer(handler, None))

    def run_due(self) -> None:
        """Call the timers whose time has come."""
        now_s = self._clock.boot_s()
        while self._heap and self._heap[0][0] <= now_s:
            due_s, _, timer = heapq.heappop(self._heap)
            if timer.is_cancelled:
                continue
            if timer.period_s is not None:
                next_s = due_s + timer.period_s
                self._push(next_s if next_s >= now_s else _together(now_s, timer.period_s), timer)
            self._guard("timer", timer.handler)

    def wait_s(self, limit_s: float) -> float:
        """How long the loop may sleep before a timer is due, at most `limit_s`."""
        if not self._heap:
            return limit_s
        return min(limit_s, max(0.0, self._heap[0][0] - self._clock.boot_s()))

    def _push(self, due_s: float, timer: Timer) -> Timer:
        heapq.heappush(self._heap, (due_s, next(self._ticket), timer))
        return timer


def _together(due_s: float, period_s: float) -> float:
    """When a period that could begin at `due_s` begins."""
    return float(math.ceil(due_s - EXACT_S)) if period_s >= TOGETHER_S else due_s
