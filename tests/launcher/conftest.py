"""Fixtures of the launcher's tests."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.trial import Trial


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: the paths of sockets have at most 107 bytes."""
    made = Path(tempfile.mkdtemp(prefix="fb-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def trial(folder: Path) -> Iterator[Trial]:
    made = Trial(folder)
    yield made
    made.close()
