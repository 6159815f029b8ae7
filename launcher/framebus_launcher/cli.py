"""The command `framebus`: one place where its commands come together."""

import sys
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from framebus_launcher import (
    cli_cameras,
    cli_chaos,
    cli_doctor,
    cli_events,
    cli_group,
    cli_jobs,
    cli_link,
    cli_logs,
    cli_news,
    cli_plugins,
    cli_submit,
    cli_tape,
    cli_uploads,
    cli_why,
)
from framebus_launcher.demo import run_demo
from framebus_launcher.follow import INTERRUPTED
from framebus_launcher.mistakes import MISTAKES, explain
from framebus_launcher.output import make_console

STAY_S = 60.0
EDIT_S = 600.0
"""while somebody writes a processor"""

app = typer.Typer(
    name="framebus",
    help="Camera video as small processes that talk over ZeroMQ.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        make_console().print(f"framebus {version('framebus')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before a command."""


@app.command()
def demo(
    source: Annotated[
        str,
        typer.Option(
            envvar="FRAMEBUS_DEMO_SOURCE", help="A video file or rtsp:// address instead of the synthetic camera."
        ),
    ] = "",
    seconds: Annotated[
        float | None,
        typer.Option(help="How long it stays up at the end, on a terminal: 60, with --processor 600.", min=0.0),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop right after the story.")] = False,
    clips: Annotated[Path, typer.Option(help="Where the clips end.")] = Path("demo-clips"),
    processor: Annotated[
        list[str] | None,
        typer.Option(help="Your own code on each frame: a file, taken anew when it is saved, or an installed name."),
    ] = None,
) -> None:
    """Show everything working: a camera, a clip, and what happens when processes are killed.

    Example: framebus demo --source driveway.mp4
    """
    if seconds is None:
        seconds = EDIT_S if processor else STAY_S
    stay_s = 0.0 if once or not sys.stdout.isatty() else seconds
    raise typer.Exit(run_demo(source, clips=clips, stay_s=stay_s, processors=processor or []))


# In the order of `framebus --help`, each group under its title.
PANELS = {
    "Begin": ("demo", "init", "add", "import", "doctor", "new", "try"),
    "The group": (
        "check",
        "up",
        "run",
        "down",
        "status",
        "start",
        "stop",
        "restart",
        "reload",
        "logs",
        "link",
        "chaos",
    ),
    "Cameras": ("why", "events", "uploads", "export"),
    "Jobs": ("submit", "jobs", "queue", "watch", "cancel", "retry"),
    "The bus": ("topics", "tap", "call", "record", "replay"),
}

cli_cameras.add_to(app)
cli_group.add_to(app)
cli_logs.add_to(app)
cli_submit.add_to(app)
cli_jobs.add_to(app)
cli_news.add_to(app)
cli_doctor.add_to(app)
cli_chaos.add_to(app)
cli_events.add_to(app)
cli_uploads.add_to(app)
cli_plugins.add_to(app)
cli_why.add_to(app)
cli_tape.add_to(app)
cli_link.add_to(app)


def _arrange() -> None:
    """Give each command its panel and its place in it."""
    places = {name: panel for panel, names in PANELS.items() for name in names}
    names = {id(one): one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    for one in app.registered_commands:
        one.rich_help_panel = places[names[id(one)]]
    app.registered_commands.sort(key=lambda one: list(places).index(names[id(one)]))


_arrange()


def main() -> None:
    """Run the command; errors that a user can mend are one line, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without our letters is no reason to fail
    console = make_console(is_error=True)
    try:
        sys.exit(app(standalone_mode=False))
    except MISTAKES as error:
        mistake = explain(error)
        for line in mistake.lines:
            console.print(f"error: {line}", style="red")
        sys.exit(mistake.code)
    except typer.Abort:  # Ctrl-C or Ctrl-D where something was asked
        console.print("nothing was done", style="dim")
        sys.exit(INTERRUPTED)
