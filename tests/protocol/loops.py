"""What tests with real sockets share: a place that must be clean at the end, and loops that turn until it holds."""

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
    while _footprint() != before and time.monotonic() < end_s:
        threading.Event().wait(0.01)  # the kernel takes a moment to bury a thread that has ended
    assert _footprint() == before


def _footprint() -> tuple[int, int, set[str]]:
    tasks = len(os.listdir("/proc/self/task"))
    # The descriptor that listed the folder is in the list; so are all others, by number.
    return threading.active_count(), tasks, {name for name in os.listdir("/proc/self/fd") if _is_open(name)}


def _is_open(name: str) -> bool:
    try:
        os.fstat(int(name))
    except OSError:
        return False
    return True
