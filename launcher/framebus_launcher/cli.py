"""The command `framebus`: one place where its commands come together."""

import importlib
import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from framebus_launcher.mistakes import INTERRUPTED, MISTAKES, explain
from framebus_launcher.output import make_console

# In the order of `framebus --help`, each group under its title; and the module that has it.
PANELS = {
    "Begin": {
        "demo": "cli_demo",
        "init": "cli_cameras",
        "add": "cli_cameras",
        "import": "cli_cameras",
        "doctor": "cli_doctor",
        "new": "cli_plugins",
        "try": "cli_plugins",
    },
    "The group": {
        "check": "cli_check",
        "up": "cli_group",
        "run": "cli_group",
        "down": "cli_group",
        "status": "cli_group",
        "start": "cli_services",
        "stop": "cli_services",
        "restart": "cli_services",
        "reload": "cli_services",
        "logs": "cli_logs",
        "link": "cli_link",
        "chaos": "cli_chaos",
    },
    "Cameras": {
        "why": "cli_why",
        "events": "cli_events",
        "uploads": "cli_uploads",
        "export": "cli_submit",
        "notify": "cli_notify",
    },
    "Jobs": {
        "submit": "cli_submit",
        "jobs": "cli_jobs",
        "queue": "cli_jobs",
        "watch": "cli_jobs",
        "cancel": "cli_jobs",
        "retry": "cli_jobs",
    },
    "The bus": {
        "topics": "cli_news",
        "tap": "cli_news",
        "call": "cli_news",
        "record": "cli_tape",
        "replay": "cli_tape",
    },
}


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        make_console().print(f"framebus {version('framebus')}")
        raise typer.Exit


def options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """What stands before a command."""


def make_app(command: str = "") -> typer.Typer:
    """All commands; or, as loading them takes longer than many of them run, those of the module that has `command`."""
    app = typer.Typer(
        name="framebus",
        help="Camera video as small processes that talk over ZeroMQ.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    modules = {name: module for commands in PANELS.values() for name, module in commands.items()}
    for module in [modules[command]] if command in modules else dict.fromkeys(modules.values()):
        importlib.import_module(f"framebus_launcher.{module}").add_to(app)
    _arrange(app)
    return app


def _arrange(app: typer.Typer) -> None:
    """Give each command its panel and its place in it."""
    places = {name: panel for panel, names in PANELS.items() for name in names}
    names = {id(one): one.name or one.callback.__name__ for one in app.registered_commands if one.callback}
    for one in app.registered_commands:
        one.rich_help_panel = places[names[id(one)]]
    app.registered_commands.sort(key=lambda one: list(places).index(names[id(one)]))


def run(app: typer.Typer) -> None:
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
