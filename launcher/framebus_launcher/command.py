"""How this user calls us: `framebus` where the shell finds this very program, else its path."""

import os
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "framebus"
PYTHONS = ("python", "python3")


@cache
def command_name() -> str:
    """What to write before a command that the user shall type, as in `.venv/bin/framebus`."""
    found = shutil.which(NAME)
    own = Path(sys.executable).with_name(NAME)
    if not own.exists() or (found is not None and Path(found).resolve() == own.resolve()):
        return NAME
    return _in_short(own)


@cache
def python_name() -> str:
    """As `command_name`, of the Python that framebus is installed in."""
    own = Path(sys.executable)
    # Not resolved: the Pythons of all environments are links to one and the same.
    return next((name for name in PYTHONS if shutil.which(name) == str(own)), None) or _in_short(own)


def _in_short(own: Path) -> str:
    try:
        relative = os.path.relpath(own)
    except OSError:  # the working folder was removed
        return str(own)
    return str(own) if relative.startswith("..") else relative
