"""A camera's newest pictures in shared memory: one writer, any number of readers that neither wait nor slow it.

The file is described in `framebus.ring_layout`; here is who writes it, who reads it, and how one finds it.
"""

from pathlib import Path

from framebus.ring_layout import RingFormatError
from framebus.ring_reader import RingReader
from framebus.ring_writer import RingSlot, RingSpaceError, RingWriter

__all__ = [
    "RingFormatError",
    "RingReader",
    "RingSlot",
    "RingSpaceError",
    "RingWriter",
    "newest_ring",
    "sweep_rings",
]


def newest_ring(folder: Path, camera: str, *, after: int = -1) -> Path | None:
    """The ring `<camera>.<epoch>.ring` with the greatest epoch, one greater than `after`; None: there is none."""
    epochs = [(int(path.suffixes[-2][1:]), path) for path in _rings(folder, camera)]
    epoch, path = max(epochs, default=(after, None))
    return path if epoch > after else None


def sweep_rings(folder: Path, camera: str, keep: Path | None) -> int:
    """Removes the camera's rings, unfinished ones too, all but `keep`; returns how many. For their owner alone."""
    unfinished = folder.glob(f".{camera}.*.ring.*.tmp")
    orphans = [path for path in (*_rings(folder, camera), *unfinished) if path != keep]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def _rings(folder: Path, camera: str) -> list[Path]:
    named = folder.glob(f"{camera}.*.ring")
    return [path for path in named if path.name[len(camera) + 1 : -len(".ring")].isdecimal()]
