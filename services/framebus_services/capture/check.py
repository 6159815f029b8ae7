"""Checks the sources of the user's own without opening any, for the launcher: `python -m framebus_services.capture
--check SETTINGS`, where SETTINGS is a JSON file with the cameras that have one.

Each problem is a line of JSON, `{"path": "front.settings.exposure_us", "message": "..."}`; the exit code is 78 when
there are any. The file of a source is imported for it, as it will be when the camera starts.
"""

import logging
import sys
from pathlib import Path

import msgspec

from framebus.addresses import Kind, parse_address
from framebus.arguments import find_argument_problems
from framebus.check_line import CheckLine
from framebus.errors import ConfigError, ExitCode
from framebus.settings import Camera
from framebus.source_plugins import load_source

log = logging.getLogger(__name__)


def check(file: Path) -> int:
    """Write what is wrong with the cameras in `file` to standard output; returns the exit code."""
    try:
        cameras = msgspec.json.decode(file.read_bytes(), type=dict[str, Camera])
    except (OSError, msgspec.DecodeError) as error:
        log.error("the settings in %s cannot be read: %s", file, error)
        return ExitCode.USAGE
    problems = [problem for name, camera in cameras.items() for problem in find_camera_problems(name, camera)]
    for problem in problems:
        sys.stdout.write(msgspec.json.encode(problem).decode() + "\n")
    return ExitCode.CONFIGURATION if problems else ExitCode.OK


def find_camera_problems(name: str, camera: Camera) -> list[CheckLine]:
    """All that is wrong with the sources of a camera, as far as names and types tell."""
    problems = []
    for where, source in (("source", camera.source), ("detect.source", camera.detect.source)):
        if source is None or parse_address(source).kind is not Kind.PLUGIN:
            continue
        try:
            kind = load_source(parse_address(source))
        except ConfigError as error:
            # One that can't be loaded is only told: the other cameras may run.
            problems += [CheckLine(path=f"{name}.{where}", message=each, is_fatal=False) for each in error.problems]
            continue
        for problem in find_argument_problems(kind, camera.settings, f"{name}.settings"):
            path, _, message = problem.partition(": ")
            problems.append(CheckLine(path=path, message=message))
    return problems
