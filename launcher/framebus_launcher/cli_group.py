"""The commands about a group: up, run, down, status, start, stop, restart, check."""

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.text import Text

from framebus import codec
from framebus.errors import ErrorCode, ExitCode, RefusedError
from framebus.messages import CameraState, CameraStatus, ServiceState, ServiceStatus
from framebus.place import Place
from framebus.redact import RedactingFormatter
from framebus.requests import GetState, ListServices, RestartService, StartService, StateRow, StopService
from framebus.settings import Settings
from framebus_launcher.client import GroupClient, JsonOption, RunOption
from framebus_launcher.config import load_settings, place_of
from framebus_launcher.group import Group
from framebus_launcher.incarnation import Incarnations
from framebus_launcher.live import LiveTable
from framebus_launcher.lock import find_launchers
from framebus_launcher.output import cameras_table, is_terminal, make_console, services_table, to_json
from framebus_launcher.spawner import search_path
from framebus_launcher.table import Row, make_table, rows_of_kinds

DOWN_LIMIT_S = 12.0
SERVICE_LIMIT_S = 20.0
POLL_S = 0.05

ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", help="The configuration (default: framebus.yml here).")
]
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="FRAMEBUS_DATA", help="Folder of recordings, exports and the ledger.")
]
NameArgument = Annotated[str, typer.Argument(help="As in export, or capture@front.")]
_LEVEL_STYLES = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow"}


def add_to(app: typer.Typer) -> None:
    for command in (up, run, down, status, start, stop, restart, check):
        app.command()(command)


def up(
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
    only: Annotated[list[str] | None, typer.Option(help="Only services of this kind; may be repeated.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Log lines instead of the live table.")] = False,
) -> None:
    """Start the group and keep it up, in the foreground.

    Example: framebus up -c framebus.yml
    """
    settings, place, rows = _load(config, data, run)
    rows = rows_of_kinds(rows, only) if only else rows
    console = make_console()
    width = max(len(row.name) for row in rows)

    def show(name: str, line: str) -> None:
        level = line.partition(" ")[0]
        text = Text(f"{time.strftime('%H:%M:%S')} {name:<{width}} ", "dim")
        text.append(line, _LEVEL_STYLES.get(level, ""))
        console.print(text)

    _log_by(show)
    group = Group(settings, place, rows=rows, kinds=only or [], on_line=show)
    live = contextlib.nullcontext() if plain or not is_terminal() else LiveTable(console, group.bus, group.services)
    with live:
        code = group.run()
    raise typer.Exit(code)


def run(name: NameArgument, config: ConfigOption = None, data: DataOption = None, run: RunOption = None) -> None:
    """Run one service of the configuration in the foreground, as systemd does.

    Example: framebus run capture@front
    """
    _, place, rows = _load(config, data, run)
    row = next((row for row in rows if row.name == name), None)
    if row is None:
        raise typer.BadParameter(f"the configuration has no {name}; it has {', '.join(row.name for row in rows)}")
    place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": search_path(os.environ), **place.to_environment(), **row.env}
    environment["FRAMEBUS_NAME"] = row.name
    environment["FRAMEBUS_INCARNATION"] = str(Incarnations(place.data).draw(time.time()))
    environment["FRAMEBUS_SETTINGS"] = _in_memory(row.section)
    try:
        os.execvpe(row.argv[0], row.argv, environment)  # the service itself is what systemd started
    except OSError as error:
        raise typer.BadParameter(f"{row.argv[0]} cannot be started: {error.strerror}") from None


def down(run: RunOption = None) -> None:
    """Stop a running group in good order.

    Example: framebus down
    """
    place = Place.at(run)
    pids = [pid for pid in find_launchers(place.run) if _is_ours(pid)]
    if not pids:
        raise RefusedError(ErrorCode.UNAVAILABLE, f"no group runs in {place.run}")
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    end_s = time.monotonic() + DOWN_LIMIT_S
    while find_launchers(place.run):
        if time.monotonic() > end_s:
            raise RefusedError(ErrorCode.DEADLINE, f"process {pids[0]} is still stopping after {DOWN_LIMIT_S:.0f} s")
        time.sleep(POLL_S)
    make_console().print("stopped")


