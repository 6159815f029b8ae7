"""How much lies in a folder, and how much of it is too much."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Stock:
    """So many files, which take so much of the disk: a file with holes takes less than its size."""

    files: int = 0
    disk_bytes: int = 0

    @property
    def is_nothing(self) -> bool:
        return self.files <= 0 and self.disk_bytes <= 0

    def more(self, other: "Stock") -> "Stock":
        """Both together."""
        return Stock(self.files + other.files, self.disk_bytes + other.disk_bytes)

    def less(self, other: "Stock") -> "Stock":
        """What is more than the other; below nothing where there is room."""
        return Stock(self.files - other.files, self.disk_bytes - other.disk_bytes)

    def __str__(self) -> str:
        return f"{self.disk_bytes / 1e6:,.0f} MB in {self.files:,} files"


def take_stock(folder: Path) -> Stock:
    """All that lies below a folder, of whatever kind; links are not followed."""
    return divide_stock(folder, lambda path: True)[0]


def divide_stock(folder: Path, is_ours: Callable[[str], bool]) -> tuple[Stock, Stock]:
    """All that lies below a folder: what is ours by its path below, and what is not."""
    files, disk_bytes = [0, 0], [0, 0]
    left = [""]
    while left:
        below = left.pop()
        with suppress(OSError), os.scandir(folder / below) as entries:  # gone meanwhile, or not ours to read
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir(follow_symlinks=False):
                    left.append(path)
                    continue
                with suppress(OSError):
                    whose = 0 if is_ours(path) else 1
                    disk_bytes[whose] += stock_of(entry.stat(follow_symlinks=False)).disk_bytes
                    files[whose] += 1
    return Stock(files[0], disk_bytes[0]), Stock(files[1], disk_bytes[1])


def stock_of(found: os.stat_result) -> Stock:
    """One file."""
    return Stock(1, found.st_blocks * 512)
