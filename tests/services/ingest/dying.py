"""`python dying.py FOLDER`: lives of an upload folder that SIGKILL ends at each statement and each word to the
dispatcher, one after the other; prints what was left of each as a line of JSON.

Each life is a process of its own, forked from this one, which has loaded everything.
"""

import json
import os
import signal
import sys
from pathlib import Path

import cv2
from uploading import Uploads, jpeg

from framebus.requests import BatchAccepted, SubmitBatch
from framebus.task import TaskEnd, TaskOutcome
from framebus_services.ingest.look import Look
from framebus_services.ingest.look_process import look

MAX_STEPS = 500


class SameProcess:
    """Looks into files here: a process more for each life would take minutes."""

    def __init__(self) -> None:
        self._outcomes: list[TaskOutcome] = []

    def submit(self, key: str, task: Look, limit_s: float) -> None:
        self._outcomes.append(TaskOutcome(key=key, task=task, end=TaskEnd.DONE, result=look(task)))

    def results(self) -> list[TaskOutcome]:
        outcomes, self._outcomes = self._outcomes, []
        return outcomes


class Life(Uploads):
    """One life; the jobs that the dispatcher has are lines of a file."""

    def __init__(self, data: Path, dies_at: int) -> None:
        self._left = dies_at
        self.ledger = data / "jobs"
        super().__init__(data, SameProcess())  # type: ignore[arg-type]

    def open(self, *cameras: str) -> None:
        super().open(*cameras)
        self.journal._database.set_trace_callback(lambda _: self.step())

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _ask(self, batch: SubmitBatch) -> BatchAccepted:
        self.step()
        answer = super()._ask(batch)
        known = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        with self.ledger.open("a") as file:
            file.writelines(f"{item.job.id}\n" for item in batch.items if item.job.id not in known)
        self.step()
        return answer


def live(data: Path, dies_at: int) -> None:
    uploads = Life(data, dies_at)
    uploads.intake.scan()
    uploads.settle()
    uploads.hand_over()
    uploads.settle(1_000.0)  # what is broken gets no more time


def run(data: Path, dies_at: int) -> bool:
    """One life in a process of its own; whether it was killed."""
    child = os.fork()
    if child == 0:
        live(data, dies_at)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL


def main(folder: Path) -> None:
    cv2.setNumThreads(0)  # threads do not survive a fork
    for dies_at in range(1, MAX_STEPS):
        data = folder / str(dies_at)
        for path, content in {"yard/a.jpg": jpeg(1), "yard/b.jpg": jpeg(1), "yard/c.jpg": jpeg(2)}.items():
            (data / "uploads" / path).parent.mkdir(parents=True, exist_ok=True)
            (data / "uploads" / path).write_bytes(content)
        (data / "uploads/yard/d.jpg").write_bytes(jpeg(3)[:-500])
        was_killed = run(data, dies_at)
        run(data, 0)
        uploads = Uploads(data, SameProcess())  # type: ignore[arg-type]
        jobs = (data / "jobs").read_text().splitlines()
        left = {"states": uploads.states(), "jobs": jobs, "quarantined": uploads.quarantined()}
        print(json.dumps({**left, "was_killed": was_killed}))
        uploads.close()
        if not was_killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
