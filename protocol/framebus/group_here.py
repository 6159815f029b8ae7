"""Which group is meant where nobody names one: that of the configuration in this folder, found without its reader."""

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

from framebus.place import Place
from framebus.settings import Settings

FILE = Path("framebus.yml")
_DATA = re.compile(r"^data:\s*['\"]?([^\s'\"#]+)", re.MULTILINE)
_RUN = re.compile(r"^run:\s*['\"]?([^\s'\"#]+)", re.MULTILINE)


def place_here() -> Place:
    """The group that the launcher put this process in; without a launcher that of this folder, else the user's."""
    run = None if os.environ.get("FRAMEBUS_RUN") else run_here()
    return Place.at(run) if run is not None else Place.from_environment()


def run_here() -> Path | None:
    """The run folder of the group of this folder; None where its configuration says nothing, and nobody runs by it."""
    return written_run() or run_of_data()


def written_run() -> Path | None:
    """The run folder that the configuration here names."""
    with suppress(OSError, UnicodeDecodeError):  # no configuration is here, or none that can be read
        written = _RUN.search(FILE.read_text())
        return Path(written[1]) if written is not None else None
    return None


def run_of_data() -> Path | None:
    """Where the group runs that has the data folder of the configuration here.

    The default follows XDG_RUNTIME_DIR and TMPDIR, which terminals may differ in.
    """
    with suppress(OSError, UnicodeDecodeError):
        written = _DATA.search(FILE.read_text())
        data = Path(written[1] if written is not None else Settings().data)
        found = [run_of(pid, data) for pid in find_launchers(data)]
        return next((one for one in found if one is not None), None)
    return None


def find_launchers(folder: Path) -> list[int]:
    """The pids of the launchers that run the group of this run or data folder, or parts of it."""
    found = []
    for path in sorted(folder.glob("lock*")):
        with suppress(FileNotFoundError, PermissionError), path.open("rb") as file:
            pid = pid_in(path)
            if pid is None:  # given back in good order; so we need not hold it for a moment to know
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(pid)
    return found


def run_of(pid: int, data: Path) -> Path | None:
    """The run folder of the launcher that has this data folder."""
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                file = descriptor.readlink()
                if file.name == "lock" and file.parent != data.resolve():
                    return file.parent
    return None


def pid_in(path: Path) -> int | None:
    """Who has this lock, by what stands in its file."""
    text = path.read_text(errors="replace").strip()
    return int(text) if text.isdecimal() else None
