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

from framebus.addresses import Kind, parse_address
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
    is_fatal: bool = True
    """else the rest may run, and it is only told"""


def find_processor_problems(settings: Settings, limit_s: float) -> list[str]:
    """What is wrong with the processors: unknown names, settings that they do not take; each with its path.

    It starts Python and waits for it, at most `limit_s`; settings that are all defaults need no check.
    """
    enrich = built_in_settings(settings, "enrich", EnrichSettings)
    if enrich is None or enrich == EnrichSettings():
        return []
    problems = _ask("enrich", "processors", msgspec.json.encode(enrich), limit_s)
    return [f"services.enrich.{problem.path}: {problem.message}" for problem in problems]


def find_source_problems(settings: Settings, limit_s: float) -> list[str]:
    """What is wrong with the settings of sources of the user's own, each with its path.

    As `find_processor_problems`; where no camera has such a source nothing is started. One that can't be loaded is
    logged: its camera will say so, and the others run.
    """
    own = {
        name: camera
        for name, camera in settings.cameras.items()
        if any(parse_address(source).kind is Kind.PLUGIN for source in (camera.source, camera.detect.source) if source)
    }
    if not own:
        return []
    problems = _ask("capture", "sources", msgspec.json.encode(own), limit_s)
    for problem in problems:
        if not problem.is_fatal:
            log.warning("cameras.%s: %s", problem.path, problem.message)
    return [f"cameras.{problem.path}: {problem.message}" for problem in problems if problem.is_fatal]


def _ask(module: str, what: str, section: bytes, limit_s: float) -> list[Problem]:
    command = [sys.executable, "-m", f"framebus_services.{module}", "--check", "/dev/stdin"]
    try:
        done = subprocess.run(
            command,
            input=section,
            capture_output=True,
            timeout=limit_s,
            env={name: value for name, value in os.environ.items() if not name.startswith("FRAMEBUS_")},
        )
    except subprocess.TimeoutExpired:
        log.warning("the %s were not checked: no answer within %.0f s", what, limit_s)
        return []
    except OSError as error:
        log.warning("the %s were not checked: %s", what, error.strerror)
        return []
    problems = _read(done.stdout)
    if done.returncode not in (ExitCode.OK, ExitCode.CONFIGURATION) or bool(problems) != bool(done.returncode):
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        why = redact(last)[:SHOWN_CHARACTERS] or f"exit code {done.returncode}"
        log.warning("the %s were not checked: %s", what, why)
        return []
    return problems


def _read(lines: bytes) -> list[Problem]:
    problems = []
    for line in lines.splitlines():
        with contextlib.suppress(msgspec.DecodeError):  # libraries may print something as they are imported
            problems.append(msgspec.json.decode(line, type=Problem))
    return problems
