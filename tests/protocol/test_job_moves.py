"""The table of a job's moves, walked through: from every state, by every event, flagged or not."""

from dataclasses import dataclass
from itertools import product

import pytest

from framebus.jobs import ACTIVE, FINAL, MAX_CRASHES, MAX_KILLS, MOVES, JobEvent, Move, find_move
from framebus.messages import JobState

STATES = [state for state in JobState if state is not JobState.UNKNOWN]
MAX_FAILURES = 3
EVERYTHING = list(product(STATES, JobEvent))


@dataclass(frozen=True)
class Job:
    """As much of a job as the table knows."""

    state: JobState = JobState.QUEUED
    is_flagged: bool = False
    failures: int = 0


def move_of(job: Job, event: JobEvent) -> Move | None:
    return find_move(job.state, event, is_flagged=job.is_flagged, failures=job.failures, max_failures=MAX_FAILURES)


def after(job: Job, move: Move) -> Job:
    is_flagged = (job.is_flagged or move.is_flag) and move.to is JobState.RUNNING
    return Job(move.to, is_flagged, job.failures + move.failures)


def reachable() -> dict[Job, int]:
    """Every job that moves can lead to from its start, with how many moves that takes."""
    found = {Job(): 0}
    front = [Job()]
    while front:
        job = front.pop(0)
        for event in JobEvent:
            move = move_of(job, event)
            if move is not None and (then := after(job, move)) not in found:
                found[then] = found[job] + 1
                front.append(then)
    return found


@pytest.mark.parametrize(("state", "event"), EVERYTHING)
def test_a_move_leads_to_a_known_state_and_never_lowers_the_fence(state: JobState, event: JobEvent) -> None:
    jobs = [Job(state, is_flagged, failures) for is_flagged in (False, True) for failures in range(MAX_FAILURES)]

    moves = [move for job in jobs if (move := move_of(job, event)) is not None]

    assert all(move.to in STATES for move in moves)
    assert all(min(move.fence, move.failures, move.crashes) >= 0 for move in moves)


@pytest.mark.parametrize(("state", "event"), list(product(sorted(FINAL), JobEvent)))
def test_a_final_state_never_moves(state: JobState, event: JobEvent) -> None:
    for is_flagged in (False, True):
        assert move_of(Job(state, is_flagged), event) is None


def test_every_state_is_active_or_final_and_none_is_both() -> None:
    assert set(STATES) == ACTIVE | FINAL
    assert not ACTIVE & FINAL


def test_every_event_moves_something() -> None:
    moved = {event for _, event in MOVES} | {JobEvent.STOPPED}

    assert moved == set(JobEvent)


@pytest.mark.parametrize("event", [event for event in JobEvent if event is not JobEvent.EXPIRE])
def test_whatever_ends_the_work_of_a_flagged_job_cancels_it(event: JobEvent) -> None:
    for failures in range(MAX_FAILURES):
        move = move_of(Job(JobState.RUNNING, is_flagged=True, failures=failures), event)

        stays = move is None or move.is_flag
        assert stays or move.to is JobState.CANCELLED  # type: ignore[union-attr]


@pytest.mark.parametrize("event", [event for event in JobEvent if (JobState.RUNNING, event) in MOVES])
def test_only_a_flag_keeps_a_running_job_where_it_is(event: JobEvent) -> None:
    move = MOVES[JobState.RUNNING, event]

    assert (move.to is JobState.RUNNING) is move.is_flag is (event is JobEvent.CANCEL)


def test_a_job_that_is_not_flagged_is_not_stopped() -> None:
    assert move_of(Job(JobState.RUNNING), JobEvent.STOPPED) is None


def test_a_job_whose_files_get_their_names_is_not_cancelled_any_more() -> None:
    assert move_of(Job(JobState.PUBLISHING), JobEvent.CANCEL) is None
    assert move_of(Job(JobState.PUBLISHING), JobEvent.EXPIRE) is None


