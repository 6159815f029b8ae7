"""Time for services: wall time for labels, boot time for intervals, and a fake clock for tests."""

import time
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Where a service reads the time; injected, so that tests own it."""

    def wall_s(self) -> float:
        """Seconds since 1970; may jump. Only for labels and file names."""
        ...

    def boot_s(self) -> float:
        """Seconds since the machine booted, sleep included; never goes back. For every interval and lease."""
        ...


class SystemClock:
    """The clocks of the machine."""

    # CLOCK_BOOTTIME counts suspend, so that a lease does not outlive a night's sleep; macOS has only monotonic.
    _BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def wall_s(self) -> float:
        return time.time()

    def boot_s(self) -> float:
        return time.clock_gettime(self._BOOT)


class FakeClock:
    """A clock that moves only when a test moves it."""

    def __init__(self, wall_s: float = 1_790_000_000.0, boot_s: float = 1_000.0) -> None:
        self._wall_s = wall_s
        self._boot_s = boot_s

    def wall_s(self) -> float:
        return self._wall_s

    def boot_s(self) -> float:
        return self._boot_s

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks."""
        self._wall_s += seconds
        self._boot_s += seconds

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP does; boot time goes on."""
        self._wall_s += seconds


def boot_id() -> str:
    """Which boot of which machine this is: 36 characters on Linux, `unknown` where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
