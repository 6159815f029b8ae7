"""Opens files below a folder, and never what lies outside of it: no part of a path may be a link."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPlainError(Exception):
    """No plain file lies there; `reason` is a word, the text says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@contextmanager
def folder_below(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that a path lies in, and the name in it; raises OSError where a link is in between."""
    *folders, name = PurePosixPath(path).parts
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder, name
    finally:
        os.close(folder)


def open_below(root: Path, path: str) -> int:
    """A descriptor of a regular file below `root`, whatever becomes of its name from then on.

    Raises NotPlainError for what is no plain file or lies outside, OSError when it is gone.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path or not pure.parts:
        raise NotPlainError("name", "its path leaves the folder")
    try:
        with folder_below(root, path) as (folder, name):
            # Without O_NONBLOCK a FIFO would hang us.
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
            raise NotPlainError("link", "it is a link, or lies behind one; upload the file itself") from None
        if error.errno == errno.ENXIO:
            raise NotPlainError("no_file", "it is a socket, not a file") from None
        raise
    try:
        check_plain(os.fstat(descriptor))
    except NotPlainError:
        os.close(descriptor)
        raise
    return descriptor


def check_plain(found: os.stat_result) -> None:
    """Raises NotPlainError for all but a regular file."""
    if stat.S_ISLNK(found.st_mode):
        raise NotPlainError("link", "it is a link; upload the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise NotPlainError("no_file", "it is a folder, a FIFO, a socket or a device, not a file")
