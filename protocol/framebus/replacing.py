"""Puts a file in the place of another whole, or not at all: who reads meanwhile has the old one or the new."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, mode: int = 0o666, *, is_synced: bool = False) -> Iterator[BinaryIO]:
    """A new file, which takes the place of `path` when the block ends; when that raises, the old one stays.

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
