from collections.abc import Iterator
from pathlib import Path

import pytest
from uploading import Uploads, make_worker

from framebus.worker import WorkerProcess


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    with make_worker() as worker:
        yield worker


@pytest.fixture
def uploads(tmp_path: Path, worker: WorkerProcess) -> Iterator[Uploads]:
    uploads = Uploads(tmp_path, worker)
    yield uploads
    uploads.close()
