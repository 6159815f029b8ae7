"""How much room the recordings have, and how much must stay free."""

import os
from dataclasses import dataclass
from pathlib import Path

from framebus.recordings import FLOOR_LIMIT_BYTES, FLOOR_SHARE, floor_bytes

HEADROOM = 1.25
"""Old recordings go before the floor is reached, so that the new ones never pause for them."""


@dataclass(frozen=True)
class Space:
    """A disk as it is now."""

    free_bytes: int
    floor_bytes: int
    """recording pauses below it"""

    @property
    def is_short(self) -> bool:
        return self.free_bytes < self.floor_bytes

    @property
    def is_getting_short(self) -> bool:
        return self.free_bytes < self.floor_bytes * HEADROOM

    def __str__(self) -> str:
        return f"{_megabytes(self.free_bytes)} free, {_megabytes(self.floor_bytes)} must stay free"


class Disk:
    """The disk that holds `folder`, which is made if need be."""

    def __init__(
        self, folder: Path, *, floor_share: float = FLOOR_SHARE, floor_limit_bytes: int = FLOOR_LIMIT_BYTES
    ) -> None:
        self._folder = folder
        self._floor_share = floor_share
        self._floor_limit_bytes = floor_limit_bytes

    def space(self) -> Space:
        """As it is now; raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        state = os.statvfs(self._folder)
        floor = floor_bytes(state.f_blocks * state.f_frsize, self._floor_share, self._floor_limit_bytes)
        return Space(state.f_bavail * state.f_frsize, floor)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
