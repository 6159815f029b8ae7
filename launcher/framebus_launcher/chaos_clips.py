"""The clips that a run of `framebus chaos` has made: it takes them away again, and nothing else."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from framebus_launcher.chaos_verdict import JobFate


def remove_clips(fates: Iterable[JobFate], exports: Path | None) -> int:
    """Remove the files of these jobs from the exports folder; how many stay, as they cannot be reached from here."""
    names = {name for fate in fates for name in fate.files}
    return sum(not _is_removed(name, exports) for name in names)


def _is_removed(name: str, exports: Path | None) -> bool:
    path = PurePosixPath(name)
    if exports is None or path.is_absolute() or ".." in path.parts:
        return False
    with suppress(OSError):
        (exports / path).unlink()
        return True
    return False
