"""The command that explains a camera: each stage of its frames' way, and what is not well."""

import time
from typing import Annotated

import typer
from rich.text import Text

from framebus.codec import decode_body
from framebus.errors import DeadlineError, ErrorCode, ExitCode, RefusedError
from framebus.evidence import Evidence
from framebus.messages import CameraStatus
from framebus.requests import GetState
from framebus.stage import Stage, drop_words
from framebus.transport import Listener
from framebus.why import Why, explain
from framebus_launcher.cli_options import JsonOption, RunOption
from framebus_launcher.client import GroupClient
from framebus_launcher.output import make_console, text_table, to_json

LOOK_S = 2.2
"""two of the stats that each service tells once a second, and a little"""
MORE_S = 2.0
"""for the second of them, where a busy machine is late"""
TURN_S = 0.1


def add_to(app: typer.Typer) -> None:
    app.command()(why)


def why(
    camera: str,
    seconds: Annotated[float, typer.Option(help="How long to look.", min=1.2, max=600.0)] = LOOK_S,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a camera: what each stage of its way does now, what was lost and why. Exit code 1: it is not well.

    Example: framebus why front
    """
    with GroupClient(run) as group:
        evidence = Evidence(camera=camera)
        _look(group, evidence, seconds)
        if evidence.status is None and evidence.capture not in evidence.services:
            _note_last(group, evidence)
    answer = explain(evidence)
    console = make_console()
    if as_json:
        console.print(to_json(answer))
    else:
        console.print(answer.verdict, style="green" if answer.is_well else "yellow")
        console.print(_table(answer))
    raise typer.Exit(ExitCode.OK if answer.is_well else ExitCode.FAILED)


def _look(group: GroupClient, evidence: Evidence, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    with Listener(group.place, *evidence.topics) as listener:
        while (left_s := end_s - time.monotonic()) > 0.0:
            evidence.note_all(listener.wait(left_s))
        while not evidence.has_rates and time.monotonic() < end_s + MORE_S:
            evidence.note_all(listener.wait(TURN_S))


def _note_last(group: GroupClient, evidence: Evidence) -> None:
    """What was last said of a camera that nobody speaks of now; raises RefusedError when nobody ever did."""
    try:
        rows = group.ask("dispatcher", GetState(prefix="camera/")).rows
    except DeadlineError:
        raise RefusedError(ErrorCode.UNAVAILABLE, "the dispatcher is silent; framebus status tells more") from None
    known = {row.topic.split("/")[1]: row for row in rows}
    if evidence.camera not in known:
        there = ", ".join(known) or "none"
        raise RefusedError(ErrorCode.NOT_FOUND, f"there is no camera {evidence.camera}; there are: {there}")
    row = known[evidence.camera]
    status = decode_body(row.body, CameraStatus)
    evidence.status, evidence.told_at_s, evidence.is_stale = status, row.at_s, True


def _table(answer: Why) -> object:
    table = text_table("stage", "fps", "wanted", "p50 ms", "p99 ms", "")
    for stage in answer.stages:
        note = Text("; ".join(part for part in (stage.trouble, _lost(stage), *stage.notes) if part))
        note.stylize("yellow", 0, len(stage.trouble))
        table.add_row(
            stage.name, _shown(stage.rate_hz), _shown(stage.wanted_hz), _shown(stage.p50_ms), _shown(stage.p99_ms), note
        )
    return table


def _lost(stage: Stage) -> str:
    return "" if stage.trouble or not stage.drops else drop_words(stage.drops)


def _shown(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}"
