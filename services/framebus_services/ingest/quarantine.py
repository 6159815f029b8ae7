"""Where files go that cannot be taken: `quarantine/<reason>/`, each with a note beside it that a person understands."""

import errno
import logging
import os
import shutil
import stat
from datetime import datetime
from pathlib import Path, PurePosixPath

from framebus_services.ingest.names import shown

log = logging.getLogger(__name__)

MAX_NAME_BYTES = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Quarantine:
    def __init__(self, root: Path, folder: Path) -> None:
        """Takes files below `root` into `folder`, on the same disk if it can be."""
        self._root = root
        self.folder = folder

    def take(self, path: str, reason: str, text: str, at_s: float) -> Path:
        """Move a file here, whatever it is; links are moved, not followed. Raises OSError."""
        into = self.folder / reason
        into.mkdir(parents=True, exist_ok=True)
        target = self._free_name(into, path)
        *folders, name = PurePosixPath(path).parts
        source = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in folders:
                inner = os.open(part, _FOLDER, dir_fd=source)
                os.close(source)
                source = inner
            _move(name, source, target)
        finally:
            os.close(source)
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

    def _free_name(self, into: Path, path: str) -> Path:
        flat = shown(path).replace("/", "__")
        while len(os.fsencode(flat)) > MAX_NAME_BYTES:
            flat = flat[1:]  # the ending says most
        for number in range(1, 10_000):
            stem = PurePosixPath(flat)
            name = flat if number == 1 else f"{stem.stem}-{number}{stem.suffix}"
            target = into / name
            if not os.path.lexists(target) and not os.path.lexists(f"{target}.txt"):
                return target
        raise OSError(f"{into} holds too many files of the name {flat[:100]!r}")


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
