"""Waiting with manners: a throttle that never loses the last value, and a back-off with a ceiling. No clocks here."""

import random
from collections.abc import Callable


class Throttle:
    """At most one release per `period_s`, the first at once, the last never lost.

    The owner says `note(now_s)` when there is something new, and releases when `due_at_s` has come:

    >>> throttle = Throttle(period_s=1.0)
    >>> throttle.note(10.0); throttle.due_at_s
    10.0
    >>> throttle.release(10.0); throttle.note(10.2); throttle.due_at_s
    11.0
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.due_at_s: float | None = None
        self._last_s = float("-inf")

    def note(self, now_s: float) -> None:
        """There is something new to tell."""
        if self.due_at_s is None:
            self.due_at_s = max(now_s, self._last_s + self.period_s)

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to tell."""
        return self.due_at_s is not None and now_s >= self.due_at_s

    def release(self, now_s: float) -> None:
        """The newest value was told."""
        self.due_at_s = None
        self._last_s = now_s


def backoff_s(
    failures: int,
    *,
    base_s: float,
    factor: float = 2.0,
    limit_s: float,
    jitter: float = 0.2,
    rng: Callable[[], float] = random.random,
) -> float:
    """How long to wait after `failures` failures in a row (from 1), in seconds, +- `jitter`.

    >>> [backoff_s(n, base_s=1.0, limit_s=30.0, jitter=0.0) for n in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 30.0]
    """
    exponent = min(max(failures - 1, 0), 60)
    wait_s = min(limit_s, base_s * factor**exponent)
    return wait_s * (1.0 + jitter * (2.0 * rng() - 1.0))
