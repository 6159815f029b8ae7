"""The commands about jobs that are there: jobs, queue, watch, cancel, retry."""

import time
from typing import Annotated

import msgspec
import typer

from framebus import codec
from framebus.errors import ErrorCode, ExitCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobBoard, JobState, JobView, QueueStatus
from framebus.requests import CancelCase, CancelJob, GetQueue, GetState, GetStory, JobStory, ListJobs, RetryJob
from framebus_launcher.cli_options import JsonOption, RunOption, WatchOption
from framebus_launcher.client import GroupClient
from framebus_launcher.command import command_name
from framebus_launcher.follow import follow_all, follow_to_end
from framebus_launcher.handing_in import accepted_text
from framebus_launcher.job_text import jobs_table, queue_lines, story_lines
from framebus_launcher.mistakes import refusal
from framebus_launcher.output import error_text, job_line, make_console, to_json

MAX_CASE_PAGES = 40
DigitsArgument = Annotated[str, typer.Argument(metavar="ID", help="Digits of its id, as framebus jobs shows them.")]


def add_to(app: typer.Typer) -> None:
    for command in (jobs, queue, watch, cancel, retry):
        app.command()(command)


def _state(text: str) -> JobState:
    states = [state for state in JobState if state is not JobState.UNKNOWN]
    if text not in states:
        raise typer.BadParameter(f"{text!r} is no state of a job; there are {', '.join(states)}")
    return JobState(text)


