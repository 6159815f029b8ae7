"""Checks of the configuration that only a service can make: it is asked as a short process; the launcher imports none.

Where the check itself cannot be made (it takes too long, its libraries are not installed) that is noted in the log and
nothing is refused: the service tells the same when it starts.
"""

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from framebus.addresses import Kind, parse_address
from framebus.check_line import CheckLine
from framebus.errors import ExitCode, FramebusError
from framebus.redact import redact
from framebus.settings import EnrichSettings, Settings
from framebus_launcher.table import ENRICH, built_in_settings

log = logging.getLogger(__name__)

SHOWN_CHARACTERS = 300
TURN_S = 0.2
"""how soon a check ends that is not wanted any more"""


class CheckError(FramebusError):
    """The check could not be made; the text says why."""


def _never() -> bool:
    return False


def find_processor_problems(settings: Settings, limit_s: float) -> list[str]:
    """What is wrong with the processors: unknown names, settings that they do not take; each with its path.

    It starts Python and waits for it, at most `limit_s`; settings that are all defaults need no check.
    """
    enrich = built_in_settings(settings, ENRICH, EnrichSettings)
    if enrich is None or enrich == EnrichSettings():
        return []
    try:
        return check_processors(enrich, limit_s)
    except CheckError as error:
        log.warning("the processors were not checked: %s", error)
        return []


def check_processors(enrich: EnrichSettings, limit_s: float, is_stopping: Callable[[], bool] = _never) -> list[str]:
    """What is wrong with the processors; from any thread. Raises CheckError, also when it is asked to stop."""
    problems = _ask("enrich", msgspec.json.encode(enrich), limit_s, is_stopping)
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
    try:
        problems = _ask("capture", msgspec.json.encode(own), limit_s)
    except CheckError as error:
        log.warning("the sources were not checked: %s", error)
        return []
    for problem in problems:
        if not problem.is_fatal:
            log.warning("cameras.%s: %s", problem.path, problem.message)
    return [f"cameras.{problem.path}: {problem.message}" for problem in problems if problem.is_fatal]


def _ask(module: str, section: bytes, limit_s: float, is_stopping: Callable[[], bool] = _never) -> list[CheckLine]:
    code, out, err = ask_module(module, "--check", section, limit_s, is_stopping)
    problems = _read(out)
    if code not in (ExitCode.OK, ExitCode.CONFIGURATION) or bool(problems) != bool(code):
        raise CheckError(last_words(err) or f"exit code {code}")
    return problems


def ask_module(
    module: str, option: str, request: bytes, limit_s: float, is_stopping: Callable[[], bool] = _never
) -> tuple[int, bytes, bytes]:
    """Run a service's module as a short process that reads `request`; its exit code, output and errors.

    Raises CheckError when it cannot be started, or takes longer than `limit_s`.
    """
    command = [sys.executable, "-m", f"framebus_services.{module}", option, "/dev/stdin"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEBUS_")}
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    except OSError as error:
        raise CheckError(error.strerror) from None
    with child:
        out, err = _communicate(child, request, limit_s, is_stopping)
    return child.returncode, out, err


def last_words(err: bytes) -> str:
    """The last line of what a process complained about, without credentials."""
    last = err.decode(errors="replace").strip().rpartition("\n")[2]
    return redact(last)[:SHOWN_CHARACTERS]


def _communicate(
    child: "subprocess.Popen[bytes]", section: bytes, limit_s: float, is_stopping: Callable[[], bool]
) -> tuple[bytes, bytes]:
    end_s = time.monotonic() + limit_s
    unsent: bytes | None = section
    while True:
        try:
            return child.communicate(unsent, timeout=max(0.0, min(TURN_S, end_s - time.monotonic())))
        except subprocess.TimeoutExpired:
            if time.monotonic() >= end_s or is_stopping():
                child.kill()
                raise CheckError(f"no answer within {limit_s:.0f} s") from None
            unsent = None  # it was taken over at the first call


def _read(lines: bytes) -> list[CheckLine]:
    problems = []
    for line in lines.splitlines():
        with contextlib.suppress(msgspec.DecodeError):  # libraries may print something as they are imported
            problems.append(msgspec.json.decode(line, type=CheckLine))
    return problems
