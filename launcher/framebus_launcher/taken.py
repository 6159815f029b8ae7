"""What the recordings of a group take now, for commands that tell it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAX_FILES = 100_000
"""of recordings whose sizes are added up: more take too long for a command"""


def taken_bytes(data: Path) -> int | None:
    """The bytes of all recordings under `data`; None where it takes long to know. Raises OSError."""
    taken = 0
    for number, size in enumerate(_sizes(data / "recordings")):
        if number >= MAX_FILES:
            return None
        taken += size
    return taken


def _sizes(folder: Path) -> Iterator[int]:
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path))
            else:
                with suppress(FileNotFoundError):  # a group that runs removes the oldest meanwhile
                    yield entry.stat(follow_symlinks=False).st_size
