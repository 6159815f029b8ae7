"""What a way to hand pictures from one process to others looks like to the benchmarks."""

import multiprocessing
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from framebus.frame import U8

FORK = multiprocessing.get_context("fork")
WINDOW = 4
"""frames in flight to each consumer, whatever the transport"""
SLOTS = 2 * WINDOW

Got = tuple[int, int, U8]
"""number of the frame, nanoseconds of boot time when it was sent, its pixels"""


@dataclass(kw_only=True)
class Setup:
    """What the processes of one run share."""

    shape: tuple[int, ...]  # BGR (height, width, 3) or grey (height, width)
    consumers: int
    folder: Path
    queues: list[Any] = field(default_factory=list)
    port: int = 0
    helpers: list[int] = field(default_factory=list)
    """processes whose time belongs to the transport"""

    def __post_init__(self) -> None:
        self.size_bytes = int(np.prod(self.shape))
        self.queues = [FORK.Queue(maxsize=SLOTS) for _ in range(self.consumers)]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]


class Transport:
    """`prepare` and `clean_up` run in the parent, the rest in a process of the producer or of a consumer."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def prepare(self) -> None: ...
    def clean_up(self) -> None: ...
    def open_producer(self) -> None: ...
    def open_consumer(self, index: int) -> None: ...

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        raise NotImplementedError

    def receive(self, timeout_s: float) -> Got | None:
        """A frame, to be used until `done`; None when none came in time."""
        raise NotImplementedError

    def done(self) -> bool:
        """Gives the frame back; whether all that was read of it may be trusted."""
        return True


Make = Callable[[Setup], Transport]
