"""A dispatcher that kills itself with SIGKILL just before or just after the commit of a job that a test has marked."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from framebus.service import run
from framebus_services.dispatcher.service import Dispatcher
from framebus_services.dispatcher.store import Store

BEFORE, AFTER = "before_commit", "after_commit"
MARK = "crash"
"""in the run folder: `point job`; a dispatcher that dies of it removes it first"""


class CrashingStore(Store):
    """The real store; only its process may end at the border of a transaction."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with super().transaction():
            yield
            self._die_at(BEFORE)
        self._die_at(AFTER)

    def _die_at(self, point: str) -> None:
        mark = Path(os.environ["FRAMEBUS_RUN"], MARK)
        try:
            wanted, job_id = mark.read_text().split()
        except FileNotFoundError:
            return
        if wanted == point and self.get(job_id) is not None:
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def mark(folder: Path, point: str, job_id: str) -> None:
    """The dispatcher of this run folder shall die when it commits this job."""
    fresh = folder / f"{MARK}.new"
    fresh.write_text(f"{point} {job_id}")
    fresh.rename(folder / MARK)


if __name__ == "__main__":
    import framebus_services.dispatcher.service as service

    service.Store = CrashingStore  # type: ignore[misc]
    raise SystemExit(run("dispatcher", Dispatcher))
