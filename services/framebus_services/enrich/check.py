"""Checks the settings of enrich for the launcher: `python -m framebus_services.enrich --check SETTINGS`, where SETTINGS
is a JSON file with the section `enrich`. No processor is run; a detector's model looks once at a grey picture.

Each problem is a line of JSON, `{"path": "processors[0].brightness.dark_below", "message": "..."}`; the exit code is 78
when there are any. Of a model that works a line tells what it is: `{"path": "detector", "note": "..."}`.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from framebus.detector_settings import DetectorSettings
from framebus.errors import ExitCode
from framebus.processor import Processor
from framebus.settings import EnrichSettings, find_problems
from framebus.worker import OnCrash, TaskEnd, WorkerProcess
from framebus_services.enrich.host import BUILT_IN, find_entry_problems
from framebus_services.enrich.looked import LOOK, OPEN_LOOKER, Describe, Described, Looked

log = logging.getLogger(__name__)


LIMIT_S = 60.0
"""for a model to be loaded and run"""
NO_LIBRARY = "ModuleNotFoundError"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    path: str
    message: str


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is well, and worth to be told."""

    path: str
    note: str


def check(file: Path, known: Mapping[str, type[Processor]] = BUILT_IN) -> int:
    """Write what is wrong with the settings in `file` to standard output; returns the exit code."""
    try:
        section = msgspec.json.decode(file.read_bytes())
        problems = find_section_problems(section, known)
    except (OSError, msgspec.DecodeError) as error:
        log.error("the settings in %s cannot be read: %s", file, error)
        return ExitCode.USAGE
    if not find_problems(section, EnrichSettings):
        problems += _check_detector(msgspec.convert(section, EnrichSettings).detector)
    for problem in problems:
        path, _, message = problem.partition(": ")
        sys.stdout.write(msgspec.json.encode(Problem(path=path, message=message)).decode() + "\n")
    return ExitCode.CONFIGURATION if problems else ExitCode.OK


def find_section_problems(section: Any, known: Mapping[str, type[Processor]]) -> list[str]:
    """All that is wrong with the section, each with its path."""
    problems = find_problems(section, EnrichSettings)
    if problems:
        return problems
    return find_entry_problems(msgspec.convert(section, EnrichSettings).processors, known)


def _check_detector(settings: DetectorSettings | None) -> list[str]:
    """Let the model look at a grey picture, in a process of its own: tell what it is, or return what is wrong."""
    if settings is None:
        return []
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
    if (
        outcome is None or outcome.end is TaskEnd.NOT_STARTED
    ):  # not the fault of the model: perhaps a library is missing
        why = f"no answer within {LIMIT_S:.0f} s" if outcome is None else outcome.error
        log.warning("the detector was not checked: %s", why)
        return []
    if not outcome.is_done:
        return [f"detector.model: it fails on a grey picture: {outcome.error}"]
    described = outcome.result
    if described.problem:
        return [f"detector.{described.setting}: {described.problem}"]
    sys.stdout.write(msgspec.json.encode(Note(path="detector", note=described.summary())).decode() + "\n")
    return []
