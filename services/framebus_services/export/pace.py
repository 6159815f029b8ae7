"""Tells how far a clip is, no more often than useful, and hears between any two packets that it must end."""

import time

from framebus.runner import Report

PERIOD_S = 0.02


class Pace:
    """Progress of one step: `share` 0 to 1 of it becomes percent of the whole job."""

    def __init__(self, report: Report, step: str, first_percent: float, last_percent: float) -> None:
        self._report = report
        self._step = step
        self._first_percent = first_percent
        self._percents = last_percent - first_percent
        self._due_s = 0.0

    def __call__(self, share: float) -> None:
        """Raises Stopped when the job was cancelled, lost, or must be handed back."""
        now_s = time.monotonic()
        if now_s >= self._due_s or self._report.stop_reason is not None:
            self._due_s = now_s + PERIOD_S
            self._report(self._step, self._first_percent + self._percents * min(max(share, 0.0), 1.0))
