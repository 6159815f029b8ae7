"""Follows jobs to their end on the screen, and says by an exit code how it was."""

from collections.abc import Sequence

from rich.live import Live
from rich.text import Text

import framebus
from framebus.codec import News
from framebus.errors import ExitCode, MalformedError
from framebus.jobs import FINAL
from framebus.messages import JobBoard, JobState, JobView
from framebus.transport import Listener
from framebus_launcher.client import GroupClient
from framebus_launcher.command import command_name
from framebus_launcher.ids import digits_needed
from framebus_launcher.mistakes import INTERRUPTED
from framebus_launcher.output import error_text, is_terminal, job_line, make_console, to_json

_EXIT_CODES = {JobState.SUCCEEDED: ExitCode.OK, JobState.CANCELLED: ExitCode.TRY_AGAIN}


def follow_to_end(group: GroupClient, ids: Sequence[str], *, as_json: bool) -> int:
    """Show jobs one after the other up to their end.

    Returns 0 when all succeeded, 1 when one failed, 75 when one was cancelled, 130 after Ctrl-C.
    """
    digits = group.digits_for(ids)
    code: int = ExitCode.OK
    for job_id in ids:
        try:
            last = _follow(group, job_id, digits, as_json)
        except KeyboardInterrupt:
            short = job_id[:digits]
            name = command_name()
            text = f"\nthe job goes on; {name} watch {short} looks again, {name} cancel {short} stops it"
            make_console(is_error=True).print(text)
            return INTERRUPTED
        if last.state in (JobState.FAILED, JobState.DEAD):
            text = f"job {last.id[:digits]} {last.state.value}: {error_text(last) or 'no reason was given'}"
            make_console(is_error=True).print(text, style="red")
        if code != ExitCode.FAILED:
            code = _EXIT_CODES.get(last.state, ExitCode.FAILED) or code
    return code


def _follow(group: GroupClient, job_id: str, digits: int, as_json: bool) -> JobView:
    last: JobView | None = None
    for view in framebus.watch(job_id, run=group.place.run):
        _print_progress(group, view, digits, as_json)
        last = view
    if last is None:
        raise AssertionError("a watch yields the job at least once")
    return last


def _print_progress(group: GroupClient, view: JobView, digits: int, as_json: bool) -> None:
    console = make_console()
    if as_json:
        console.print(to_json(view))
        return
    exports = group.exports() if view.state is JobState.SUCCEEDED else None
    line = job_line(view, digits, exports)
    if is_terminal():
        console.file.write("\r\033[K")
        is_final = view.state in FINAL
        if not is_final:
            line.truncate(console.width - 1, overflow="ellipsis")  # a line that wraps cannot be drawn over
        console.print(line, end="\n" if is_final else "")
    else:
        console.print(line)
    console.file.flush()


def follow_all(group: GroupClient, *, as_json: bool) -> None:
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
                jobs = (*board.running, *board.waiting, *board.ended)
                digits = digits_needed({*told, *(job.id for job in jobs)})
                for job in jobs:
                    if not is_terminal() and told.get(job.id) != job:
                        console.print(to_json(job) if as_json else job_line(job, digits))
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
        counts = ", ".join(f"{number} {state}" for state, number in board.counts.items() if number)
        lines.append(Text(f"{board.type}: {board.status.value}   {counts}", "dim"))
        jobs = (*board.running, *board.waiting[:20], *board.ended[-10:])
        digits = digits_needed([job.id for job in jobs])
        lines += [job_line(job, digits) for job in jobs]
    return Text("\n").join(lines)
