"""Draws incarnations: numbers of lives, each greater than all before, also when the clock jumps back."""

import os
from pathlib import Path


class Incarnations:
    """Microseconds since 1970, or one more than the last; `<data>/incarnation` remembers the last."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._file = data / "incarnation"
        self._last = self._read()

    def draw(self, wall_s: float) -> int:
        """The number of a life that begins now; raises OSError when it can't be written down."""
        self._last = max(int(wall_s * 1e6), self._last + 1)
        fresh = self._file.with_name(f"incarnation.{os.getpid()}.tmp")
        fresh.write_text(f"{self._last}\n")
        fresh.replace(self._file)
        return self._last

    def _read(self) -> int:
        try:
            text = self._file.read_text(errors="replace").strip()
        except FileNotFoundError:
            return 0
        return int(text) if text.isdecimal() and len(text) <= 16 else 0  # torn by a power cut: the clock will do
