"""The folders of a group: made before it starts, and left tidy behind it."""

import os
import stat
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from framebus.errors import ConfigError
from framebus.place import Place
from framebus.replacing import replacing
from framebus_launcher.finding import can_write, existing
from framebus_launcher.table import DISPATCHER, Row


def make_folders(place: Place) -> None:
    """Make what is missing; raises PermissionError for a run or shm folder that another user owns.

    Both stand in places where everybody may write: a folder laid there by another would hand him our sockets.
    """
    place.data.mkdir(parents=True, exist_ok=True)
    for folder in (place.run, place.shm):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user or is a link; choose another with --run or --shm")
        if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX:
            raise PermissionError(f"others may write in {folder}; `chmod 700 {folder}`, or choose another")


def find_folder_problems(place: Place) -> list[str]:
    """What of a group's folders cannot be made or written, each with its setting; nothing is left there."""
    problems = []
    for name in ("data", "run", "shm"):
        folder: Path = getattr(place, name)
        above = existing(folder)
        what = f"{name}: {folder} cannot be {'written' if above == folder else 'made'}"
        if not above.is_dir():
            problems.append(f"{what}: {above} is no folder")
        elif not can_write(above):
            problems.append(f"{what}: give yourself the right to write in {above}, or choose another folder")
        elif above != folder:
            try:
                tempfile.TemporaryDirectory(prefix=".framebus-", dir=above).cleanup()
            except OSError as error:
                problems.append(f"{what} in {above}: {error.strerror}; choose another folder")
    return problems


def settings_folder(place: Place) -> Path:
    """Where the settings of the children are."""
    return place.run / "settings"


def write_settings(place: Place, row: Row) -> Path:
    """Write a row's settings where only our user can read them: they hold passwords."""
    settings_folder(place).mkdir(mode=0o700, exist_ok=True)
    path = settings_folder(place) / f"{row.name}.json"
    with replacing(path, 0o600) as file:
        file.write(row.section)
    return path


def remove_rings(place: Place, rows: Collection[Row], *, is_whole: bool) -> None:
    """Remove the rings that an earlier group left; of a part of a group only those of its own cameras.

    Nothing else in the folder is touched: it might be /dev/shm itself.
    """
    cameras = ["*"] if is_whole else [row.name.partition("@")[2] for row in rows if row.kind == "capture"]
    for camera in cameras:
        for pattern in (f"{camera}.*.ring", f".{camera}.*.ring.*.tmp"):
            for path in place.shm.glob(pattern):
                path.unlink(missing_ok=True)


def tidy(place: Place, rows: Collection[Row], *, is_whole: bool) -> None:
    """Remove what this launcher and its children, also those that were killed, left in the folders."""
    remove_rings(place, rows, is_whole=is_whole)
    tidy_rows(place, rows)
    with suppress(OSError):  # not empty: another launcher has a part of the group
        settings_folder(place).rmdir()
    with suppress(OSError):
        place.shm.rmdir()


def tidy_rows(place: Place, rows: Collection[Row]) -> None:
    """Remove the sockets, rings and settings of rows whose processes have ended; the folders stay."""
    remove_rings(place, rows, is_whole=False)
    doors = [place.door(row.name) for row in rows]
    if any(row.name == DISPATCHER for row in rows):
        doors += [place.pub, place.sub]
    for door in doors:
        if door.startswith("ipc://"):
            Path(door.removeprefix("ipc://")).unlink(missing_ok=True)
    for row in rows:
        (settings_folder(place) / f"{row.name}.json").unlink(missing_ok=True)


def check_names(rows: Collection[Row], place: Place) -> None:
    """Raises ConfigError when two rows have one name, and would steal each other's socket, or one too long for it."""
    names = [row.name for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError([f"{name}: two services have this name" for name in twice])
    place.check_door(max(names, key=len, default="dispatcher"))
