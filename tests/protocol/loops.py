"""What tests with real sockets share: a place that must be clean at the end, and loops that turn until it holds."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from framebus.place import Place
from framebus.transport import SocketBus

LIMIT_S = 30.0


def turn_until(holds: Callable[[], bool], *buses: SocketBus, limit_s: float = LIMIT_S) -> None:
    """Turn the loops of `buses` until `holds()`; fails after `limit_s`."""
    end_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end_s, f"what was waited for did not come within {limit_s} s"
        for bus in buses:
            bus.turn(0.005)


def turn_for(seconds: float, *buses: SocketBus) -> None:
    """Turn the loops of `buses` for so long: where a test is about what does not happen."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        for bus in buses:
            bus.turn(0.005)


@pytest.fixture
def place() -> Iterator[Place]:
    """A group's own short folder. At the end no thread, no file descriptor and no socket file may be left."""
    zmq.Context().term()  # what libzmq opens once per process is no leak
    before = _footprint()
    folder = Path(tempfile.mkdtemp(prefix="fb"))
    yield Place.at(folder, data=folder / "data", shm=folder / "shm")

    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    shutil.rmtree(folder)
    assert left == []
    end_s = time.monotonic() + LIMIT_S
    while _footprint() - before and time.monotonic() < end_s:
        threading.Event().wait(0.01)  # the kernel takes a moment to bury a thread that has ended
    assert _footprint() - before == set()  # what an earlier test left may have gone meanwhile


def _footprint() -> set[str]:
    """The threads and open descriptors of this process, each by number and what it is."""
    threads = {f"thread {task}: {_read(f'/proc/self/task/{task}/comm')}" for task in os.listdir("/proc/self/task")}
    # The descriptor that lists the folder is gone when it is looked at.
    files = {f"descriptor {file}: {_target(file)}" for file in os.listdir("/proc/self/fd") if _target(file)}
    return threads | files


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip()
    return "gone"


def _target(file: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/self/fd/{file}")
    return ""
