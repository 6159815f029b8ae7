"""Checks the settings of the processors without running any, for the launcher: `python -m framebus_services.enrich
--check SETTINGS`, where SETTINGS is a JSON file with the section `enrich`.

Each problem is a line of JSON, `{"path": "processors[0].brightness.dark_below", "message": "..."}`; the exit code is 78
when there are any.
"""

import logging
import sys
from pathlib import Path
from typing import Any

import msgspec

from framebus.check_line import CheckLine
from framebus.errors import ExitCode
from framebus.plugin_classes import load_processor
from framebus.problems import find_problems
from framebus.settings import EnrichSettings
from framebus_services.enrich.orders import Load, find_entry_problems

log = logging.getLogger(__name__)


def check(file: Path, load: Load = load_processor) -> int:
    """Write what is wrong with the settings in `file` to standard output; returns the exit code."""
    try:
        problems = find_section_problems(msgspec.json.decode(file.read_bytes()), load)
    except (OSError, msgspec.DecodeError) as error:
        log.error("the settings in %s cannot be read: %s", file, error)
        return ExitCode.USAGE
    for problem in problems:
        path, _, message = problem.partition(": ")
        sys.stdout.write(msgspec.json.encode(CheckLine(path=path, message=message)).decode() + "\n")
    return ExitCode.CONFIGURATION if problems else ExitCode.OK


def find_section_problems(section: Any, load: Load) -> list[str]:
    """All that is wrong with the section, each with its path."""
    problems = find_problems(section, EnrichSettings)
    if problems:
        return problems
    return find_entry_problems(msgspec.convert(section, EnrichSettings).processors, load)
