"""Where files go that cannot be taken: `quarantine/<reason>/`, each with a note beside it that a person understands."""

import logging
import os
from datetime import datetime
from pathlib import Path, PurePosixPath

log = logging.getLogger(__name__)

MAX_NAME_BYTES = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Quarantine:
    def __init__(self, root: Path, folder: Path) -> None:
        """Takes files below `root` into `folder`, which is on the same disk."""
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
            os.rename(name, target, src_dir_fd=source)
        finally:
            os.close(source)
        came = datetime.fromtimestamp(at_s).astimezone().isoformat(timespec="seconds")
        note = f"{_printable(path)}\nwas not taken at {came}: {text}.\nTo try again, move it back below {self._root}.\n"
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
        flat = path.replace("/", "__")
        while len(os.fsencode(flat)) > MAX_NAME_BYTES:
            flat = flat[1:]  # the ending says most
        for number in range(1, 10_000):
            stem = PurePosixPath(flat)
            name = flat if number == 1 else f"{stem.stem}-{number}{stem.suffix}"
            target = into / name
            if not os.path.lexists(target) and not os.path.lexists(f"{target}.txt"):
                return target
        raise OSError(f"{into} holds too many files of the name {flat[:100]!r}")


def _printable(path: str) -> str:
    return path.encode(errors="backslashreplace").decode()
