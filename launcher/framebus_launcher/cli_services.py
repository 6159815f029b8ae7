"""The commands that change which services of a running group run, and with what: start, stop, restart, reload."""

import time
from collections.abc import Callable

import typer

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import ServiceState, ServiceStatus
from framebus.requests import ListServices, Reload, RestartService, StartService, StopService
from framebus_launcher.cli_options import NameArgument, RunOption
from framebus_launcher.client import GroupClient
from framebus_launcher.output import make_console
from framebus_launcher.reload import summary

SERVICE_LIMIT_S = 20.0
POLL_S = 0.05


def add_to(app: typer.Typer) -> None:
    for command in (start, stop, restart, reload):
        app.command()(command)


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
        _print_when(group, name, _is_ready_after(old))


def reload(run: RunOption = None) -> None:
    """Read the configuration again; only what changed in it is started, stopped or restarted.

    Example: framebus reload
    """
    with GroupClient(run) as group:
        old = {one.name: one.incarnation for one in group.ask("launcher", ListServices()).services}
        applied = group.ask("launcher", Reload())
        make_console().print(f"applied: {summary(applied)}")
        for name in (*applied.restarted, *applied.started):
            _print_when(group, name, _is_ready_after(old.get(name, -1)))


def _is_ready_after(incarnation: int) -> Callable[[ServiceStatus], bool]:
    return lambda one: one.state is ServiceState.READY and one.incarnation > incarnation


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
