"""Fixtures of the launcher's tests."""

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from framebus.messages import Message
from framebus.requests import Request
from framebus.transport import SocketBus
from launcher.trial import Ask, Trial

A = TypeVar("A", bound=Message)


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


@pytest.fixture
def asked(trial: Trial) -> Iterator[Ask]:
    """Asks the launcher from another thread, while its loop turns."""
    caller = SocketBus("caller", place=trial.place)

    def ask(request: Request[A]) -> A:
        with ThreadPoolExecutor(1) as pool:
            answer: Future[A] = pool.submit(caller.ask, "launcher", request)
            trial.until(answer.done)
        return answer.result()

    yield ask
    caller.close()
