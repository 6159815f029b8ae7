"""The commands about jobs: submit, export, jobs, watch, cancel, retry."""

import json
import time
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Raw
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from framebus import client, codec
from framebus.codec import News
from framebus.errors import ExitCode, MalformedError
from framebus.jobs import FINAL
from framebus.messages import JobBoard, JobState, JobView
from framebus.requests import CancelJob, JobAccepted, ListJobs, RetryJob, SubmitJob
from framebus.settings import seconds
from framebus.transport import Listener
from framebus_launcher.client import GroupClient, JsonOption, RunOption
from framebus_launcher.output import clock, files_of, is_terminal, job_line, make_console, to_json

_EXIT_CODES = {JobState.SUCCEEDED: ExitCode.OK, JobState.CANCELLED: ExitCode.TRY_AGAIN}


def add_to(app: typer.Typer) -> None:
    for command in (submit, export, jobs, watch, cancel, retry):
        app.command()(command)


def submit(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Job type, as in export.")],
    params: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE...", help="Values are JSON or text.")] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    priority: Annotated[int, typer.Option(help="Greater goes first.", min=-100, max=100)] = 0,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hand in a job of any type.

    Example: framebus submit export camera=front start=1790000000 end=1790000060
    """
    _submit(kind, dict(_pair(pair) for pair in params or []), name, priority, run, as_json)


def export(
    camera: str,
    last: Annotated[str, typer.Option(help="The time up to now, as in 60s or 5m.")] = "",
    start: Annotated[str, typer.Option("--from", help="ISO 8601, or seconds since 1970.")] = "",
    end: Annotated[str, typer.Option("--to", help="ISO 8601, or seconds since 1970.")] = "",
    name: Annotated[str, typer.Option(help="Part of the clip's name.")] = "",
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Make the clip even where nothing is recorded.")
    ] = False,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a clip of what a camera recorded.

    Example: framebus export front --last 20s
    """
    if bool(last) == bool(start and end):
        raise typer.BadParameter("give either --last 60s, or --from and --to")
    if last:
        now_s = time.time()
        start_s, end_s = now_s - _seconds(last), now_s
    else:
        start_s, end_s = _moment(start), _moment(end)
    params: dict[str, Any] = {"camera": camera, "start": start_s, "end": end_s}
    if allow_gaps:
        params["allow_gaps"] = True
    _submit("export", params, name, 0, run, as_json)


def jobs(
    digits: Annotated[str, typer.Argument(metavar="[ID]", help="One job; its first digits are enough.")] = "",
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    state: Annotated[JobState | None, typer.Option(help="Only in this state.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only of this camera.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 30,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first.

    Example: framebus jobs --state failed
    """
    with GroupClient(run) as group:
        if digits:
            found = [group.find_job(digits)]
        else:
            found = group.ask("dispatcher", ListJobs(type=kind, state=state, camera=camera, limit=limit)).jobs
    console = make_console()
    if as_json:
        for job in found:
            console.print(to_json(job))
    elif digits:
        _print_job(console, found[0])
    else:
        console.print(_jobs_table(found) if found else Text("no jobs"))


def watch(
    digits: Annotated[str, typer.Argument(metavar="[ID]", help="One job; without it all jobs, until Ctrl-C.")] = "",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a job to its end; the exit code tells it (0 succeeded, 1 failed, 75 cancelled).

    Example: framebus watch 7f3a
    """
    with GroupClient(run) as group:
        if not digits:
            _watch_all(group, as_json)
            return
        last = group.find_job(digits)
        for view in client.watch(last.id, run=group.place.run):
            _print_progress(view, as_json)
            last = view
    raise typer.Exit(_EXIT_CODES.get(last.state, ExitCode.FAILED))


def cancel(digits: Annotated[str, typer.Argument(metavar="ID")], run: RunOption = None) -> None:
    """Stop a job.

    Example: framebus cancel 7f3a
    """
    with GroupClient(run) as group:
        view = group.ask("dispatcher", CancelJob(id=group.find_job(digits).id))
    make_console().print(job_line(view))


def retry(digits: Annotated[str, typer.Argument(metavar="ID")], run: RunOption = None) -> None:
    """Hand in a job again that ended.

    Example: framebus retry 7f3a
    """
    with GroupClient(run) as group:
        _print_accepted(group.ask("dispatcher", RetryJob(id=group.find_job(digits).id)), as_json=False)


def _submit(kind: str, params: dict[str, Any], name: str, priority: int, run: Any, as_json: bool) -> None:
    try:
        request = SubmitJob(type=kind, params=Raw(codec.encode(params)), name=name or None, priority=priority)
        msgspec.msgpack.decode(codec.encode(request), type=SubmitJob)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from None
    with GroupClient(run) as group:
        _print_accepted(group.ask("dispatcher", request, 10.0), as_json)


def _print_accepted(accepted: JobAccepted, as_json: bool) -> None:
    console = make_console()
    if as_json:
        console.print(to_json(accepted))
        return
    place = f"number {accepted.position} in line" if accepted.position else accepted.state.value
    console.print(f"job {accepted.id[:4]} accepted, {place}   (framebus watch {accepted.id[:4]})")


def _print_job(console: Console, job: JobView) -> None:
    console.print(job_line(job))
    for word, value in (
        ("id", job.id),
        ("name", job.name),
        ("created", clock(job.created_at_s)),
        ("started", clock(job.started_at_s)),
        ("ended", clock(job.ended_at_s)),
        ("attempt", job.attempt),
        ("result", to_json(job.result)),
    ):
        if value not in (None, "null"):
            console.print(f"  {word:<8} {value}")


def _jobs_table(found: list[JobView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("job", "type", "camera", "state", "created", "attempt", ""):
        table.add_column(column)
    for job in found:
        note = f"{job.error.code}: {job.error.message}" if job.error else "".join(files_of(job)[-1:]) or job.step
        table.add_row(
            job.id[:4], job.type, job.camera or "-", job.state.value, clock(job.created_at_s), str(job.attempt), note
        )
    return table


def _print_progress(view: JobView, as_json: bool) -> None:
    console = make_console()
    if as_json:
        console.print(to_json(view))
        return
    is_final = view.state in FINAL
    if is_terminal():
        console.file.write("\r\033[K")
        console.print(job_line(view), end="\n" if is_final else "")
        console.file.flush()
    else:
        console.print(job_line(view))


def _watch_all(group: GroupClient, as_json: bool) -> None:
    """The boards of all job types until Ctrl-C; on a terminal redrawn in place, else each job's news once."""
    console = make_console()
    told: dict[str, JobView] = {}
    boards: dict[str, JobBoard] = {}
    with Listener(group.place, "job_state/") as listener, Live(console=console, auto_refresh=False) as live:
        while True:
            for news in listener.wait(1.0):
                board = _board(news)
                if board is None:
                    continue
                boards[board.type] = board
                for job in (*board.running, *board.waiting, *board.ended):
                    if not is_terminal() and told.get(job.id) != job:
                        console.print(to_json(job) if as_json else job_line(job))
                    told[job.id] = job
                told = {
                    job_id: job
                    for job_id, job in told.items()
                    if job.type != board.type or job.state not in FINAL or job in board.ended
                }
            if is_terminal() and not as_json:
                live.update(_board_text(boards), refresh=True)


def _board(news: News) -> JobBoard | None:
    try:
        board = news.decode()
    except MalformedError:
        return None
    return board if isinstance(board, JobBoard) else None


def _board_text(boards: dict[str, JobBoard]) -> Text:
    lines = []
    for board in boards.values():
        counts = ", ".join(f"{number} {state}" for state, number in board.counts.items())
        lines.append(Text(f"{board.type}: {board.status.value}   {counts}", "dim"))
        lines += [job_line(job) for job in (*board.running, *board.waiting[:20], *board.ended[-10:])]
    return Text("\n").join(lines)


def _pair(pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"{pair!r} is no KEY=VALUE")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _seconds(duration: str) -> float:
    try:
        return seconds(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _moment(text: str) -> float:
    """Seconds since 1970 of a number or an ISO 8601 time; without a zone it is local time."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2026-11-21T14:02:11 or seconds since 1970") from None
