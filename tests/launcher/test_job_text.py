"""Jobs, their stories and queues, as the command line prints them."""

from datetime import datetime
from typing import Any

from msgspec import Raw
from rich.console import Console

from framebus import codec
from framebus.errors import ErrorCode
from framebus.messages import JobError, JobState, JobView, QueueStatus
from framebus.requests import JobMove, JobStory
from framebus_launcher.job_text import jobs_table, queue_lines, story_lines

NOW_S = datetime(2026, 11, 21, 12, 0, 0).timestamp()
ID = "7f3a" + 28 * "0"


def view(state: JobState, **fields: Any) -> JobView:
    return JobView(
        **{"id": ID, "type": "export", "camera": "front", "created_at_s": NOW_S - 60.0, **fields, "state": state}
    )


def table_text(job: JobView, positions: dict[str, int] | None = None) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(jobs_table([job], 4, positions or {}, NOW_S))
    return captured.get()


def story_text(*moves: tuple[float, JobState, str], job: JobView, evidence: list[str] | None = None) -> str:
    told = [JobMove(at_s=NOW_S - 60.0 + after_s, state=state, detail=detail) for after_s, state, detail in moves]
    story = JobStory(job=job, moves=told, evidence=evidence or [])
    return "\n".join(line.plain for line in story_lines(story, 4, NOW_S))


def queue_text(**fields: Any) -> str:
    why = fields.pop("why", "")
    queue = QueueStatus(**{"max_queued": 100, "max_running": 3, "free": 97, "worker_running": True, **fields})
    return "\n".join(line.plain for line in queue_lines("export", queue, why, NOW_S))


def test_a_waiting_job_shows_its_place_in_line() -> None:
    assert "number 2 in line" in table_text(view(JobState.QUEUED), {ID: 2})


def test_a_job_that_is_tried_again_says_when_and_why() -> None:
    error = JobError(code=ErrorCode.NO_SPACE, message="the disk is full")

    text = table_text(view(JobState.RETRYING, next_try_at_s=NOW_S + 12.0, error=error, attempt=2))

    assert "again in 12 s: the disk is full (no_space)" in text


def test_a_running_job_shows_its_step_and_what_is_left() -> None:
    job = view(JobState.RUNNING, step="copying", percent=71.0, eta_s=4.0, started_at_s=NOW_S - 2.5, attempt=1)

    text = table_text(job)

    assert "copying 71 %, about 4.0 s left" in text
    assert "2.5 s" in text


def test_a_failed_job_shows_its_reason_as_a_sentence_in_local_time() -> None:
    error = JobError(code=ErrorCode.NO_SOURCE, message=f"front has no recording after {NOW_S:.0f}")

    text = table_text(view(JobState.FAILED, error=error))

    assert "front has no recording after" in text
    assert "12:00:00 (no_source)" in text
    assert f"{NOW_S:.0f}" not in text


def test_a_story_tells_each_move_with_its_time_how_long_it_lasted_and_why() -> None:
    job = view(JobState.SUCCEEDED, attempt=2, ended_at_s=NOW_S - 40.0, result=Raw(codec.encode({"files": ["a.mp4"]})))

    text = story_text(
        (0.0, JobState.QUEUED, "submitted"),
        (0.5, JobState.RUNNING, "leased by export"),
        (3.0, JobState.RETRYING, "no_space: the disk is full"),
        (13.0, JobState.QUEUED, "tried again"),
        (13.5, JobState.RUNNING, "leased by export"),
        (20.0, JobState.SUCCEEDED, "published"),
        job=job,
    )

    lines = text.splitlines()
    assert lines[0].startswith("job 7f3a  export front  succeeded 20.0 s after it was handed in at try 2")
    retry = next(line for line in lines if "retrying" in line)
    assert retry.split()[:3] == ["11:59:03", "+3.0", "s"]
    assert "10.0 s" in retry
    assert "no_space: the disk is full" in retry
    assert [line.partition("start ")[2] for line in lines if ": leased" in line] == [
        "1: leased by export",
        "2: leased by export",
    ]
    assert "waited 1.0 s, worked 9.0 s, rested before another try 10.0 s" in text


def test_the_story_of_a_job_that_still_runs_says_for_how_long_so_far() -> None:
    text = story_text(
        (0.0, JobState.QUEUED, "submitted"), (50.0, JobState.RUNNING, "leased by export"), job=view(JobState.RUNNING)
    )

    assert "10.0 s+" in text


def test_a_dead_job_shows_the_last_words_of_the_worker_that_it_killed() -> None:
    error = JobError(code=ErrorCode.CRASHED, message="its worker died: signal 11")

    text = story_text(
        (0.0, JobState.QUEUED, "submitted"),
        (60.0, JobState.DEAD, "its worker died: signal 11"),
        job=view(JobState.DEAD, error=error, ended_at_s=NOW_S),
        evidence=["Fatal Python error: Segmentation fault", "in decode"],
    )

    assert "Fatal Python error: Segmentation fault\n    in decode" in text
    assert "retry 7f3a" in text


def test_a_story_without_moves_still_tells_how_the_job_stands() -> None:
    assert "queued" in story_text(job=view(JobState.QUEUED))


def test_a_queue_says_how_full_it_is_and_how_long_a_new_job_waits() -> None:
    text = queue_text(waiting=3, running=2, free=95, avg_duration_s=4.1, estimated_wait_s=6.2, processed_total=9)

    assert "waiting 3 of 100" in text
    assert "running 2 of 3" in text
    assert "free 95" in text
    assert "a job takes 4.1 s on average; a new one begins in about 6.2 s" in text


def test_a_queue_that_has_done_nothing_yet_tells_no_average() -> None:
    text = queue_text(avg_duration_s=60.0, estimated_wait_s=0.0, processed_total=0)

    assert "on average" not in text
    assert "a new one begins at once" in text


def test_a_queue_that_rests_says_until_when_and_why() -> None:
    text = queue_text(resting_until_at_s=NOW_S + 75.0, why="the service asks for a rest (busy)")

    assert "rests until 12:01:15 (in 1 min 15 s): the service asks for a rest (busy)" in text


def test_a_rest_that_is_over_is_not_told() -> None:
    assert "rests" not in queue_text(resting_until_at_s=NOW_S - 1.0)


def test_a_queue_that_is_stuck_says_since_when_and_where_to_look() -> None:
    text = queue_text(waiting=1, worker_running=False, stuck_since_at_s=NOW_S - 120.0)

    assert "stuck since 11:58:00 (2 min)" in text
    assert "framebus status" in text


def test_a_queue_without_a_worker_says_so() -> None:
    assert "no worker takes jobs of this type now" in queue_text(worker_running=False)
