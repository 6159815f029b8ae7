"""What all clips at work may read together, so that the disk has time for the recordings first."""

import threading
import time
from collections.abc import Callable

from framebus.clock import Clock

BURST_S = 2.5
"""of the bandwidth may be used at once after a rest: an ordinary clip is made as fast as the disk allows, and what
recordings write meanwhile waits in the system's memory"""
SLICE_S = 0.02
"""a wait is interrupted so often, to hear that the job must end"""


class Bandwidth:
    """A bucket of bytes that fills at `bytes_per_s`; safe to use from any thread."""

    def __init__(self, bytes_per_s: float, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at_s = clock.boot_s() - BURST_S
        """when all that was taken so far has been filled in"""

    def spend(self, size_bytes: int, meanwhile: Callable[[], object]) -> None:
        """Take bytes that were used, and wait until they are filled in; calls `meanwhile` 50 times a second."""
        with self._lock:
            now_s = self._clock.boot_s()
            self._free_at_s = max(self._free_at_s, now_s - BURST_S) + size_bytes / self._bytes_per_s
            free_at_s = self._free_at_s
        while (rest_s := free_at_s - self._clock.boot_s()) > 0.0:
            self._sleep(min(rest_s, SLICE_S))
            meanwhile()
