"""The command `framebus link`: the address of the page with a token, at any time, for one who may see it."""

import importlib
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from framebus.access import ADDRESS, LOOPBACK, AccessFile, Reach, Role, find_reach
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import NAME_PATTERN
from framebus_launcher.cli_options import RunOption
from framebus_launcher.client import GroupClient, find_group
from framebus_launcher.output import make_console
from framebus_launcher.page_link import link_of
from framebus_launcher.words import counted


def add_to(app: typer.Typer) -> None:
    app.command()(link)


def link(
    role: Annotated[Role, typer.Option(help="admin may do all; viewer sees.")] = Role.ADMIN,
    camera: Annotated[list[str] | None, typer.Option(help="Only this one, for a viewer; may be repeated.")] = None,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take back the links of this role (and cameras); who has one is sent away.")
    ] = False,
    token: Annotated[bool, typer.Option("--token", help="Print the token alone, for programs.")] = False,
    qr: Annotated[bool, typer.Option("--qr", help="Draw it, too: for the camera of a phone.")] = False,
    address: Annotated[
        str,
        typer.Option(envvar=ADDRESS, help="How it is reached from where it is opened, as in http://nas:8480."),
    ] = "",
    run: RunOption = None,
) -> None:
    """Print a link that opens the page; keep it to yourself: who has it comes in.

    Example: framebus link --role viewer
    """
    if camera and role is not Role.VIEWER:
        raise typer.BadParameter("only a viewer's link can be for some cameras", param_hint="--camera")
    if wrong := [name for name in camera or [] if not re.fullmatch(NAME_PATTERN, name)]:
        raise typer.BadParameter(f"{wrong[0]!r} is no camera's name", param_hint="--camera")
    reach = _find(run)
    file = AccessFile(Path(reach.data))
    cameras = sorted(set(camera)) if camera else None
    if cameras and not revoke:  # the links of a camera that is gone may be taken back yet
        _check_cameras(cameras, run)
    console = make_console()
    try:
        if revoke:
            console.print(f"{counted(file.revoke(role, cameras), 'link')} of {role} taken back")
            return
        grant = file.give(role, cameras)
    except ValueError as error:
        raise RefusedError(ErrorCode.CONFLICT, str(error)) from None
    whole = link_of(reach, grant, address)
    console.print(grant.token if token else whole)
    if qr:
        _draw(whole)


def _check_cameras(cameras: list[str], run: Path | None) -> None:
    with GroupClient(run) as group:
        known = group.cameras()
    if unknown := [name for name in cameras if name not in known]:
        text = f"there is no camera {', '.join(unknown)}; the group has {', '.join(known) or 'none'}"
        raise RefusedError(ErrorCode.NOT_FOUND, text)


def _draw(whole: str) -> None:
    try:
        lines = importlib.import_module("framebus_launcher.qr").qr_lines(whole)
    except ModuleNotFoundError as error:
        text = f"there is no {error.name} here: pip install 'framebus[web]'"
        raise RefusedError(ErrorCode.UNAVAILABLE, text) from None
    console = make_console()
    for line in lines:
        console.print(line, no_wrap=True)
    host = urlsplit(whole).hostname
    if host in LOOPBACK:
        errors = make_console(is_error=True)
        errors.print(
            f"{host} is this machine only: a phone needs http: {{bind: 0.0.0.0}} in framebus.yml, or --address"
        )


def _find(run: Path | None) -> Reach:
    """Where the gateway of this group listens; raises RefusedError where none does."""
    place = find_group(run)
    reach = find_reach(place.run)
    if reach is None:
        text = f"no gateway runs in {place.run}; `http: off` leaves it out, and framebus status tells how it is"
        raise RefusedError(ErrorCode.UNAVAILABLE, text)
    return reach
