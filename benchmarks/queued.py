"""Pictures by way of multiprocessing.Queue: in it as arrays, or in shared memory with their names in it."""

import contextlib
import os
import queue
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path

import numpy as np

from benchmarks.transport import SLOTS, Got, Setup, Transport
from framebus.frame import U8


class QueuedArrays(Transport):
    """multiprocessing.Queue with the arrays in it."""

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        for to in self.setup.queues:
            to.put((number, boot_ns, frame))

    def open_consumer(self, index: int) -> None:
        self._queue = self.setup.queues[index]

    def receive(self, timeout_s: float) -> Got | None:
        try:
            number, boot_ns, frame = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        return number, boot_ns, frame.reshape(-1)


class FrigateShm(QueuedArrays):
    """Named segments, made once, opened and mapped anew for each frame; their names in a multiprocessing.Queue."""

    def __init__(self, setup: Setup, slots: int = SLOTS) -> None:
        super().__init__(setup)
        self._slots = slots

    def prepare(self) -> None:
        self._tag = f"bench-{os.getpid()}-{self.setup.port}-"
        self._made = [
            _segment(f"{self._tag}{slot}", create=True, size=self.setup.size_bytes) for slot in range(self._slots)
        ]

    def clean_up(self) -> None:
        for segment in self._made:
            segment.close()
            Path("/dev/shm", segment.name).unlink(missing_ok=True)

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        name = f"{self._tag}{number % self._slots}"
        segment = _segment(name)
        assert segment.buf is not None
        segment.buf[: self.setup.size_bytes] = frame.data.cast("B")
        for to in self.setup.queues:
            with contextlib.suppress(queue.Full):  # as Frigate: the picture is skipped, its memory is written over
                to.put_nowait((number, boot_ns, name))
        segment.close()

    def receive(self, timeout_s: float) -> Got | None:
        try:
            number, boot_ns, name = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self._open = _segment(name)
        return number, boot_ns, np.ndarray((self.setup.size_bytes,), np.uint8, self._open.buf)

    def done(self) -> bool:
        self._open.close()
        return True


def _segment(name: str, *, create: bool = False, size: int = 0) -> shared_memory.SharedMemory:
    """Without Python's tracker, which would remove a segment when the first process that opened it ends."""
    tracker = resource_tracker
    kept = tracker.register
    tracker.register = lambda *_: None
    try:
        return shared_memory.SharedMemory(name=name, create=create, size=size)
    finally:
        tracker.register = kept
