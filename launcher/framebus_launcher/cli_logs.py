"""The command `framebus logs`: what the members of a running group printed."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from framebus.asking import MAX_ROWS
from framebus.errors import RefusedError
from framebus.logs import json_line
from framebus.requests import GetLogs, LogLine
from framebus_launcher.cli_options import JsonOption, RunOption
from framebus_launcher.client import GroupClient
from framebus_launcher.log_output import log_text, split_level
from framebus_launcher.output import make_console

POLL_S = 0.5
NAME_WIDTH = 16


def add_to(app: typer.Typer) -> None:
    app.command()(logs)


def logs(
    name: Annotated[str | None, typer.Argument(help="As in export, capture@front, or launcher; default: all.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes, until Ctrl-C.")] = False,
    number: Annotated[int, typer.Option("-n", "--lines", help="How many of the last lines.", min=1, max=MAX_ROWS)] = 50,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what services printed; the launcher keeps the last 200 lines of each.

    Example: framebus logs capture@front -f
    """
    show = _show_json if as_json else _show_plain()
    with GroupClient(run) as group:
        answer = group.ask("launcher", GetLogs(name=name, limit=number))
        while True:
            for line in answer.lines:
                show(line)
            if not follow:
                return
            if not answer.lines:
                time.sleep(POLL_S)
            try:
                answer = group.ask("launcher", GetLogs(name=name, after=answer.next, limit=MAX_ROWS))
            except RefusedError as error:
                make_console(is_error=True).print(f"the group has ended, or {name or 'it'} is gone: {error.message}")
                return


def _show_plain() -> Callable[[LogLine], None]:
    console = make_console()
    return lambda line: console.print(log_text(line.at_s, line.name, line.text, NAME_WIDTH))


def _show_json(line: LogLine) -> None:
    level, text = split_level(line.text)
    make_console().print(json_line(line.at_s, level, line.name, text, number=line.number))
