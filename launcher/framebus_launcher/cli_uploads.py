"""The command that shows what was uploaded, and what became of it."""

from typing import Annotated

import typer
from rich.table import Table

from framebus.requests import MAX_ROWS, ListUploads, UploadRow, Uploads
from framebus_launcher.cli_options import JsonOption, RunOption
from framebus_launcher.client import GroupClient
from framebus_launcher.output import clock, make_console, size, to_json

_WORDS = {
    "claimed": "waits to be handed in",
    "done": "handed in",
    "duplicate": "duplicate, came before",
    "rejected": "rejected",
    "refused": "its job was refused",
    "gone": "removed before its turn",
}


def add_to(app: typer.Typer) -> None:
    app.command()(uploads)


def uploads(
    camera: Annotated[str, typer.Argument(help="Only of this camera.")] = "",
    limit: Annotated[int, typer.Option(help="How many, the newest.", min=1, max=MAX_ROWS)] = 20,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files that cameras uploaded, what became of each, and why some were refused.

    Example: framebus uploads front_door
    """
    with GroupClient(run) as group:
        found = group.ask("ingest", ListUploads(camera=camera or None, limit=limit))
    console = make_console()
    if as_json:
        console.print(to_json(found))
        return
    if found.rows:
        console.print(_table(found.rows))
    for line in _lines(found, camera):
        console.print(line)


def _table(rows: list[UploadRow]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("came", "camera", "file", "size", "", "job"):
        table.add_column(column, overflow="fold")
    for row in rows:
        word = _WORDS.get(row.state, row.state)
        table.add_row(
            clock(row.at_s),
            row.camera or "-",
            row.path,
            size(row.size_bytes),
            f"{word}: {row.reason}" if row.reason else word,
            row.job_id[:4] if row.job_id else "-",
        )
    return table


def _lines(found: Uploads, camera: str) -> list[str]:
    lines = [] if found.rows else [f"nothing was uploaded{f' for {camera}' if camera else ''} yet"]
    if found.on_their_way:
        lines.append(f"{found.on_their_way} on their way")
    return [*lines, *(text if text.startswith("uploads ") else f"waits: {text}" for text in found.held)]
