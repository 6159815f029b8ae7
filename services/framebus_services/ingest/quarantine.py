"""Where files go that cannot be taken: `quarantine/<reason>/`, each with a note beside it that a person understands."""

import errno
import logging
import os
import secrets
import shutil
import stat
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from framebus_services.below import folder_below
from framebus_services.ingest.names import shown
from framebus_services.ingest.reason import Reason
from framebus_services.ingest.stock import Stock, stock_of

log = logging.getLogger(__name__)

MAX_NAME_BYTES = 200


class Quarantine:
    """The folder, and what is moved into it and deleted from it."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Takes files below `root` into `folder`, on the same disk if it can be."""
        self._root = root
        self.folder = folder

    def take(self, path: str, reason: Reason, text: str, at_s: float) -> Path:
        """Move a file here, whatever it is; links are moved, not followed. Raises OSError."""
        into = self.folder / reason
        into.mkdir(parents=True, exist_ok=True)
        target = self._free_name(into, path)
        with folder_below(self._root, path) as (source, name):
            _move(name, source, target)
        came = datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="seconds")
        note = f"{shown(path)}\nwas not taken at {came}: {text}.\nTo try again, move it back below {self._root}.\n"
        target.with_name(f"{target.name}.txt").write_text(note, encoding="utf-8")
        return target

    def remove_old(self, before_at_s: float) -> int:
        """Delete what came before that time; returns how many files went."""
        removed = 0
        for path in sorted(self.folder.glob("*/*")):
            try:
                if path.lstat().st_ctime < before_at_s:
                    path.unlink()
                    removed += not path.name.endswith(".txt")
            except OSError as error:
                log.warning("%s can't be deleted: %s", path, error)
        return removed

    def remove_oldest(self, excess: Stock) -> Stock:
        """Delete what came first, until that much is gone or nothing is left; returns what is still too much."""
        found = []
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                found.append((path.lstat().st_ctime, path))
        for _, path in sorted(found):
            if excess.is_nothing:
                break
            try:
                gone = path.lstat()
                path.unlink()
            except OSError as error:
                log.warning("%s can't be deleted: %s", path, error)
            else:
                excess = excess.less(stock_of(gone))
        return excess

    def _free_name(self, into: Path, path: str) -> Path:
        flat = shown(path).replace("/", "__")
        while len(os.fsencode(flat)) > MAX_NAME_BYTES:
            flat = flat[1:]  # the ending says most
        target = into / flat
        while os.path.lexists(target) or os.path.lexists(f"{target}.txt"):
            stem = PurePosixPath(flat)  # by chance: to count up would take the longer the more there are
            target = into / f"{stem.stem}-{secrets.token_hex(4)}{stem.suffix}"
        return target


def _move(name: str, folder: int, target: Path) -> None:
    try:
        os.rename(name, target, src_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    else:
        return
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:  # of links, FIFOs and devices the note says enough
        _copy(name, folder, target)
    os.unlink(name, dir_fd=folder)


def _copy(name: str, folder: int, target: Path) -> None:
    """To another disk, whole or not at all."""
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        with open(source, "rb") as content, target.open("xb") as copy:
            shutil.copyfileobj(content, copy, 1024 * 1024)
            copy.flush()
            os.fsync(copy.fileno())
    except OSError:
        target.unlink(missing_ok=True)
        raise
