"""Which files are being looked into, in the process that does it, and how long each may take."""

from pathlib import Path

from framebus.settings import IngestSettings
from framebus.task import TaskEnd, TaskOutcome
from framebus.worker import Full, WorkerProcess
from framebus_services.ingest.look import Look
from framebus_services.ingest.names import Kind

LIMIT_S = 10.0
READ_BYTES_PER_S = 20_000_000
"""a slow share; a file that is read gets the more time the larger it is"""


class Looks:
    """The files in the hands of one WorkerProcess."""

    def __init__(self, root: Path, settings: IngestSettings, worker: WorkerProcess) -> None:
        self._root = root
        self._settings = settings
        self._worker = worker
        self._in_hand: set[str] = set()

    def __contains__(self, path: str) -> bool:
        return path in self._in_hand

    def __len__(self) -> int:
        return len(self._in_hand)

    def least_bytes(self, kind: Kind) -> int:
        """Smaller ones are not looked into."""
        return self._settings.min_image_bytes if kind is Kind.IMAGE else self._settings.min_video_bytes

    def begin(self, path: str, kind: Kind, size_bytes: int) -> bool:
        """False when as many wait as may."""
        look = Look(root=str(self._root), path=path, kind=kind, max_bytes=self._settings.max_bytes)
        limit_s = LIMIT_S + min(size_bytes, self._settings.max_bytes) / READ_BYTES_PER_S
        try:
            self._worker.submit(path, look, limit_s)
        except Full:
            return False
        self._in_hand.add(path)
        return True

    def take(self) -> list[TaskOutcome]:
        """What has ended; each key is a path."""
        outcomes = list(self._worker.results())
        self._in_hand.difference_update(str(outcome.key) for outcome in outcomes)
        return outcomes


def fault_of(outcome: TaskOutcome) -> str:
    """What a file did to the process that looked into it, as a sentence."""
    if outcome.end is TaskEnd.TIMED_OUT:
        return "looking into it took too long, each time"
    if outcome.end is TaskEnd.RAISED:
        return f"looking into it failed: {outcome.error_type}: {outcome.error}"
    return f"looking into it killed its process: {outcome.error}"
