"""Tells how far a clip is, no more often than useful; hears between any two packets that it must end; goes gently."""

import time
from collections.abc import Callable

from framebus.runner import Report
from framebus_services.export.bandwidth import Bandwidth

PERIOD_S = 0.02
LARGE_PERCENTS = 50.0
"""from so large a step on, what is left can be told from what is done"""
LEAST_S, LEAST_PERCENTS = 1.0, 1.0
CHUNK_BYTES = 64 * 1_024
"""so much is read at most before the bandwidth is asked"""


class Pace:
    """Progress of one step: `share` 0 to 1 of it becomes percent of the whole job."""

    def __init__(
        self,
        report: Report,
        step: str,
        first_percent: float,
        last_percent: float,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self._report = report
        self._step = step
        self._first_percent = first_percent
        self._percents = last_percent - first_percent
        self._bandwidth = bandwidth
        self._eta = Eta(first_percent) if last_percent - first_percent > LARGE_PERCENTS else None
        self._due_s = 0.0
        self._share = 0.0
        self._used_bytes = 0

    def __call__(self, share: float, size_bytes: int = 0) -> None:
        """Tell the share that is done, and the bytes that were read for it since the last time.

        Waits where the clips' bandwidth is used up. Raises Stopped when the job was cancelled, lost, or must be handed
        back.
        """
        self._used_bytes += size_bytes
        self._share = share
        now_s = time.monotonic()
        if now_s < self._due_s and self._used_bytes < CHUNK_BYTES and self._report.stop_reason is None:
            return
        self._tell()
        used_bytes, self._used_bytes = self._used_bytes, 0
        if self._bandwidth is not None:
            self._bandwidth.spend(used_bytes, self._tell)
        self._due_s = time.monotonic() + PERIOD_S

    def part(self, first_share: float, last_share: float, step: str | None = None) -> "Pace":
        """The pace of a part of this step, or of another step in its place."""
        first = self._first_percent + self._percents * first_share
        last = self._first_percent + self._percents * last_share
        pace = Pace(self._report, step or self._step, first, last, self._bandwidth)
        pace._eta = self._eta
        return pace

    def _tell(self) -> None:
        percent = self._first_percent + self._percents * min(max(self._share, 0.0), 1.0)
        self._report(self._step, percent, self._eta.seconds(percent) if self._eta else None)


class Eta:
    """Guesses how long a job takes from how long it took so far."""

    def __init__(self, first_percent: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._first_percent = first_percent
        self._now_s = now_s
        self._began_s = now_s()

    def seconds(self, percent: float) -> float | None:
        """What is left at `percent` of the job; None where too little is done to tell."""
        took_s, done = self._now_s() - self._began_s, percent - self._first_percent
        if took_s < LEAST_S or done < LEAST_PERCENTS:
            return None
        return round((100.0 - percent) * took_s / done, 1)
