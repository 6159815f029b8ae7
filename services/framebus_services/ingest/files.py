"""Finds and opens what lies in the upload folder, and never what lies outside of it: links are not followed."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from framebus_services.ingest.sighting import Stamp

MAX_DEPTH = 16
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotTakenError(Exception):
    """The file is none that may be taken; `reason` is a word, the text says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def open_below(root: Path, path: str) -> int:
    """A descriptor of a regular file below `root`; no part of its path may be a link.

    Raises NotTakenError for what is no plain file, OSError when it is gone.
    """
    *folders, name = PurePosixPath(path).parts
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        # Without O_NONBLOCK a FIFO would hang us.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise NotTakenError("link", "it is a link, or lies behind one; upload the file itself") from None
        if error.errno == errno.ENXIO:
            raise NotTakenError("no_file", "it is a socket, not a file") from None
        raise
    finally:
        os.close(folder)
    try:
        check_plain(os.fstat(descriptor))
    except NotTakenError:
        os.close(descriptor)
        raise
    return descriptor


def check_plain(found: os.stat_result) -> None:
    """Raises NotTakenError for all but a regular file with one name."""
    if stat.S_ISLNK(found.st_mode):
        raise NotTakenError("link", "it is a link; upload the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise NotTakenError("no_file", "it is a FIFO, a socket or a device, not a file")
    if found.st_nlink > 1:
        raise NotTakenError("link", f"it has {found.st_nlink} names (hard links); upload a copy")


def stamp_of(found: os.stat_result) -> Stamp:
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def list_files(root: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """All below a folder that is no folder itself, each with its status; links are listed, not followed."""
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
