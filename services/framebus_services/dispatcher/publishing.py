"""Gives finished files their names: whole or not at all, and never over another file."""

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from framebus.errors import ErrorCode, RefusedError
from framebus.replacing import give_name, sync_folder
from framebus.requests import PreparedFile

TEMP_NAME = re.compile(r"^\.(?P<id>[0-9a-f]{32})\.(?P<fence>\d+)\.(?P<n>\d+)\.part$")
MAX_COPIES = 10_000


class Claim(Struct, frozen=True, kw_only=True):
    """A file that is about to get its name; it is known by device and inode, whatever it is called."""

    temp: str
    wanted: str
    """the name that was asked for"""
    final: str
    """the name that it gets: `_2`, `_3`, ... when others have the wanted one"""
    dev: int
    ino: int


def check_files(exports: Path, job_id: str, fence: int, files: Sequence[PreparedFile]) -> None:
    """Raises RefusedError when a worker tells of files that are not what it says, or not where they may be."""
    if len({PurePosixPath(file.final) for file in files}) < len(files):
        raise RefusedError(ErrorCode.BAD_REQUEST, "two files cannot have one name")
    for file in files:
        for name in (file.temp, file.final):
            if not _is_inside(exports, name):
                raise RefusedError(ErrorCode.BAD_REQUEST, f"{name!r} is not inside the exports folder")
        match = TEMP_NAME.match(PurePosixPath(file.temp).name)
        if match is None or match["id"] != job_id or int(match["fence"]) != fence:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{file.temp} is no temporary file of this job and fence")
        if PurePosixPath(file.temp).parent != PurePosixPath(file.final).parent:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{file.temp} must stand in the folder of {file.final}")
        try:
            found = os.stat(exports / file.temp, follow_symlinks=False)
        except OSError as error:
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{file.temp}: {error.strerror}") from None
        is_same = (found.st_dev, found.st_ino, found.st_size) == (file.dev, file.ino, file.size_bytes)
        if not is_same or not stat.S_ISREG(found.st_mode):
            raise RefusedError(ErrorCode.BAD_REQUEST, f"{file.temp} is not the file that was prepared")


def claim_names(exports: Path, files: Iterable[PreparedFile]) -> list[Claim]:
    """The names that the files of a job will get."""
    return choose_names(
        exports,
        [Claim(temp=file.temp, wanted=file.final, final=file.final, dev=file.dev, ino=file.ino) for file in files],
    )


def choose_names(exports: Path, claims: Sequence[Claim]) -> list[Claim]:
    """Final names that nothing has yet; the files of one job share their suffix (`_2`, `_3`, ...)."""
    for copy in range(1, MAX_COPIES):
        chosen = [replace(claim, final=_numbered(claim.wanted, copy)) for claim in claims]
        if not any(os.path.lexists(exports / claim.final) for claim in chosen):
            return chosen
    raise RefusedError(ErrorCode.CONFLICT, f"{claims[0].wanted} exists {MAX_COPIES} times")


def link_files(exports: Path, claims: Iterable[Claim]) -> None:
    """Give each file its name, the main one last, and sync the folders.

    Names that already belong to the file are fine (it was done before a crash).
    Raises FileExistsError when a name belongs to another file, OSError when the disk refuses.
    """
    folders = set()
    for claim in claims:
        final = exports / claim.final
        folders.add(final.parent)
        if _is(final, claim):
            continue
        if not _is(exports / claim.temp, claim):
            raise FileNotFoundError(f"{claim.temp} is gone")
        give_name(exports / claim.temp, final)
    for folder in folders:
        sync_folder(folder)


def withdraw(exports: Path, claims: Iterable[Claim]) -> None:
    """Take back the names that some files of a job have already, when not all can have theirs."""
    for claim in claims:
        if not _is(exports / claim.final, claim):
            continue
        if os.path.lexists(exports / claim.temp):
            os.unlink(exports / claim.final)
        else:  # it was renamed, not linked: this is its only name
            os.rename(exports / claim.final, exports / claim.temp)


def unlink_temps(exports: Path, claims: Iterable[Claim]) -> None:
    for claim in claims:
        with contextlib.suppress(OSError):  # what stays is removed at the next start
            os.unlink(exports / claim.temp)


def can_be_linked(exports: Path, claims: Iterable[Claim]) -> bool:
    """Whether all files are still there, under one of their two names."""
    return all(_is(exports / claim.final, claim) or _is(exports / claim.temp, claim) for claim in claims)


def remove_temps(exports: Path, current: set[tuple[str, int]]) -> int:
    """Remove temporary files of leases that are over; `current` holds id and fence of those that are not."""
    removed = 0
    for folder, _, names in os.walk(exports):
        for name in names:
            match = TEMP_NAME.match(name)
            if match is not None and (match["id"], int(match["fence"])) not in current:
                with contextlib.suppress(OSError):  # a worker that lives on removes its own at the same time
                    os.unlink(os.path.join(folder, name))
                    removed += 1
    return removed


def _is_inside(exports: Path, name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
        return False
    return (exports / path).parent.resolve().is_relative_to(exports.resolve())  # a folder may be a symlink


def _is(path: Path, claim: Claim) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (claim.dev, claim.ino)


def _numbered(final: str, copy: int) -> str:
    path = PurePosixPath(final)
    return final if copy == 1 else str(path.with_name(f"{path.stem}_{copy}{path.suffix}"))