@pytest.mark.parametrize("event", [JobEvent.CRASH, JobEvent.KILLED, JobEvent.VOID, JobEvent.STALLED, JobEvent.EXPIRE])
@pytest.mark.parametrize("is_flagged", [False, True])
def test_a_job_taken_from_its_worker_raises_the_fence(event: JobEvent, is_flagged: bool) -> None:
    move = move_of(Job(JobState.RUNNING, is_flagged), event)

    assert move is not None
    assert move.fence == 1


def test_every_lease_raises_the_fence() -> None:
    leases = [move for (_, event), move in MOVES.items() if event is JobEvent.LEASE]

    assert [move.fence for move in leases] == [1]


@pytest.mark.parametrize("event", [JobEvent.FAIL_TRANSIENT, JobEvent.STALLED])
def test_one_failure_too_many_ends_a_job(event: JobEvent) -> None:
    moves = [move_of(Job(JobState.RUNNING, failures=count), event) for count in range(MAX_FAILURES)]

    assert [move.to if move else None for move in moves] == [
        *[JobState.RETRYING] * (MAX_FAILURES - 1),
        JobState.FAILED,
    ]


def test_a_full_disk_is_not_the_jobs_failure() -> None:
    move = move_of(Job(JobState.RUNNING, failures=MAX_FAILURES - 1), JobEvent.FAIL_NO_SPACE)

    assert move == Move(to=JobState.RETRYING)


@pytest.mark.parametrize("event", [JobEvent.VOID, JobEvent.KILLED, JobEvent.RELEASE])
def test_an_attempt_that_was_not_the_jobs_to_lose_is_not_counted(event: JobEvent) -> None:
    lease, back = MOVES[JobState.QUEUED, JobEvent.LEASE], MOVES[JobState.RUNNING, event]

    assert lease.attempt + back.attempt == 0
    assert (back.failures, back.crashes) == (0, 0)


@pytest.mark.parametrize("job", list(reachable()), ids=lambda job: f"{job.state}-{job.is_flagged}-{job.failures}")
def test_from_every_job_that_can_be_an_end_can_be_reached(job: Job) -> None:
    found, front = {job}, [job]
    while front:
        now = front.pop()
        steps = [after(now, move) for event in JobEvent if (move := move_of(now, event)) is not None]
        front += [then for then in steps if then not in found]
        found.update(steps)

    assert any(then.state in FINAL for then in found)


def test_failures_never_exceed_their_limit() -> None:
    assert max(job.failures for job in reachable()) <= MAX_FAILURES


def test_a_retrying_job_has_a_failure_left() -> None:
    assert all(job.failures < MAX_FAILURES for job in reachable() if job.state is JobState.RETRYING)


@pytest.mark.parametrize(
    ("event", "count", "limit"), [(JobEvent.CRASH, "crashes", MAX_CRASHES), (JobEvent.KILLED, "kills", MAX_KILLS)]
)
def test_a_job_that_has_cost_too_many_workers_is_dead_and_its_last_one_locked_out(
    event: JobEvent, count: str, limit: int
) -> None:
    moves = [
        find_move(JobState.RUNNING, event, is_flagged=False, failures=0, max_failures=3, **{count: number})
        for number in range(limit)
    ]

    states = [move.to if move else None for move in moves]
    assert states[-1] is JobState.DEAD
    assert JobState.DEAD not in states[:-1]
    assert [move.fence if move else 0 for move in moves] == [1] * limit


def test_a_type_that_is_asked_to_rest_counts_no_failure_of_the_job() -> None:
    move = move_of(Job(JobState.RUNNING, failures=MAX_FAILURES - 1), JobEvent.FAIL_RATE_LIMITED)

    assert move == Move(to=JobState.RETRYING)


@pytest.mark.parametrize("event", [JobEvent.FAIL_RATE_LIMITED, JobEvent.FAIL_NO_SPACE, JobEvent.KILLED])
def test_what_counts_no_failure_ends_no_job_though_a_reload_has_lowered_the_limit(event: JobEvent) -> None:
    move = find_move(JobState.RUNNING, event, is_flagged=False, failures=4, max_failures=2)

    assert move is not None
    assert move.to is JobState.RETRYING
