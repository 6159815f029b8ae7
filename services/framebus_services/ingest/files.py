"""Finds what lies in the upload folder, and tells one state of a file from another: links are not followed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from framebus_services.below import NotPlainError, check_plain
from framebus_services.ingest.sighting import Stamp

MAX_DEPTH = 16


def check_own(found: os.stat_result) -> None:
    """Raises NotPlainError for all but a regular file with one name."""
    check_plain(found)
    if found.st_nlink > 1:
        raise NotPlainError("link", f"it has {found.st_nlink} names (hard links); upload a copy")


def stamp_of(found: os.stat_result) -> Stamp:
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def list_files(
    root: Path, below: str, note_unread: Callable[[str, OSError], None]
) -> Iterator[tuple[str, os.stat_result]]:
    """All below a folder that is no folder itself, each with its status; links are listed, not followed.

    A folder that can't be read is told, and keeps nobody from reading the others.
    """
    folders = [below]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if path.count("/") < MAX_DEPTH:
                            folders.append(path)
                        continue
                    try:
                        yield path, entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if not folder:
                raise
            note_unread(folder, error)
