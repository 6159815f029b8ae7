"""Jobs and queues as people read them: the table of jobs, the story of one, how full a queue is."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from rich.table import Table
from rich.text import Text

from framebus.jobs import FINAL
from framebus.messages import JobState, JobView, QueueStatus
from framebus.requests import JobMove, JobStory
from framebus_launcher.output import JOB_STYLES, error_text, files_of, opened_name, result_of, size, text_table, to_json
from framebus_launcher.words import lasting, moment, plain, soon

SHOWN_S = 0.005
FRESH_S = 3.0
"""so long a success is green"""
DONE_WORDS = {
    JobState.QUEUED: "waited",
    JobState.RUNNING: "worked",
    JobState.PUBLISHING: "gave the files their names",
    JobState.RETRYING: "rested before another try",
}


def jobs_table(jobs: Sequence[JobView], digits: int, positions: Mapping[str, int], now_s: float) -> Table:
    """One line a job; `positions` are places in line."""
    table = text_table("job", "type", "camera", "state", "handed in", "took", "try", "")
    for job in jobs:
        table.add_row(
            job.id[:digits],
            job.type,
            job.camera or "-",
            Text(job.state.value, _style(job, now_s)),
            moment(job.created_at_s, now_s),
            _took(job, now_s),
            str(job.attempt or "-"),
            note(job, positions.get(job.id), now_s),
        )
    return table


def note(job: JobView, position: int | None, now_s: float) -> str:
    """What matters of a job in the state that it is in."""
    if job.cancelling:
        return "stopping"
    if job.state is JobState.QUEUED:
        return f"number {position} in line" if position else ""
    if job.state is JobState.RUNNING:
        left = f", about {lasting(job.eta_s)} left" if job.eta_s is not None else ""
        return f"{job.step} {job.percent:.0f} %{left}".strip()
    if job.state is JobState.RETRYING:
        again = "" if job.next_try_at_s is None else f"again {soon(job.next_try_at_s, now_s)}: "
        return again + error_text(job)
    if job.state is JobState.SUCCEEDED:
        return "".join(files_of(job)[-1:])
    return "" if job.state is JobState.CANCELLED else error_text(job)


def story_lines(story: JobStory, digits: int, now_s: float, exports: Path | None = None) -> list[Text]:
    """The story of a job: how it stands, each move and how long it lasted, the last words of a worker it killed."""
    job = story.job
    lines = [_headline(job, digits, now_s)]
    for word, value in (("id", job.id), ("name", job.name), ("case", job.case), ("again of", job.retry_of)):
        if value:
            lines.append(Text(f"  {word:<9} {value}"))
    lines += _timeline(story.moves, now_s)
    totals = _totals(story.moves, now_s)
    if totals:
        lines.append(Text(f"  in all    {totals}", "dim"))
    if story.evidence:
        lines.append(Text("  last words of the worker that it killed:", "red"))
        lines += [Text(f"    {line}") for line in story.evidence]
    if job.state is JobState.SUCCEEDED:
        lines += [Text(f"  file      {opened_name(name, exports)}") for name in files_of(job)]
        words = _result_words(job, now_s)
        lines += [Text(f"  result    {words}")] if words else []
    if job.state in (JobState.FAILED, JobState.DEAD, JobState.CANCELLED):
        lines.append(Text(f"  framebus retry {job.id[:digits]}   hands it in again", "dim"))
    return lines


def _result_words(job: JobView, now_s: float) -> str:
    """What the result says besides its files; what is empty or zero is left to --json."""
    result = result_of(job)
    if not isinstance(result, dict):
        return "" if result is None else to_json(result)
    told = {str(key): value for key, value in result.items() if value and key != "files"}
    return ", ".join(f"{_label(key)} {_value(key, value, now_s)}" for key, value in told.items())


def _label(key: str) -> str:
    for unit in ("_at_s", "_bytes", "_s"):
        key = key.removesuffix(unit)
    return key.replace("_", " ")


def _value(key: str, value: object, now_s: float) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "yes" if value is True else value if isinstance(value, str) else to_json(value)
    if key.endswith("_at_s"):
        return moment(value, now_s)
    if key.endswith("_bytes"):
        return size(value)
    return lasting(value) if key.endswith("_s") and value >= 0 else f"{value:g}"


def _headline(job: JobView, digits: int, now_s: float) -> Text:
    line = Text(f"job {job.id[:digits]}  {job.type} {job.camera or ''}".rstrip() + "  ")
    line.append(job.state.value, JOB_STYLES.get(job.state, ""))
    if job.ended_at_s is not None:
        tries = f" at try {job.attempt}" if job.attempt > 1 else ""
        line.append(f" {lasting(max(0.0, job.ended_at_s - job.created_at_s))} after it was handed in{tries}")
    said = note(job, None, now_s)
    if said:
        line.append(f"  {said}", JOB_STYLES.get(job.state, "") if job.state is not JobState.SUCCEEDED else "")
    return line


def _timeline(moves: Sequence[JobMove], now_s: float) -> list[Text]:
    """When, how long after it was handed in, the state, for how long, and why."""
    lines: list[Text] = []
    starts = 0  # more than its tries, where its worker was killed
    was: JobState | None = None
    for number, move in enumerate(moves):
        is_start = move.state is JobState.RUNNING and was is not JobState.RUNNING
        starts += is_start
        after_s = max(0.0, move.at_s - moves[0].at_s)
        line = Text(f"  {moment(move.at_s, now_s):<9} ")
        line.append(f"{'+' + lasting(after_s):>13}  ", "dim")
        line.append(f"{move.state.value:<11}", JOB_STYLES.get(move.state, ""))
        line.append(f"{_held(moves, number, now_s):>11}  ", "dim")
        line.append(f"start {starts}: {plain(move.detail)}" if is_start else plain(move.detail))
        lines.append(line)
        was = move.state
    return lines


def _held(moves: Sequence[JobMove], number: int, now_s: float) -> str:
    if moves[number].state in FINAL:
        return ""
    if number + 1 < len(moves):
        return lasting(max(0.0, moves[number + 1].at_s - moves[number].at_s))
    return f"{lasting(max(0.0, now_s - moves[number].at_s))}+"


def _totals(moves: Sequence[JobMove], now_s: float) -> str:
    spent: dict[JobState, float] = {}
    for move, after in zip_longest(moves, moves[1:]):
        end_s = after.at_s if after is not None else now_s
        if move.state not in FINAL:
            spent[move.state] = spent.get(move.state, 0.0) + max(0.0, end_s - move.at_s)
    return ", ".join(
        f"{DONE_WORDS.get(state, state.value)} {lasting(took_s)}"
        for state, took_s in spent.items()
        if took_s >= SHOWN_S
    )


def queue_lines(kind: str, queue: QueueStatus, why: str, now_s: float) -> list[Text]:
    """How full a queue is, and what keeps it from going on; `why` is the last failure, where it rests."""
    line = Text(f"{kind:<12} ")
    line.append(f"waiting {queue.waiting} of {queue.max_queued}   running {queue.running} of {queue.max_running}   ")
    line.append("full" if queue.free == 0 else f"free {queue.free}", "red" if queue.free == 0 else "")
    line.append(f"   succeeded {queue.processed_total}   failed {queue.failed_total}")
    lines = [line]
    has_measured = queue.processed_total + queue.failed_total > 0  # before that it is what the type expects
    average = (
        f"a job takes {lasting(queue.avg_duration_s)} on average; " if queue.avg_duration_s and has_measured else ""
    )
    begins = "at once" if queue.estimated_wait_s < 0.5 else f"in about {lasting(queue.estimated_wait_s)}"
    lines.append(Text(f"  {average}a new one begins {begins}"))
    if queue.resting_until_at_s is not None and queue.resting_until_at_s > now_s:
        until = f"rests until {moment(queue.resting_until_at_s, now_s)} ({soon(queue.resting_until_at_s, now_s)})"
        lines.append(Text(f"  {until}" + (f": {plain(why)}" if why else ", after failures in a row"), "yellow"))
    if queue.stuck_since_at_s is not None:
        since = (
            f"stuck since {moment(queue.stuck_since_at_s, now_s)} ({lasting(max(0.0, now_s - queue.stuck_since_at_s))})"
        )
        lines.append(Text(f"  {since}: jobs wait and no worker asks for them; framebus status tells why", "red"))
    elif not queue.worker_running:
        lines.append(Text("  no worker takes jobs of this type now", "yellow" if queue.waiting else "dim"))
    return lines


def _style(job: JobView, now_s: float) -> str:
    if job.state is JobState.SUCCEEDED and now_s - (job.ended_at_s or 0.0) > FRESH_S:
        return ""  # well has no colour
    return JOB_STYLES.get(job.state, "")


def _took(job: JobView, now_s: float) -> str:
    if job.started_at_s is None:
        return "-"
    return lasting(max(0.0, (job.ended_at_s or now_s) - job.started_at_s))
