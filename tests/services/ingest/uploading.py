"""An upload folder for a test, with everything of ingest but its process: time is moved by hand."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from framebus.errors import RefusedError
from framebus.messages import JobError, JobState, UploadEvent
from framebus.requests import BatchAccepted, BatchAnswer, JobAccepted, SubmitBatch, SubmitJob
from framebus.settings import IngestSettings
from framebus.testing import FakeClock
from framebus.worker import WorkerProcess
from framebus_services.ingest.claims import Claims
from framebus_services.ingest.handover import Handover
from framebus_services.ingest.intake import Intake
from framebus_services.ingest.journal import Journal
from framebus_services.ingest.look import Looked
from framebus_services.ingest.looks import Looks
from framebus_services.ingest.quarantine import Quarantine
from framebus_services.ingest.registry import Registry
from framebus_services.ingest.rejection import Rejection
from framebus_services.ingest.retention import Retention

LOOK_S = 30.0
"""what a look may take on a busy machine"""


def make_worker() -> WorkerProcess:
    """The real process that looks into files."""
    return WorkerProcess(
        "framebus_services.ingest.look_process:look",
        max_waiting=32,
        memory_limit_bytes=2 * 1024**3,
        result_type=Looked,
    )


def jpeg(seed: int, width: int = 160, height: int = 120) -> bytes:
    """A picture of its own for each seed, of some kilobytes."""
    picture = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


class Uploads:
    """The folder, and what sees to it."""

    def __init__(self, data: Path, worker: WorkerProcess, **settings: Any) -> None:
        self.data = data
        self.root = data / "uploads"
        self.root.mkdir(parents=True, exist_ok=True)
        self.clock = FakeClock()
        self.told: list[UploadEvent] = []
        self.worker = worker
        self.jobs: dict[str, SubmitJob] = {}
        """the ledger: accepted jobs by id"""
        self.open_jobs: set[str] = set()
        """of them those that have not ended, as far as the retention knows"""
        self.asked = 0
        self.refusal: RefusedError | None = None
        self.refuse: Callable[[SubmitJob], JobError | None] = lambda job: None
        self._settings = IngestSettings(**settings)
        self._cameras: list[str] = []
        self.open()

    def open(self, *cameras: str) -> None:
        """A new life of the process, on what is on disk."""
        self._cameras = list(cameras)
        self.journal = Journal(self.data / "uploads.db")
        self.registry = Registry(
            self.root,
            self._cameras,
            max_cameras=self._settings.max_cameras,
            auto_create=self._settings.auto_create,
        )
        self.quarantine = Quarantine(self.root, self.data / "quarantine")
        self.rejection = Rejection(self.quarantine, self.journal, self.registry, self.clock, self.told.append)
        self.intake = Intake(
            self.root,
            registry=self.registry,
            journal=self.journal,
            claims=Claims(self.journal, self.clock),
            rejection=self.rejection,
            looks=Looks(self.root, self._settings, self.worker),
            clock=self.clock,
            tell=self.told.append,
        )
        self.handover = Handover(self.root, self.journal, self.clock, self._ask, self.told.append)

    def retention(self, **settings: Any) -> Retention:
        return Retention(
            self.root,
            IngestSettings(**settings),
            journal=self.journal,
            claims=Claims(self.journal, self.clock),
            quarantine=self.quarantine,
            clock=self.clock,
            open_jobs=lambda: self.open_jobs,
        )

    def close(self) -> None:
        self.journal.close()

    def put(self, path: str, content: bytes, *, closed: bool = True, written: bool = False) -> Path:
        """Write a file, and tell as the system would."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.intake.note(path, is_closed=closed, is_written=written)
        return file

    def settle(self, seconds: float = 3.0) -> None:
        """Let time pass, and everything be looked into that is ready then."""
        self.clock.advance(seconds)
        end_s = time.monotonic() + LOOK_S
        while True:
            self.intake.look(may_claim=True)
            if not self.intake.is_busy and self.intake.next_due_s > self.clock.boot_s():
                break
            assert time.monotonic() < end_s, "the look took too long"
            time.sleep(0.001)

    def hand_over(self, turns: int = 10) -> None:
        for _ in range(turns):
            self.clock.advance(0.1)
            self.handover.step()

    def states(self) -> dict[str, str]:
        """What the journal says of each path."""
        return {upload.path: upload.state for _, upload in reversed(self.journal.newest(500, None, None))}

    def outcomes(self) -> list[tuple[str, str]]:
        return [(event.path, event.outcome.value) for event in self.told]

    def quarantined(self) -> list[str]:
        folder = self.data / "quarantine"
        return sorted(
            str(path.relative_to(folder)) for path in folder.glob("*/*") if not os.path.basename(path).endswith(".txt")
        )

    def _ask(self, batch: SubmitBatch) -> BatchAccepted:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        items = []
        for number, item in enumerate(batch.items):
            error = self.refuse(item.job)
            if error is not None:
                items.append(BatchAnswer(item_index=number, error=error))
                continue
            assert item.job.id is not None
            created = item.job.id not in self.jobs
            self.jobs.setdefault(item.job.id, item.job)
            accepted = JobAccepted(id=item.job.id, state=JobState.QUEUED, position=1, created=created)
            items.append(BatchAnswer(item_index=number, job=accepted))
        return BatchAccepted(items=items)
