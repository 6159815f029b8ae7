"""How often somebody may ask: so many at once, and so many a second after that."""

from collections import OrderedDict
from collections.abc import Callable

MAX_KNOWN = 1_000


class Buckets:
    """A bucket of tokens for each who asks; those not heard of for longest are forgotten first."""

    def __init__(self, per_s: float, burst: float, now_s: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._now_s = now_s
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Take one; returns 0, or after how many seconds there is one again."""
        now_s = self._now_s()
        level, at_s = self._levels.pop(who, (self._burst, now_s))
        level = min(self._burst, level + (now_s - at_s) * self._per_s)
        wait_s = 0.0 if level >= 1.0 else (1.0 - level) / self._per_s
        self._levels[who] = (level - 1.0 if wait_s == 0.0 else level, now_s)
        if len(self._levels) > MAX_KNOWN:
            self._levels.popitem(last=False)
        return wait_s
