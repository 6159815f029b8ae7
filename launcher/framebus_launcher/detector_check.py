"""Asks enrich, as a short process, what the configured detector is: its model looks once at a grey picture.

A model that is broken stops no camera, so this refuses nothing; it is for `framebus check`.
"""

import logging
import os
import subprocess
import sys

import msgspec

from framebus.detector_settings import DetectorSettings
from framebus.errors import ExitCode
from framebus.redact import redact
from framebus.settings import EnrichSettings, Settings
from framebus_launcher.table import built_in_settings

log = logging.getLogger(__name__)

LIMIT_S = 70.0
"""a large model takes long to load"""
SHOWN_CHARACTERS = 300
WITHOUT = "until that is mended the cameras run on motion alone"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the service says."""

    path: str
    message: str


def check_detector(settings: Settings) -> tuple[str, list[str]]:
    """What the detector is, in one line; or nothing, and what is wrong with it, with its path."""
    enrich = built_in_settings(settings, "enrich", EnrichSettings)
    if enrich is None or enrich.detector is None:
        return "", []
    code, answer = _ask(enrich.detector)
    if code == ExitCode.OK:
        return answer.message, []
    if code == ExitCode.CONFIGURATION:
        return "", [f"services.enrich.detector.{answer.path}: {answer.message}; {WITHOUT}"]
    log.warning("the detector was not checked: %s", answer.message)
    return "", []


def _ask(detector: DetectorSettings) -> tuple[int, Answer]:
    command = [sys.executable, "-m", "framebus_services.enrich", "--check-detector", "/dev/stdin"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEBUS_")}
    data = msgspec.json.encode(detector)
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=LIMIT_S, env=environment)
        last = done.stdout.rstrip().rpartition(b"\n")[2]  # libraries may print something as they are imported
        return done.returncode, msgspec.json.decode(last, type=Answer)
    except subprocess.TimeoutExpired:
        return ExitCode.UNAVAILABLE, Answer(path="", message=f"no answer within {LIMIT_S:.0f} s")
    except OSError as error:
        return ExitCode.UNAVAILABLE, Answer(path="", message=error.strerror or str(error))
    except msgspec.DecodeError:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        why = redact(said)[:SHOWN_CHARACTERS] or f"exit code {done.returncode}"
        return ExitCode.UNAVAILABLE, Answer(path="", message=why)
