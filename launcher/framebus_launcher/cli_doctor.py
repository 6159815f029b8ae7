"""The command `framebus doctor`: what of this machine helps or hinders, a line each with its mend."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import typer
from rich.text import Text

from framebus.errors import ConfigError, ExitCode
from framebus.place import Place
from framebus_launcher import doctor_machine, doctor_parts, doctor_place
from framebus_launcher.cli_options import ConfigOption, DataOption, JsonOption, RunOption
from framebus_launcher.config import DEFAULT_FILES, load_settings, place_of
from framebus_launcher.finding import Finding, Level, fail, ok
from framebus_launcher.output import make_console, to_json

CHECKS: tuple[Callable[[], Finding], ...] = (
    doctor_machine.check_system,
    doctor_machine.check_cores,
    doctor_machine.check_memory,
    doctor_machine.check_heat,
    doctor_machine.check_clock,
    doctor_machine.check_files,
    doctor_machine.check_inotify,
    doctor_parts.check_python,
    doctor_parts.check_libraries,
    doctor_parts.check_camera_libraries,
    doctor_parts.check_codecs,
)
PLACE_CHECKS: tuple[Callable[[Place], Finding], ...] = (
    doctor_place.check_shm,
    doctor_place.check_run,
    doctor_place.check_data,
    doctor_place.check_disk_speed,
    doctor_place.check_port,
    doctor_place.check_groups,
)
_STYLES = {Level.OK: "", Level.WARN: "yellow", Level.FAIL: "red"}
NAME_WIDTH = 14


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at this machine: one line each, ok, warn or fail, with the mend; exit code 1 when something fails.

    Example: framebus doctor -c framebus.yml
    """
    console = make_console()
    has_failed = False
    for finding in examine(config, data, run):
        has_failed = has_failed or finding.level is Level.FAIL
        console.print(to_json(msgspec.to_builtins(finding)) if as_json else finding_line(finding))
    raise typer.Exit(ExitCode.FAILED if has_failed else ExitCode.OK)


def examine(config: Path | None, data: Path | None, run: Path | None) -> list[Finding]:
    """All checks, in their order."""
    findings = [check() for check in CHECKS]
    place, most, found = _place(config, data, run)
    findings.append(found)
    if place is not None:
        findings += [check(place) for check in PLACE_CHECKS]
        findings += [doctor_place.check_recordings(place, most)] if most is not None else []
    return findings


def finding_line(finding: Finding) -> Text:
    line = Text(f"{finding.level.value:<5} ", _STYLES[finding.level])
    line.append(f"{finding.name:<{NAME_WIDTH}} ", "bold")
    line.append(finding.text)
    if finding.mend:
        line.append(f"  ->  {finding.mend}", _STYLES[finding.level])
    return line


def _place(config: Path | None, data: Path | None, run: Path | None) -> tuple[Place | None, str | None, Finding]:
    """Where the group of the configuration lives, and what its recordings may take; the default folders where there is
    none, or a wrong one."""
    found = ok("configuration", "none here; framebus.yml in this folder is the default")
    if config is not None or any(Path(name).is_file() for name in DEFAULT_FILES):
        try:
            settings = load_settings(config, data=data, run=run)
            return place_of(settings), settings.recordings.max, ok("configuration", "fine")
        except ConfigError as error:
            more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
            found = fail("configuration", f"{error.problems[0]}{more}", "framebus check tells all of it")
    try:
        return Place.at(run, data=data), None, found
    except ConfigError as error:
        return None, None, fail("run folder", error.problems[0], "choose a shorter one with --run")
