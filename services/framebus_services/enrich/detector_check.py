"""Lets a detector's model look once at a grey picture, for the launcher: `python -m framebus_services.enrich
--check-detector SETTINGS`, where SETTINGS is a JSON file with the section `enrich.detector`.

The answer is a line of JSON: `{"path": "", "message": "yolox, 416x416, ..."}` with exit code 0, or what is wrong and
the setting that has to change, `{"path": "model", "message": "..."}`, with exit code 78.
"""

import logging
import sys
from pathlib import Path

import msgspec

from framebus.check_line import CheckLine
from framebus.detector_settings import DetectorSettings
from framebus.errors import ExitCode
from framebus.worker import OnCrash, TaskEnd, WorkerProcess
from framebus_services.enrich.looked import LOOK, OPEN_LOOKER, Describe, Described, Looked

log = logging.getLogger(__name__)

LIMIT_S = 60.0
"""for a model to be loaded and run"""
NO_LIBRARY = "ModuleNotFoundError"


def check_detector(file: Path) -> int:
    """Write what the model is, or what is wrong with it, to standard output; returns the exit code."""
    try:
        settings = msgspec.json.decode(file.read_bytes(), type=DetectorSettings)
    except (OSError, msgspec.DecodeError) as error:
        log.error("the settings in %s cannot be read: %s", file, error)
        return ExitCode.USAGE
    described = _describe(settings)
    if described is None:
        return ExitCode.UNAVAILABLE
    path, message = (described.setting, described.problem) if described.problem else ("", described.summary())
    sys.stdout.write(msgspec.json.encode(CheckLine(path=path, message=message)).decode() + "\n")
    return ExitCode.CONFIGURATION if described.problem else ExitCode.OK


def _describe(settings: DetectorSettings) -> Described | None:
    """What the model is, found out in a process of its own; None where that can't be found out here."""
    with WorkerProcess(
        LOOK,
        initialize=OPEN_LOOKER,
        setup=settings,
        on_crash=OnCrash.FAIL,
        task_limit_s=settings.limit_s,
        result_type=Described | Looked,
        name="detector",
    ) as worker:
        worker.submit("describe", Describe())
        outcome = next(worker.results(timeout_s=LIMIT_S), None)
    if outcome is None:
        return Described(problem=f"it was not loaded within {LIMIT_S:.0f} s")
    if outcome.end is TaskEnd.NOT_STARTED and NO_LIBRARY in outcome.error:  # it may be there where enrich will run
        log.warning("%s", outcome.error)
        return None
    if not outcome.is_done:
        return Described(problem=f"it fails on a grey picture: {outcome.error}")
    return outcome.result if isinstance(outcome.result, Described) else None
