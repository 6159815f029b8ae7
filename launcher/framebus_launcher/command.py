"""How this user calls us: `framebus` where the shell finds this very program, else its path."""

import os
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "framebus"


@cache
def command_name() -> str:
    """What to write before a command that the user shall type, as in `.venv/bin/framebus`."""
    found = shutil.which(NAME)
    own = Path(sys.executable).with_name(NAME)
    if not own.exists() or (found is not None and Path(found).resolve() == own.resolve()):
        return NAME
    try:
        relative = os.path.relpath(own)
    except OSError:  # the working folder was removed
        return str(own)
    return str(own) if relative.startswith("..") else relative
