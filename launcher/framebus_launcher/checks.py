"""Checks of the configuration that only a service can make: it is asked as a short process; the launcher imports none.

Where the check itself cannot be made (it takes too long, its libraries are not installed) that is noted in the log and
nothing is refused: the service tells the same when it starts.
"""

import contextlib
import logging
import os
import subprocess
import sys

import msgspec

from framebus.errors import ExitCode
from framebus.redact import redact
from framebus.settings import EnrichSettings, Settings
from framebus_launcher.table import built_in_settings

log = logging.getLogger(__name__)

SHOWN_CHARACTERS = 300


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what a check says."""

    path: str
    message: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what a check says of what is well."""

    path: str
    note: str


def find_processor_problems(settings: Settings, limit_s: float) -> list[str]:
    """What is wrong with the processors: unknown names, settings that they do not take; each with its path.

    It starts Python and waits for it, at most `limit_s`; settings that are all defaults need no check. The detector is
    left out: its model may take long to load, and a camera does without when it is broken.
    """
    enrich = built_in_settings(settings, "enrich", EnrichSettings)
    if enrich is None:
        return []
    enrich = msgspec.structs.replace(enrich, detector=None)
    if enrich == EnrichSettings():
        return []
    lines = _ask(enrich, limit_s, "the processors were")
    return [f"services.enrich.{line.path}: {line.message}" for line in lines if isinstance(line, Problem)]


def check_detector(settings: Settings, limit_s: float) -> tuple[str, list[str]]:
    """What the detector is, in one line, after its model has run once; or empty, and what is wrong with it."""
    enrich = built_in_settings(settings, "enrich", EnrichSettings)
    if enrich is None or enrich.detector is None:
        return "", []
    lines = _ask(EnrichSettings(detector=enrich.detector), limit_s, "the detector was")
    problems = [f"services.enrich.{line.path}: {line.message}" for line in lines if isinstance(line, Problem)]
    return next((line.note for line in lines if isinstance(line, Note)), ""), problems


def _ask(enrich: EnrichSettings, limit_s: float, what: str) -> list[Problem | Note]:
    """What the service says of its settings, nothing where it can't be asked; `what` is as in `the processors were`."""
    command = [sys.executable, "-m", "framebus_services.enrich", "--check", "/dev/stdin"]
    try:
        done = subprocess.run(
            command,
            input=msgspec.json.encode(enrich),
            capture_output=True,
            timeout=limit_s,
            env={name: value for name, value in os.environ.items() if not name.startswith("FRAMEBUS_")},
        )
    except subprocess.TimeoutExpired:
        log.warning("%s not checked: no answer within %.0f s", what, limit_s)
        return []
    except OSError as error:
        log.warning("%s not checked: %s", what, error.strerror)
        return []
    lines = _read(done.stdout)
    has_problems = any(isinstance(line, Problem) for line in lines)
    if done.returncode not in (ExitCode.OK, ExitCode.CONFIGURATION) or has_problems != bool(done.returncode):
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        why = redact(last)[:SHOWN_CHARACTERS] or f"exit code {done.returncode}"
        log.warning("%s not checked: %s", what, why)
        return []
    return lines


def _read(lines: bytes) -> list[Problem | Note]:
    read: list[Problem | Note] = []
    for line in lines.splitlines():
        with contextlib.suppress(msgspec.DecodeError):  # libraries may print something as they are imported
            read.append(msgspec.json.decode(line, type=Problem))
        with contextlib.suppress(msgspec.DecodeError):
            read.append(msgspec.json.decode(line, type=Note))
    return read
