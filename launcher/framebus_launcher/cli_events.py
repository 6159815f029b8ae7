"""The command that shows what was there: objects that a camera saw, from the files that enrich keeps."""

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from framebus.errors import ErrorCode, RefusedError
from framebus.events import EndedObject, Ending, events_folder, list_events
from framebus.keep_settings import seconds
from framebus_launcher.cli_options import ConfigOption, DataOption, JsonOption
from framebus_launcher.client import GroupClient
from framebus_launcher.config import data_and_cameras
from framebus_launcher.output import make_console, to_json

_ENDINGS: dict[str, str] = {
    Ending.STOPPED: "enrich was stopped while it was there",
    Ending.LOST: "enrich died while it was there",
}


def add_to(app: typer.Typer) -> None:
    app.command()(events)


def events(
    camera: str,
    last: Annotated[str, typer.Option(help="The time up to now, as in 15m, 1h or 7d.")] = "1h",
    zone: Annotated[str, typer.Option(help="Only those that stood in this zone.")] = "",
    config: ConfigOption = None,
    data: DataOption = None,
    run: Annotated[Path | None, typer.Option("--run", help="Those of the group that runs with this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the objects that a camera saw, by their start; no group needs to run.

    Example: framebus events front --last 1h
    """
    try:
        last_s = seconds(last)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--last") from None
    folder, cameras = _folder_of(camera, config, data) if run is None else (_folder_in(run, camera), None)
    if zone and cameras is not None and zone not in cameras[camera]:
        raise typer.BadParameter(f"{camera} has no zone {zone}; {_listed('it has', cameras[camera])}")
    now_s = time.time()
    found = [
        event
        for event in list_events(folder, camera, max(0.0, now_s - last_s), now_s + 1.0)
        if not zone or zone in event.zones
    ]
    console = make_console()
    if as_json:
        for event in found:
            console.print(to_json(_with_path(event, folder)))
    elif found:
        _print_table(console, found, folder)
    else:
        console.print(f"{camera}: no object{f' of zone {zone}' if zone else ''} has ended in the last {last}")


def _folder_of(camera: str, config: Path | None, data: Path | None) -> tuple[Path, dict[str, list[str]] | None]:
    """The data folder, and the zones of each camera where a configuration tells them; raises RefusedError."""
    if data is not None and config is None:
        if not events_folder(data, camera).is_dir():
            raise RefusedError(ErrorCode.NOT_FOUND, f"{data} holds no events of a camera {camera}")
        return data, None
    folder, cameras = data_and_cameras(config)
    if camera not in cameras:
        text = f"there is no camera {camera}; {_listed('the configuration has', list(cameras))}"
        raise RefusedError(ErrorCode.NOT_FOUND, text)
    return data or folder, cameras


def _folder_in(run: Path, camera: str) -> Path:
    """The data folder of the group that runs there, and has this camera; raises RefusedError."""
    with GroupClient(run) as group:
        known, data = group.cameras(), group.data()
    if camera not in known:
        text = f"there is no camera {camera}; {_listed('the group has', known)}"
        raise RefusedError(ErrorCode.NOT_FOUND, text)
    if data is None:
        text = f"nobody who runs in {run} tells where the data is; name its folder with --data"
        raise RefusedError(ErrorCode.UNAVAILABLE, text)
    return data


def _listed(words: str, names: list[str]) -> str:
    return f"{words} {', '.join(names) or 'none'}"


def _with_path(event: EndedObject, folder: Path) -> dict[str, object]:
    """The event with the full path of its picture, or none where that is gone already."""
    path = _picture(event, folder)
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    return {**values, "duration_s": round(event.duration_s, 3), "picture": str(path) if path else None}


def _picture(event: EndedObject, folder: Path) -> Path | None:
    path = folder / event.picture if event.picture else None
    return path.absolute() if path is not None and path.is_file() else None


def _print_table(console: Console, found: list[EndedObject], folder: Path) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("start", "duration", "object", "score", "zones", "picture", ""):
        table.add_column(column, no_wrap=True, overflow="ignore")
    for event in found:
        path = _picture(event, folder)
        table.add_row(
            f"{datetime.fromtimestamp(event.start_at_s):%Y-%m-%d %H:%M:%S}",
            f"{event.duration_s:.1f} s",
            event.label,
            f"{event.score:.2f}",
            " ".join(event.zones),
            str(path) if path else "-",
            _ENDINGS.get(event.ending, ""),
        )
    console.print(table)
