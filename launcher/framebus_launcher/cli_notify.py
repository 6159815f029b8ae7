"""The command that sends one test message now: notify."""

from typing import Annotated

import msgspec
import typer

import framebus
from framebus.errors import ErrorCode, ExitCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.requests import Ping
from framebus_launcher.cli_options import JsonOption, RunOption
from framebus_launcher.client import GroupClient
from framebus_launcher.handing_in import SUBMIT_S, make_request
from framebus_launcher.output import make_console, size, to_json

SERVICE = "notify"
TEXT = "This is a test of framebus"


def add_to(app: typer.Typer) -> None:
    app.command()(notify)


def notify(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="One of services.notify.to, as in phone.")],
    camera: Annotated[str, typer.Option(help="Whose picture is sent; default: the first that has one.")] = "",
    text: Annotated[str, typer.Option(help="What it says.")] = TEXT,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send one test message now, and say what the endpoint answers; exit code 1 when it does not take it.

    Example: framebus notify phone
    """
    params = {"to": target, "kind": "test", "text": text, **({"camera": camera} if camera else {})}
    request = make_request(SERVICE, params, name=text)
    console = make_console()
    with GroupClient(run) as group:
        _check_is_there(group)
        _check_camera(group, camera)
        accepted = group.ask("dispatcher", request, SUBMIT_S)
        last = _end_of(group, accepted.id)
        if as_json:
            console.print(to_json(last))
        elif last.state is JobState.SUCCEEDED:
            result = msgspec.msgpack.decode(bytes(last.result))
            picture_bytes = result.get("picture_bytes", 0)
            picture = f"with a picture of {size(picture_bytes)}" if picture_bytes else "without a picture"
            console.print(f"{target} answers {result.get('answer')}   ({picture})")
        else:
            why = last.error.message if last.error is not None else f"the job ended {last.state.value}"
            make_console(is_error=True).print(f"error: {why}", style="red")
    raise typer.Exit(ExitCode.OK if last.state is JobState.SUCCEEDED else ExitCode.FAILED)


def _check_is_there(group: GroupClient) -> None:
    try:
        group.ask(SERVICE, Ping())
    except RefusedError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        text = "this group notifies nobody: write services.notify into its configuration (docs/notify.md)"
        raise RefusedError(ErrorCode.UNAVAILABLE, text) from None


def _check_camera(group: GroupClient, camera: str) -> None:
    if camera and camera not in (known := group.cameras()):
        text = f"there is no camera {camera}; known are {', '.join(known) or 'none'}"
        raise RefusedError(ErrorCode.NOT_FOUND, text)


def _end_of(group: GroupClient, job_id: str) -> JobView:
    last: JobView | None = None
    for view in framebus.watch(job_id, run=group.place.run):
        last = view
        if view.state in FINAL:
            break
    if last is None:
        raise AssertionError("a watch yields the job at least once")
    return last