def status(run: RunOption = None, as_json: JsonOption = False) -> None:
    """Show services and cameras of a running group.

    Example: framebus status --json
    """
    with GroupClient(run) as group:
        services = _services(group)
        try:
            cameras = [_camera(row) for row in group.ask("dispatcher", GetState(prefix="camera/")).rows]
        except RefusedError as error:
            make_console(is_error=True).print(f"cameras: {error}", style="yellow")
            cameras = []
    console = make_console()
    if as_json:
        console.print(to_json({"services": services, "cameras": cameras}))
    else:
        console.print(services_table(services))
        if cameras:
            console.print()
            console.print(cameras_table(cameras))
    is_well = all(one.state in (ServiceState.READY, ServiceState.STOPPED) for one in services)
    raise typer.Exit(ExitCode.OK if is_well else ExitCode.FAILED)


def start(name: NameArgument, run: RunOption = None) -> None:
    """Start a service that is stopped or broken.

    Example: framebus start export
    """
    with GroupClient(run) as group:
        group.ask("launcher", StartService(name=name))
        _print_when(group, name, lambda one: one.state is ServiceState.READY)


def stop(name: NameArgument, run: RunOption = None) -> None:
    """Stop a service; it stays stopped until framebus start, or the next framebus up.

    Example: framebus stop export
    """
    with GroupClient(run) as group:
        group.ask("launcher", StopService(name=name))
        _print_when(group, name, lambda one: one.state is ServiceState.STOPPED)
    make_console().print(f"until: framebus start {name}, or the next framebus up", style="dim")


def restart(name: NameArgument, run: RunOption = None) -> None:
    """Stop a service in good order and start it again.

    Example: framebus restart export
    """
    with GroupClient(run) as group:
        old = group.ask("launcher", RestartService(name=name)).incarnation
        _print_when(group, name, lambda one: one.state is ServiceState.READY and one.incarnation > old)


def check(config: ConfigOption = None, data: DataOption = None, run: RunOption = None) -> None:
    """Validate the configuration: all errors at once, each with its place; exit code 78 when there are any.

    Example: framebus check -c framebus.yml
    """
    settings, place, rows = _load(config, data, run)
    console = make_console()
    console.print(f"the configuration is fine: {len(settings.cameras)} cameras, {len(rows)} processes")
    for row in rows:
        console.print(f"  {row.name}")
    console.print(f"data {place.data}   run {place.run}   shm {place.shm}", style="dim")


def _load(config: Path | None, data: Path | None, run: Path | None) -> tuple[Settings, Place, list[Row]]:
    settings = load_settings(config, data=data, run=run)
    place = place_of(settings)
    return settings, place, make_table(settings, place)


def _services(group: GroupClient) -> list[ServiceStatus]:
    """From the launcher; where launchers run parts of a group, or systemd does, from what the dispatcher has heard."""
    if (group.place.run / "req.launcher").exists():
        return group.ask("launcher", ListServices()).services
    rows = group.ask("dispatcher", GetState(prefix="service/")).rows
    return [codec.decode_body(bytes(row.body), ServiceStatus) for row in rows]


def _is_ours(pid: int) -> bool:
    """Whether this pid is a launcher here; one in a container writes down a pid that means nothing outside."""
    try:
        return any("framebus" in word for word in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _camera(row: StateRow) -> CameraStatus:
    status = codec.decode_body(bytes(row.body), CameraStatus)
    if not row.is_stale:
        return status
    return CameraStatus(
        camera=status.camera,
        state=CameraState.OFFLINE,
        detail="its process is restarting",
        since_at_s=row.at_s,
        source=status.source,
    )


def _print_when(group: GroupClient, name: str, is_so: Callable[[ServiceStatus], bool]) -> None:
    """Wait until a service is as it was asked to be, and say so; raises RefusedError when it does not get there."""
    end_s = time.monotonic() + SERVICE_LIMIT_S
    while True:
        status = next(one for one in group.ask("launcher", ListServices()).services if one.name == name)
        if is_so(status):
            make_console().print(f"{name} {status.state.value}")
            return
        if status.state is ServiceState.BROKEN or time.monotonic() > end_s:
            why = f": {status.reason}" if status.reason else ""
            raise RefusedError(ErrorCode.UNAVAILABLE, f"{name} is {status.state.value}{why}")
        time.sleep(POLL_S)


def _in_memory(section: bytes) -> str:
    """A file for the settings that only this process and its successor see, and that nobody has to remove."""
    descriptor = os.memfd_create("settings", 0)
    os.write(descriptor, section)
    return f"/proc/self/fd/{descriptor}"


def _log_by(show: Callable[[str, str], None]) -> None:
    """The launcher's own log lines look like those of the services."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            show("launcher", self.format(record))

    handler = Handler()
    handler.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
