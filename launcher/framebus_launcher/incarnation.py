"""Draws incarnations: numbers of lives, each greater than all before, also when the clock jumps back."""

import fcntl
import os
from pathlib import Path


class Incarnations:
    """Microseconds since 1970, or one more than the last; `<data>/incarnation` remembers the last.

    Several launchers may draw from one file, each of them for a part of a group.
    """

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._file = data / "incarnation"

    def draw(self, wall_s: float) -> int:
        """The number of a life that begins now; raises OSError when it can't be written down."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # held by others for two system calls
            drawn = max(int(wall_s * 1e6), _number_in(os.pread(descriptor, 64, 0)) + 1)
            os.pwrite(descriptor, f"{drawn:016d}\n".encode(), 0)
            return drawn
        finally:
            os.close(descriptor)


def _number_in(data: bytes) -> int:
    """The number drawn last; 0 for a file that is new, or torn by a power cut: then the clock will do."""
    text = data.decode(errors="replace").strip()
    return int(text) if text.isdecimal() and len(text) <= 16 else 0
