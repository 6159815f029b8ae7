"""The reader's thread: that it is watched, tries again, and ends."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from framebus.clock import SystemClock
from framebus.testing import FakeClock
from framebus_services.capture.address import parse_address
from framebus_services.capture.reader import Phase, Reader

LIMIT_S = 5.0


class Hanging:
    """A connection that hangs until it is let go."""

    def __init__(self) -> None:
        self.is_begun = threading.Event()
        self.is_let_go = threading.Event()

    def __call__(self, *_: object) -> Any:
        self.is_begun.set()
        self.is_let_go.wait(LIMIT_S)
        raise ConnectionRefusedError(111, "Connection refused")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.is_let_go.set()


def reader(connect: Any, clock: Any, on_change: Any = lambda: None) -> Reader:
    return Reader(parse_address("rtsp://10.0.0.5/1"), connect, [], clock, on_change)


def test_a_reader_that_is_stuck_is_not_healthy(hanging: Hanging) -> None:
    clock = FakeClock()
    stuck = reader(hanging, clock)
    stuck.start()
    assert hanging.is_begun.wait(LIMIT_S)
    assert stuck.is_healthy()

    clock.advance(58.0)

    assert not stuck.is_healthy()
    hanging.is_let_go.set()
    stuck.stop(LIMIT_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_died_is_not_healthy() -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a fault of ours")

    dead = reader(fail, SystemClock())
    dead.start()
    dead._thread.join(LIMIT_S)

    assert not dead.is_healthy()


def test_a_failed_connection_is_told_with_its_cause_and_stopping_does_not_wait_for_the_next(hanging: Hanging) -> None:
    changed = threading.Event()
    refused = reader(hanging, SystemClock(), changed.set)
    hanging.is_let_go.set()

    refused.start()

    assert changed.wait(LIMIT_S)
    assert refused.link.phase is Phase.DOWN
    assert refused.link.trouble is not None
    assert refused.link.trouble.cause == "refused"
    refused.stop(LIMIT_S)
    assert not refused._thread.is_alive()
