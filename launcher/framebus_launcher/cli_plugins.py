"""The commands for who writes plug-ins: new, try."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from framebus_launcher.cli_options import JsonOption
from framebus_launcher.command import command_name, python_name
from framebus_launcher.output import make_console
from framebus_launcher.plugin_template import PluginKind, make_plugin

TRYING = "framebus_services.trying"


def add_to(app: typer.Typer) -> None:
    app.command()(new)
    app.command("try")(try_)


def new(
    kind: Annotated[PluginKind, typer.Argument(help="What it shall be.")],
    name: Annotated[str, typer.Argument(help="As in parking_lot: a-z, 0-9 and _.")],
    into: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Make a plug-in of your own: a package of one module, with a test that passes.

    Example: framebus new processor hello
    """
    try:
        files = make_plugin(kind, name, into)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    folder = files[0].parent
    console = make_console()
    console.print(f"made {folder}: {'  '.join(path.name for path in files)}")
    console.print("next:")
    for line in _next_commands(kind, name, folder):
        console.print(f"  {line}")


def _next_commands(kind: PluginKind, name: str, folder: Path) -> list[str]:
    framebus, python = command_name(), python_name()
    place = folder if folder.is_absolute() else f"./{folder}"
    file = shlex.quote(f"{place}/{name}.py")
    install = (
        f"{python} -m pip install -e {shlex.quote(f'{place}[test]')} && {python} -m pytest {shlex.quote(str(place))}"
    )
    match kind:
        case PluginKind.PROCESSOR:
            return [f"{framebus} demo --processor {file}", f"{framebus} try {file} --source synthetic://", install]
        case PluginKind.SERVICE:
            return [install, f"{framebus} up", f"{framebus} tap finding/{name}/"]
        case PluginKind.JOB:
            return [install, f"{framebus} up", f"{framebus} submit {name} lines=3 --watch"]


def try_(
    processor: Annotated[
        str, typer.Argument(help="A file, as in ./mine.py or ./mine.py:Lights, or an installed name.")
    ],
    source: Annotated[str, typer.Option(help="A video file, a folder of pictures, or synthetic://.")],
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One of its settings; may be repeated.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="So many frames of each second; default: every one.")] = None,
    frames: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    save: Annotated[Path | None, typer.Option(help="Folder for a picture of each finding.")] = None,
    as_json: JsonOption = False,
    stop: Annotated[bool, typer.Option("--stop", help="End at the first exception, with its traceback.")] = False,
) -> None:
    """Run one processor over a video in one process, every frame in order: no bus, no group; breakpoint() works.

    Example: framebus try ./mine.py --source driveway.mp4 --set threshold=5
    """
    options: list[tuple[str, object]] = [("--source", source), ("--fps", fps), ("--frames", frames), ("--save", save)]
    words = [f"{name}={value}" for name, value in options if value is not None]
    words += [f"--set={text}" for text in setting or []]
    words += [name for name, is_given in (("--json", as_json), ("--stop", stop)) if is_given]
    # In its place: the terminal is the debugger's.
    os.execv(sys.executable, [sys.executable, "-m", TRYING, *words, "--", processor])
