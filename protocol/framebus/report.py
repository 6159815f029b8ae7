"""How a job's work talks while it goes on: progress, temporary files, and the news that it must end."""

import math
import os
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path, PurePosixPath

from framebus.errors import FramebusError, sound
from framebus.requests import LeasedJob

MAX_STEP_CHARACTERS = 100
MAX_ETA_S = 1e9


class StopReason(StrEnum):
    """Why work must end before it is done."""

    CANCELLED = "cancelled"
    LOST = "lost"
    RELEASED = "released"


class Stopped(FramebusError):
    """Raised by `report()`: leave everything and return; what was begun is removed."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Report:
    """How the work talks while it goes on; safe to call from any thread."""

    def __init__(self, job: LeasedJob, exports: Path, clock_s: Callable[[], float]) -> None:
        self.job = job
        self.exports = exports
        self.stop_reason: StopReason | None = None
        self.stopped_s = 0.0
        """when the reason came"""
        self.on_stop: Callable[[StopReason], object] | None = None
        self.temps: dict[str, Path] = {}
        self.told: tuple[str, float, float | None] = ("", 0.0, None)
        self.reported_s = clock_s()
        self.is_working = True
        """until its end is handed in: a dispatcher that is away is no stall"""
        self.news = threading.Event()
        self.hurry = threading.Event()
        """the next beat does not wait its turn"""
        self._clock_s = clock_s

    def __call__(self, step: str, percent: float, eta_s: float | None = None) -> None:
        """Tell how far the job is: a step in one word, the percent of the whole job, the seconds that are left.

        Never blocks. Raises Stopped when the job was cancelled, lost, or must be handed back. A step that is too long
        is cut, an estimate that has run out is 0, and one that is no number is none: progress fails no job.
        """
        self.note(step, percent, eta_s)
        if self.stop_reason is not None:
            raise Stopped(self.stop_reason)

    def note(self, step: str, percent: float, eta_s: float | None) -> None:
        """Take progress, and raise nothing."""
        self.reported_s = self._clock_s()
        eta_s = min(max(0.0, eta_s), MAX_ETA_S) if eta_s is not None and math.isfinite(eta_s) else None
        percent = percent if math.isfinite(percent) else 0.0
        told = (sound(step)[:MAX_STEP_CHARACTERS], min(100.0, max(percent, self.told[1])), eta_s)
        if told != self.told:
            self.told = told
            self.news.set()

    def temp(self, final: str) -> Path:
        """Where to write the file that will be `final` (relative to the exports folder): a new, empty file."""
        if final in self.temps:
            return self.temps[final]
        name = f".{self.job.id}.{self.job.fence}.{len(self.temps)}.part"
        path = self.exports / PurePosixPath(final).parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers(path.parent)
        self._announce(final, path)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self.temps[final] = path
        return path

    def stop(self, reason: StopReason) -> None:
        """Let the next `report()` raise; the first reason stays."""
        if self.stop_reason is None:
            self.stopped_s = self._clock_s()
            self.stop_reason = reason
            if self.on_stop is not None:
                self.on_stop(reason)
        self.news.set()

    def remove_temps(self) -> None:
        for path in self.temps.values():
            path.unlink(missing_ok=True)

    def _announce(self, final: str, path: Path) -> None:
        """Somebody who cleans up after a crash may want to know of a file before it is there."""

    def _remove_leftovers(self, folder: Path) -> None:
        """A worker that was killed while it had this job could not clean up."""
        for path in folder.glob(f".{self.job.id}.*.part"):
            fence = path.name.split(".")[2]
            if fence.isdecimal() and int(fence) < self.job.fence:
                path.unlink(missing_ok=True)
