"""How much lies in the upload folder and in the quarantine, and how much of it is too much."""

import os
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

    def less(self, other: "Stock") -> "Stock":
        """What is more than the other; below nothing where there is room."""
        return Stock(self.files - other.files, self.disk_bytes - other.disk_bytes)

    def __str__(self) -> str:
        return f"{self.disk_bytes / 1e6:,.0f} MB in {self.files:,} files"


def take_stock(*folders: Path) -> Stock:
    """All that lies below these folders, of whatever kind; links are not followed."""
    files = disk_bytes = 0
    left = [str(folder) for folder in folders]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:  # gone meanwhile, or not ours to read
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
                    continue
                with suppress(OSError):
                    disk_bytes += stock_of(entry.stat(follow_symlinks=False)).disk_bytes
                    files += 1
    return Stock(files, disk_bytes)


def stock_of(found: os.stat_result) -> Stock:
    """One file."""
    return Stock(1, found.st_blocks * 512)
