"""The configuration file of a running group: read and checked as a whole, shown without passwords, written safely."""

import errno
import hashlib
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.place import Place
from framebus.replacing import replacing, sync_folder
from framebus.settings import Settings
from framebus_launcher.checks import find_processor_problems, find_source_problems
from framebus_launcher.config import find_file, in_order, place_of, read_settings
from framebus_launcher.config_warnings import find_warnings
from framebus_launcher.detector_check import check_detector
from framebus_launcher.document import parse_document, read_text
from framebus_launcher.folders import check_names, find_folder_problems
from framebus_launcher.table import Row, make_table, rows_of_kinds

FIRST_CHECK_S = 10.0
CHECK_S = 3.0
"""of processors while the group runs: its launcher waits for it"""
REVISION_BITS = 52
"""what JavaScript counts without rounding"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What stood in the file at one moment, and what it means."""

    settings: Settings
    place: Place
    rows: Sequence[Row]
    text: str
    written: Any
    """the content as it stands there: `${NAME}` is not replaced"""
    warnings: Sequence[str]

    @property
    def revision(self) -> int:
        return revision_of(self.text)


class ConfigFile:
    """A file, and what wins over it."""

    def __init__(
        self, path: Path | None, *, data: Path | None = None, run: Path | None = None, kinds: Collection[str] = ()
    ) -> None:
        """By default `framebus.yml` in this folder; `kinds` as in `up --only`. Raises ConfigError."""
        self.path = path or find_file()
        self._data = data
        self._run = run
        self._kinds = kinds
        self._checked: Any = None
        self._checked_sources: Any = None
        """the section of enrich that was found to be good last"""
        self.first = self.read()
        if kinds:
            rows_of_kinds(
                make_table(self.first.settings, self.first.place), kinds
            )  # later a kind may have no row: its last camera has gone

    def read(self, group: Place | None = None) -> Reading:
        """Read and check it; raises ConfigError with every problem, each with its line."""
        return self.check(read_text(self.path), group)

    def check(self, text: str, group: Place | None = None, *, missing: Collection[str] = ()) -> Reading:
        """What the file would mean with this text; raises ConfigError. The folders of a `group` that runs are fixed.

        `missing` are variables that get their value later.
        """
        document = parse_document(self.path, text)
        settings, problems = read_settings(document, data=self._data, run=self._run, missing=missing)
        if group is not None and not problems:
            problems += _find_moves(place_of(settings), group)
        problems += self._find_own_problems(settings, FIRST_CHECK_S if group is None else CHECK_S)
        if problems:
            raise ConfigError(in_order(document, problems))
        place = place_of(settings)
        rows = make_table(settings, place)
        check_names(rows, place)
        return Reading(
            settings=settings,
            place=place,
            rows=[row for row in rows if not self._kinds or row.kind in self._kinds],
            text=text,
            written=document.value if isinstance(document.value, dict) else {},
            warnings=find_warnings(document, settings),
        )

    def _find_own_problems(self, settings: Settings, limit_s: float) -> list[str]:
        """Of processors and sources that would not start; it takes a while: only what is new is looked at."""
        section = settings.services.get("enrich")
        sources = {name: (camera.source, camera.detect, camera.settings) for name, camera in settings.cameras.items()}
        problems = find_processor_problems(settings, limit_s) if section != self._checked else []
        problems += find_source_problems(settings, limit_s) if sources != self._checked_sources else []
        if not problems:
            self._checked, self._checked_sources = section, sources
        return problems

    def check_detector(self) -> tuple[str, list[str]]:
        """Let the detector's model look once: what it is, and what is wrong with it, each with its line."""
        told, problems = check_detector(self.first.settings)
        return told, in_order(parse_document(self.path, self.first.text), problems)

    def check_folders(self) -> None:
        """Raises ConfigError for folders that cannot be made here: those of a container need not be there elsewhere."""
        if problems := find_folder_problems(self.first.place):
            raise ConfigError(in_order(parse_document(self.path, self.first.text), problems))

    def write(self, text: str, revision: int) -> None:
        """Replace the content, at once and for good; raises RefusedError when it is not of this revision any more."""
        target = self.path.resolve()  # of a link the file is written, and the link stays
        try:
            old = target.stat()
            with replacing(target, 0o600) as file:
                with suppress(PermissionError):  # only root gives files away: it must not take them, either
                    os.fchown(file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(file.fileno(), old.st_mode & 0o7777)
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())  # before the last look at who else writes: it takes a while
                if revision_of(read_text(self.path)) != revision:
                    raise RefusedError(ErrorCode.CONFLICT, f"{self.path} has changed since; read it again")
            sync_folder(target.parent)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                text = f"{self.path} cannot be written: the disk is full, make room; it stays as it was"
                raise RefusedError(ErrorCode.NO_SPACE, text) from None
            mend = f"; give yourself the right to write in {target.parent}" if error.errno == errno.EACCES else ""
            raise RefusedError(ErrorCode.DENIED, f"{self.path} cannot be written: {error.strerror}{mend}") from None


def _find_moves(place: Place, group: Place) -> list[str]:
    """The folders of a group that runs are fixed."""
    names = [name for name in ("data", "run", "shm") if getattr(place, name) != getattr(group, name)]
    again = "cannot change while the group runs; `framebus down`, then `framebus up`"
    return [f"{name}: is {getattr(group, name)} and {again}" for name in names]


def revision_of(text: str) -> int:
    """A number for this content: also a change by hand is noticed."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> (64 - REVISION_BITS)
