"""Room on the disk of the ledger: a floor below which nothing new begins, and a reserve to end what has begun."""

import contextlib
import logging
import os
import time
from pathlib import Path

from framebus.errors import ErrorCode, RefusedError

log = logging.getLogger(__name__)

RESERVE_BYTES = 16 * 1024 * 1024
FLOOR_BYTES = 4 * 1024 * 1024
RETRY_AFTER_S = 5.0
PLENTY = 16
"""floors: a disk with so much left"""
FRESH_S = 0.01
"""is not looked at again so soon; a look takes as long as a statement of the ledger"""


class Room:
    """The free space of a data folder. Used by the ledger's thread."""

    def __init__(self, data: Path, reserve_bytes: int = RESERVE_BYTES, floor_bytes: int = FLOOR_BYTES) -> None:
        self._data = data
        self._reserve = data / "ledger.reserve"
        self._reserve_bytes = reserve_bytes
        self._floor_bytes = floor_bytes
        self._free_bytes = 0
        self._look_s = float("-inf")
        self.has_reserve = self._is_whole()
        if not self.has_reserve:
            self._reserve.unlink(missing_ok=True)
        elif self.free_bytes() < floor_bytes // 4:
            self.give_back()  # a database needs room to be opened

    def free_bytes(self) -> int:
        now_s = time.monotonic()
        if now_s >= self._look_s:
            found = os.statvfs(self._data)
            self._free_bytes = found.f_bavail * found.f_frsize
            self._look_s = now_s + FRESH_S if self._free_bytes > PLENTY * self._floor_bytes else now_s
        return self._free_bytes

    def is_low(self) -> bool:
        """Whether new jobs and new leases have to wait until somebody tidies up."""
        return self.free_bytes() < self._floor_bytes

    def check(self) -> None:
        """Raises RefusedError `no_space` when there is no room for a new job."""
        free_bytes = self.free_bytes()
        if free_bytes < self._floor_bytes:
            text = (
                f"the disk of {self._data} has {_mb(free_bytes)} left; new jobs need {_mb(self._floor_bytes)}:"
                " remove something, and try again"
            )
            raise RefusedError(ErrorCode.NO_SPACE, text, retry_after_s=RETRY_AFTER_S)

    def give_back(self) -> bool:
        """Let go of the reserve, so that jobs at work can end. False: it is gone already."""
        if not self.has_reserve:
            return False
        self.has_reserve = False
        with contextlib.suppress(FileNotFoundError):
            self._reserve.unlink()
        log.warning("the disk of %s is full: %s of reserve given back to end what has begun", self._data, self._size)
        return True

    def keep(self) -> None:
        """Make the reserve, if there is room for it and for some work besides."""
        if self.has_reserve or self.free_bytes() < self._reserve_bytes + 2 * self._floor_bytes:
            return
        try:
            descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._reserve_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("no reserve of %s could be made: %s", self._size, error)
            with contextlib.suppress(OSError):
                self._reserve.unlink()
            return
        self.has_reserve = True
        log.info("%s are kept in reserve for a full disk", self._size)

    @property
    def _size(self) -> str:
        return _mb(self._reserve_bytes)

    def _is_whole(self) -> bool:
        try:
            return os.stat(self._reserve).st_blocks * 512 >= self._reserve_bytes
        except OSError:
            return False


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1024 / 1024:.1f} MB"
