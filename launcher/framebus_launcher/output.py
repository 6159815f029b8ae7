"""How the command line looks: words, bars and tables; colour on a terminal, plain lines without one."""

import json
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw
from rich.console import Console
from rich.table import Table
from rich.text import Text

from framebus.causes import said_of
from framebus.messages import CameraStatus, JobState, JobView, ServiceState, ServiceStatus
from framebus.stage import killed_by
from framebus_launcher.ids import MIN_DIGITS
from framebus_launcher.words import plain, soon

BAR_CELLS = 20
PLAIN_COLUMNS = 240
"""width of tables that no terminal limits"""
JOB_STYLES = {
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.DEAD: "red",
    JobState.RETRYING: "yellow",
    JobState.CANCELLED: "dim",
}
_AT_WORK = (JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING)
_SERVICE_STYLES = {
    ServiceState.SUSPECTED: "yellow",
    ServiceState.RESTARTING: "yellow",
    ServiceState.STARTING: "yellow",
    ServiceState.BROKEN: "red",
}


def make_console(*, is_error: bool = False) -> Console:
    """The console of one command; it wraps nothing, so that lines can be cut and counted by other programs."""
    stream = sys.stderr if is_error else sys.stdout
    width = None if stream.isatty() else PLAIN_COLUMNS
    return Console(stderr=is_error, width=width, highlight=False, soft_wrap=True, emoji=False, markup=False)


def bar(percent: float) -> str:
    """A progress bar of text.

    >>> bar(71.0)
    '██████████████░░░░░░'
    """
    full = int(percent * BAR_CELLS / 100.0)
    return "█" * full + "░" * (BAR_CELLS - full)


def job_line(job: JobView, digits: int = MIN_DIGITS, exports: Path | None = None) -> Text:
    """One job on one line, as in `job 7f3a copying    ██████████████░░░░░░   71 %`; its clip as it can be opened."""
    word = job.step if job.state is JobState.RUNNING and job.step else job.state.value
    line = Text(f"job {job.id[:digits]} ")
    line.append(f"{word:<10} ", JOB_STYLES.get(job.state, ""))
    if job.state is JobState.RUNNING:
        line.append(f"{bar(job.percent)} {job.percent:4.0f} %  ", "blue")
    line.append(f" {job.type} {job.camera or ''}".rstrip())
    if job.cancelling:
        line.append("  stopping", "yellow")
    if job.state is JobState.RETRYING and job.next_try_at_s is not None:
        line.append(f"  again {soon(job.next_try_at_s, time.time())}", "yellow")
    if job.error is not None and job.state not in (JobState.SUCCEEDED, JobState.CANCELLED):
        before = "before this try: " if job.state in _AT_WORK else ""  # else it reads as if this try had failed
        line.append(f"  {before}{error_text(job)}", JOB_STYLES.get(job.state, "yellow"))
    if job.state is JobState.SUCCEEDED:
        line.append("".join(f"  {opened_name(name, exports)}" for name in files_of(job)[-1:]))
    return line


def error_text(job: JobView) -> str:
    """Why a job failed or is tried again: a sentence, its code behind it."""
    return f"{plain(job.error.message)} ({job.error.code})" if job.error is not None else ""


def result_of(job: JobView) -> Any:
    """The result of a job as plain values, or None."""
    return msgspec.msgpack.decode(job.result)


def files_of(job: JobView) -> list[str]:
    """The files of a job that succeeded, relative to the exports folder."""
    result = result_of(job)
    files = result.get("files", []) if isinstance(result, dict) else []
    return [str(name) for name in files]


def opened_name(name: str, exports: Path | None) -> str:
    """A file of a job as it can be opened from this folder; as the job says where that is not known."""
    path = exports / name if exports is not None else Path(name)
    if not path.is_file():
        return name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def to_json(value: object) -> str:
    """Any message as one line of JSON; the MessagePack inside it too."""
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def decoded(body: bytes) -> object:
    """Any MessagePack as plain values; what cannot be read is shown as such, never raised."""
    try:
        return msgspec.msgpack.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return f"<malformed: {len(body)} bytes>"


def _plain(value: object) -> object:
    if isinstance(value, Raw):
        return _plain(decoded(bytes(value)))
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else value


def clock(at_s: float | None) -> str:
    """A wall time for people, or a dash."""
    return "-" if at_s is None else f"{datetime.fromtimestamp(at_s):%H:%M:%S}"


def size(number: float) -> str:
    """Bytes for people.

    >>> size(2_936_012)
    '2.8 MB'
    """
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1_024 or unit == "GB":
            return f"{number:.0f} {unit}" if unit in ("B", "KB") else f"{number:.1f} {unit}"
        number /= 1_024
    return f"{number:.0f}"


def services_table(services: Iterable[ServiceStatus]) -> Table:
    services = list(services)
    table = text_table("service", "state", "pid", "restarts", "cpu", "memory", "")
    for status in services:
        note = status.reason
        if status.back_after_s is not None and not note:
            killed = f", {words}" if (words := killed_by(status)) else ""
            note = f"back after {status.back_after_s:.2f} s{killed}"
        is_cut = not status.reason and status.hung_s is None  # a live table keeps its height, but for what matters
        table.add_row(
            status.name,
            Text(status.state.value, _SERVICE_STYLES.get(status.state, "")),
            str(status.pid or "-"),
            str(status.restarts),
            f"{status.cpu_percent:.0f} %" if status.rss_bytes else "-",  # not measured yet
            size(status.rss_bytes) if status.rss_bytes else "-",
            Text(note, no_wrap=is_cut, overflow="ellipsis"),
        )
    return table


def cameras_table(cameras: Iterable[CameraStatus]) -> Table:
    table = text_table("camera", "state", "picture", "fps", "recording", "")
    for status in cameras:
        picture = f"{status.width}x{status.height} {status.codec}" if status.width else "-"
        table.add_row(
            status.camera,
            Text(status.state.value, "" if status.state.value == "online" else "yellow"),
            picture,
            f"{status.fps_in:.1f} in, {status.fps_out:.1f} out",
            "yes" if status.is_recording else "no",
            said_of(status.cause, status.detail, status.source),
        )
    return table


def text_table(*columns: str) -> Table:
    """Words in columns; only the note, whose column has no name, gives way where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=bool(column))
    return table


def is_terminal() -> bool:
    """Whether a person looks at standard output."""
    return sys.stdout.isatty()
