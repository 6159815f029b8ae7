"""The command `framebus` as a user types it."""

import os
import subprocess
from pathlib import Path

from groups import FRAMEBUS, RunningGroup


def command(
    group: RunningGroup | None,
    *arguments: str,
    limit_s: float = 60.0,
    cwd: Path | None = None,
    stdin: str | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """How a command ended; never with a traceback."""
    run = ["--run", str(group.place.run)] if group else []
    done = subprocess.run(
        [FRAMEBUS, *arguments, *run],
        capture_output=True,
        text=True,
        timeout=limit_s,
        cwd=cwd,
        input=stdin,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def framebus(
    group: RunningGroup | None, *arguments: str, expect: int = 0, limit_s: float = 60.0, cwd: Path | None = None
) -> str:
    """Standard output of a command that ends with the expected code; its errors too when that is not 0."""
    done = command(group, *arguments, limit_s=limit_s, cwd=cwd)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return done.stdout if expect == 0 else done.stdout + done.stderr
