"""The commands about a whole group: up, down, status; and run, which is one service without a launcher."""

import contextlib
import logging
import os
import signal
import sys
import time
from typing import Annotated

import psutil
import typer

from framebus import codec
from framebus.errors import ErrorCode, ExitCode, RefusedError
from framebus.group_here import find_launchers
from framebus.logs import FORMAT, JSON, wants_json
from framebus.messages import CameraState, CameraStatus, ServiceState, ServiceStatus
from framebus.requests import GetState, ListServices, StateRow
from framebus_launcher.cli_options import ConfigOption, DataOption, JsonOption, NameArgument, RunOption
from framebus_launcher.client import GroupClient, nobody_runs, place_meant
from framebus_launcher.config_file import ConfigFile
from framebus_launcher.group import Group
from framebus_launcher.incarnation import Incarnations
from framebus_launcher.live import LiveTable
from framebus_launcher.log_output import json_log, log_by, plain_log
from framebus_launcher.output import cameras_table, is_terminal, make_console, services_table, to_json
from framebus_launcher.page_link import PageLink
from framebus_launcher.renewal import Renewal
from framebus_launcher.spawner import search_path

DOWN_LIMIT_S = 12.0
POLL_S = 0.05

JsonLogsOption = Annotated[
    bool, typer.Option("--json-logs", help="One JSON object a line, for collectors of logs (FRAMEBUS_LOG_FORMAT=json).")
]
log = logging.getLogger(__name__)


def add_to(app: typer.Typer) -> None:
    for command in (up, run, down, status):
        app.command()(command)


def up(
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
    only: Annotated[list[str] | None, typer.Option(help="Only services of this kind; may be repeated.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Log lines instead of the live table.")] = False,
    dev: Annotated[
        bool, typer.Option("--dev", help="Start enrich again when the file of a processor is saved.")
    ] = False,
    json_logs: JsonLogsOption = False,
) -> None:
    """Start the group and keep it up, in the foreground.

    Example: framebus up -c framebus.yml
    """
    file = ConfigFile(config, data=data, run=run, kinds=only or [])
    first = file.first
    console = make_console()
    as_json = json_logs or wants_json(os.environ)
    width = max((len(row.name) for row in first.rows), default=0)
    show = json_log(_print_line) if as_json else plain_log(console, width)
    log_by(show)
    for warning in first.warnings:
        log.warning("%s", warning)
    is_drawn = is_terminal() and not plain and not as_json
    tell = console.print if is_terminal() else log.info
    page = PageLink(first.place, tell, with_token=is_terminal())
    group = Group(
        first.settings,
        first.place,
        rows=first.rows,
        kinds=only or [],
        file=file,
        on_change=page.note,
        on_line=show,
        renew=Renewal if dev else None,
    )
    live = LiveTable(console, group.bus, group.services) if is_drawn else contextlib.nullcontext()
    with live:
        code = group.run()
    raise typer.Exit(code)


def run(
    name: NameArgument,
    config: ConfigOption = None,
    data: DataOption = None,
    run: RunOption = None,
    json_logs: JsonLogsOption = False,
) -> None:
    """Run one service of the configuration in the foreground, as systemd does.

    Example: framebus run capture@front
    """
    first = ConfigFile(config, data=data, run=run).first
    place, rows = first.place, first.rows
    row = next((row for row in rows if row.name == name), None)
    if row is None:
        raise typer.BadParameter(f"the configuration has no {name}; it has {', '.join(row.name for row in rows)}")
    place.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": search_path(os.environ), **place.to_environment(), **row.env}
    environment["FRAMEBUS_NAME"] = row.name
    environment["FRAMEBUS_INCARNATION"] = str(Incarnations(place.data).draw(time.time()))
    environment["FRAMEBUS_SETTINGS"] = _in_memory(row.section)
    if json_logs:
        environment[FORMAT] = JSON
    try:
        os.execvpe(row.argv[0], row.argv, environment)  # the service itself is what systemd started
    except OSError as error:
        raise typer.BadParameter(f"{row.argv[0]} cannot be started: {error.strerror}") from None


def down(run: RunOption = None) -> None:
    """Stop a running group in good order.

    Example: framebus down
    """
    place = place_meant(run)
    pids = [pid for pid in find_launchers(place.run) if _is_ours(pid)]
    if not pids:
        raise nobody_runs(place)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)  # one that was stopped (SIGSTOP, Ctrl-Z) would not hear the first
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
            names = {one.name for one in services}
            rows = group.ask("dispatcher", GetState(prefix="camera/")).rows
            known = [row for row in rows if not row.is_stale or row.src in names]
            cameras = [_camera(row) for row in known]  # without those that the configuration no longer has
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


def _print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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


def _in_memory(section: bytes) -> str:
    """A file for the settings that only this process and its successor see, and that nobody has to remove."""
    descriptor = os.memfd_create("settings", 0)
    os.write(descriptor, section)
    return f"/proc/self/fd/{descriptor}"
