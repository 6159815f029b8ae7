"""Puts files in their places: whole or not at all, in that of another or never over one."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""what file systems without hard links answer: exFAT, FAT, SMB"""


@contextmanager
def replacing(path: Path, mode: int = 0o666, *, is_synced: bool = False) -> Iterator[BinaryIO]:
    """A new file, which takes the place of `path` when the block ends; when that raises, the old one stays.

    Who reads meanwhile has the old one or the new.
    `is_synced`: it is on the disk by then, so that no power cut leaves an empty one. `mode` is as of open(2). Raises
    OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    # Made anew, so that it is never a link which somebody has put there.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if is_synced:
                os.fsync(descriptor)
        draft.rename(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def give_name(path: Path, name: Path) -> None:
    """Give a file a name that nothing has; where there are no links, it loses the one before.

    Raises FileExistsError where something has it, OSError. Only one process at a time may give names in a folder.
    """
    try:
        os.link(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(name):  # a rename would replace it
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name)) from None
        path.rename(name)


def sync_folder(folder: Path) -> None:
    """Make names that were given in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