def jobs(
    digits: Annotated[str, typer.Argument(metavar="ID", help="The story of one job; some digits are enough.")] = "",
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    state: Annotated[
        JobState | None, typer.Option(parser=_state, metavar="STATE", help="Only in this state, as in failed.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Only of this camera.")] = None,
    case: Annotated[str | None, typer.Option(help="Only of this case.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=500)] = 30,
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first; with an ID the story of one. As many digits of the ids are shown as tell them apart.

    Example: framebus jobs --state failed
    """
    console = make_console()
    with GroupClient(run) as group:
        if digits:
            story = _story(group, group.find_job(digits))
            needed = group.digits_for([story.job.id])
            exports = group.exports()
        else:
            request = ListJobs(type=kind, state=state, camera=camera, case=case, limit=limit)
            found = group.ask("dispatcher", request).jobs
            needed = group.digits_for([job.id for job in found])
            positions = {} if as_json else _positions(_boards(group))
    if digits and as_json:
        told = {name: getattr(story.job, name) for name in story.job.__struct_fields__}
        console.print(to_json({**told, "moves": story.moves, "evidence": story.evidence}))
    elif digits:
        for line in story_lines(story, needed, time.time(), exports):
            console.print(line)
    elif as_json:
        for job in found:
            console.print(to_json(job))
    else:
        console.print(jobs_table(found, needed, positions, time.time()) if found else "no jobs")


def queue(
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="A job type; without it all of them.")] = "",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how full the queues are, how long a new job waits, and what holds them up.

    Example: framebus queue export
    """
    console = make_console()
    with GroupClient(run) as group:
        kinds = [kind] if kind else sorted(board.type for board in _boards(group))
        for one in kinds:
            status = group.ask("dispatcher", GetQueue(type=one))
            if as_json:
                console.print(to_json({"type": one, **msgspec.structs.asdict(status)}))
                continue
            for line in queue_lines(one, status, _why_it_rests(group, one, status), time.time()):
                console.print(line)
        if not kinds:
            console.print("no job types yet")


def watch(
    digits: Annotated[str, typer.Argument(metavar="ID", help="One job; without it all jobs, until Ctrl-C.")] = "",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a job to its end; the exit code tells it (0 succeeded, 1 failed or dead, 75 cancelled).

    Example: framebus watch 7f3a
    """
    with GroupClient(run) as group:
        if not digits:
            follow_all(group, as_json=as_json)
            return
        code = follow_to_end(group, [group.find_job(digits).id], as_json=as_json)
    raise typer.Exit(code)


def cancel(
    digits: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Digits of their ids.")] = None,
    case: Annotated[str, typer.Option(help="All jobs of this case instead.")] = "",
    run: RunOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop jobs, one by one or all of a case; those that run are told, and end soon after.

    Example: framebus cancel 7f3a c539
    """
    if bool(digits) == bool(case):
        raise typer.BadParameter("name jobs by their ids, or all of a case by --case NAME")
    has_refused = False
    with GroupClient(run) as group:
        stopped: list[JobView] = []
        ended: set[str] = set()
        if case:
            stopped = _cancel_case(group, case)
        for one in digits or []:
            try:
                before = group.find_job(one)
                stopped.append(group.ask("dispatcher", CancelJob(id=before.id)))
                if before.state in FINAL:
                    ended.add(before.id)
            except RefusedError as error:
                if len(digits or []) == 1:
                    raise
                has_refused = True
                make_console(is_error=True).print(f"error: {one}: {refusal(error)}", style="red")
        needed = group.digits_for([job.id for job in stopped])
    console = make_console()
    for job in stopped:
        late = "   had ended before: nothing was stopped" if job.id in ended else ""
        console.print(to_json(job) if as_json else job_line(job, needed).append(late, "dim"))
    if case and not stopped and not as_json:
        console.print(f"no job of {case} was waiting or running")
    raise typer.Exit(ExitCode.FAILED if has_refused else ExitCode.OK)


def retry(
    digits: DigitsArgument, watch: WatchOption = False, run: RunOption = None, as_json: JsonOption = False
) -> None:
    """Hand in a job again that ended: a new job with the same parameters.

    Example: framebus retry 7f3a --watch
    """
    console = make_console()
    with GroupClient(run) as group:
        old = group.find_job(digits)
        accepted = group.ask("dispatcher", RetryJob(id=old.id))
        if as_json:
            console.print(to_json(accepted))
        else:
            needed = group.digits_for([old.id, accepted.id])
            again = f"{accepted_text(accepted, needed)}: {old.id[:needed]} again"
            console.print(again if watch else f"{again}   ({command_name()} watch {accepted.id[:needed]})")
        code = follow_to_end(group, [accepted.id], as_json=as_json) if watch else int(ExitCode.OK)
    raise typer.Exit(code)


def _story(group: GroupClient, job: JobView) -> JobStory:
    try:
        return group.ask("dispatcher", GetStory(id=job.id))
    except RefusedError as error:
        if error.code is not ErrorCode.UNKNOWN_METHOD:  # a dispatcher of before this version tells no stories
            raise
        return JobStory(job=job, moves=[])


def _boards(group: GroupClient) -> list[JobBoard]:
    rows = group.ask("dispatcher", GetState(prefix="job_state/")).rows
    return [codec.decode_body(bytes(row.body), JobBoard) for row in rows]


def _positions(boards: list[JobBoard]) -> dict[str, int]:
    """Places in line of the jobs that wait, as far as boards tell them."""
    return {
        job.id: place
        for board in boards
        for place, job in enumerate((one for one in board.waiting if one.state is JobState.QUEUED), 1)
    }


def _why_it_rests(group: GroupClient, kind: str, status: QueueStatus) -> str:
    """The newest failure among the jobs that are tried again: for that the type rests."""
    if status.resting_until_at_s is None:
        return ""
    for state in (JobState.RETRYING, JobState.FAILED):
        found = group.ask("dispatcher", ListJobs(type=kind, state=state, limit=1)).jobs
        if found and found[0].error is not None:
            return error_text(found[0])
    return ""


def _cancel_case(group: GroupClient, case: str) -> list[JobView]:
    stopped: list[JobView] = []
    for _ in range(MAX_CASE_PAGES):
        answer = group.ask("dispatcher", CancelCase(case=case))
        stopped += answer.jobs
        if answer.next is None:
            break
    return stopped
