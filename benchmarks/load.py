"""What processes cost, read the same way by every benchmark: seconds of the processor, and memory."""

import contextlib
import time

import psutil

PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED, in the lower bits of a clock's number: see clock_getcpuclockid(3)"""


class Load:
    """How much of a core a process takes, from the making of this on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._before_s = cpu_s(pid)
        self._started_s = time.monotonic()

    @property
    def cpu_s(self) -> float:
        """Processor seconds since."""
        return cpu_s(self._pid) - self._before_s

    @property
    def percent(self) -> float:
        return 100.0 * self.cpu_s / (time.monotonic() - self._started_s)


def cpu_s(*pids: int) -> float:
    """Processor seconds of these processes so far, with those of their children that have ended.

    A process that ends between two looks at a whole group must not take its time away with it.
    """
    total_s = 0.0
    for pid in pids:
        with contextlib.suppress(OSError, psutil.NoSuchProcess):  # it has just ended
            total_s += _own_s(pid) + _ended_children_s(pid)
    return total_s


def pss_mb(*pids: int) -> float:
    """Memory of these processes in 10^6 bytes, each with its share of what it shares."""
    total_bytes = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            total_bytes += psutil.Process(pid).memory_full_info().pss
    return total_bytes / 1e6


def _own_s(pid: int) -> float:
    """Of all its threads, to the nanosecond, where /proc counts in hundredths of a second."""
    return time.clock_gettime(~pid << 3 | PROCESS_CLOCK)


def _ended_children_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.children_user + times.children_system)
