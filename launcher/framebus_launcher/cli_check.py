"""The command `framebus check`: all that is wrong with a configuration, and what it will take."""

import json
from pathlib import Path
from typing import Annotated

import typer

from framebus_launcher.cli_options import ConfigOption, DataOption, RunOption
from framebus_launcher.config_file import ConfigFile
from framebus_launcher.needs import find_needs
from framebus_launcher.output import make_console
from framebus_launcher.schema import make_schema
from framebus_launcher.words import counted


def add_to(app: typer.Typer) -> None:
    app.command()(check)


def check(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="The configuration; as -c.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the file instead, for editors.")
    ] = False,
) -> None:
    """Validate the configuration: all errors, each with its place; exit code 78 when there are any.

    What only a processor or a source of yours can check is looked at too, where its section is right.

    Example: framebus check framebus.yml
    """
    console = make_console()
    if schema:
        console.print(json.dumps(make_schema(), indent=2))
        return
    if file is not None and config is not None:
        raise typer.BadParameter("name the configuration once: as FILE, or with -c")
    found = ConfigFile(file or config, data=data, run=run)
    found.check_folders()
    first = found.first
    detector, warnings = found.check_detector()
    needs = find_needs(first)
    for warning in (*first.warnings, *warnings, *needs.warnings):
        console.print(f"warning: {warning}", style="yellow")
    cameras = counted(len(first.settings.cameras), "camera")
    console.print(f"the configuration is fine: {cameras}, {counted(len(first.rows), 'process', 'processes')}")
    for row in first.rows:
        console.print(f"  {row.name}")
    if detector:
        console.print(f"detector: {detector}")
    for line in needs.lines:
        console.print(line)
    place = first.place
    console.print(f"data {place.data}   run {place.run}   shm {place.shm}", style="dim")
