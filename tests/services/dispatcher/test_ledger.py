"""Every row of the table of moves, over a real SQLite file: what becomes of a job, and what its askers are told."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import ACTIVE, FINAL, NO_SPACE_RETRY_S, JobEvent
from framebus.messages import JobState
from framebus.requests import FailKind, JobPrepared, LeasedJob, ListJobs
from framebus.settings import QueuePolicy
from services.dispatcher.ledgers import World, code_of, described, raw, refused, result_of

HOUR_S, DAY_S = 3_600.0, 86_400.0
ID = "0123456789abcdef0123456789abcdef"
FINAL_STATES = [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def ended(world: World, state: JobState) -> LeasedJob:
    job = world.running()
    if state is JobState.CANCELLED:
        world.cancel(job.id)
        world.stopped(job)
    elif state is JobState.FAILED:
        world.fail(job, FailKind.PERMANENT)
    else:
        world.done(job)
    assert world.state(job.id) is state
    return job


# Submit ---------------------------------------------------------------------------------------------------------------


def test_a_submitted_job_is_queued_and_told_its_place_in_line(world: World) -> None:
    first, second = world.submit(), world.submit()

    assert (first.state, first.position, first.created) == (JobState.QUEUED, 1, True)
    assert second.position == 2


def test_a_job_without_an_id_takes_that_of_its_request(world: World) -> None:
    accepted = world.submit()

    assert len(accepted.id) == 32
    assert world.state(accepted.id) is JobState.QUEUED


def test_the_same_id_with_the_same_content_is_the_same_job(world: World) -> None:
    world.submit(ID, name="Door")

    again = world.submit(ID, name="Door")

    assert (again.id, again.created) == (ID, False)
    assert world.ledger.counts["mine"][JobState.QUEUED] == 1


@pytest.mark.parametrize("state", FINAL_STATES)
def test_the_same_id_is_the_same_job_after_it_has_ended(world: World, state: JobState) -> None:
    job = ended(world, state)

    again = world.submit(job.id)

    assert (again.state, again.position, again.created) == (state, 0, False)


@pytest.mark.parametrize("other", [{"params": {"camera": "back"}}, {"name": "Other"}, {"case": "7"}])
def test_the_same_id_with_other_content_is_a_conflict(world: World, other: dict[str, object]) -> None:
    world.submit(ID)

    with pytest.raises(RefusedError, match=ID) as caught:
        world.submit(ID, **other)

    assert code_of(caught) is ErrorCode.CONFLICT


def test_a_full_queue_refuses_and_says_when_to_come_again(world: World) -> None:
    for _ in range(5):
        world.submit()

    with pytest.raises(RefusedError, match="full") as caught:
        world.submit()

    assert code_of(caught) is ErrorCode.QUEUE_FULL
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 1.0


def test_jobs_that_wait_for_a_retry_take_places_in_the_queue(world: World) -> None:
    world.fail(world.running())
    for _ in range(4):
        world.submit()

    with pytest.raises(RefusedError, match="full"):
        world.submit()


def test_running_jobs_take_no_places_in_the_queue(world: World) -> None:
    world.running()

    accepted = [world.submit() for _ in range(5)]

    assert len(accepted) == 5


def test_a_known_id_is_answered_though_the_queue_is_full(world: World) -> None:
    world.submit(ID)
    for _ in range(4):
        world.submit()

    assert world.submit(ID).created is False


def test_an_unknown_type_is_refused_with_the_known_ones(world: World) -> None:
    with pytest.raises(RefusedError, match="clip, mine") as caught:
        world.submit(kind="other")

    assert code_of(caught) is ErrorCode.UNKNOWN_TYPE


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"camera": "front", "seconds": "x"}, r"\$.seconds"),
        ({"camera": 7, "seconds": 1.0}, r"\$.camera"),
        ({"camera": "front"}, "seconds"),
        ({"camera": "front", "seconds": 1.0, "colour": 1}, "colour"),
        ([1], "params"),
    ],
)
def test_params_that_are_wrong_are_refused_with_their_path(world: World, params: object, path: str) -> None:
    with pytest.raises(RefusedError, match=path) as caught:
        world.submit(kind="clip", params=params)

    assert code_of(caught) is ErrorCode.BAD_REQUEST


def test_params_of_a_type_of_the_settings_are_any_map_but_a_map(world: World) -> None:
    world.submit(params={"anything": [1, 2]})

    with pytest.raises(RefusedError, match="params") as caught:
        world.submit(params=[1, 2])

    assert code_of(caught) is ErrorCode.BAD_REQUEST


def test_what_the_type_refuses_is_refused_with_its_code(world: World) -> None:
    with pytest.raises(RefusedError, match="unknown camera cellar") as caught:
        world.submit(kind="clip", params={"camera": "cellar", "seconds": 1.0})

    assert code_of(caught) is ErrorCode.NO_SOURCE


@pytest.mark.parametrize(
    ("params", "camera"),
    [({"camera": "front"}, "front"), ({"camera": 7}, None), ({}, None), ({"camera": "x" * 501}, None)],
)
def test_the_camera_of_a_job_is_a_string_that_everybody_can_read(
    world: World, params: dict[str, object], camera: str | None
) -> None:
    job_id = world.submit(params=params).id

    assert world.row(job_id).camera == camera


# Lease ----------------------------------------------------------------------------------------------------------------


def test_a_lease_raises_fence_and_attempt_and_brings_the_params(world: World) -> None:
    world.submit(ID, name="Door")

    job = world.lease()

    assert job is not None
    assert (job.id, job.fence, job.attempt, job.name) == (ID, 1, 1, "Door")
    assert bytes(job.params) == bytes(raw({"camera": "front"}))
    assert world.state(ID) is JobState.RUNNING


def test_there_is_no_lease_where_there_is_no_job(world: World) -> None:
    assert world.lease() is None


def test_greater_priority_is_leased_first_and_then_who_came_first(world: World) -> None:
    low, first, second = world.submit(priority=-1).id, world.submit().id, world.submit().id
    high = world.submit(priority=9).id

    leased = [world.lease(slot=slot) for slot in range(3)]
    world.done(leased[0])
    leased.append(world.lease(slot=0))

    assert [job.id for job in leased if job] == [high, first, second, low]


def test_no_more_jobs_run_than_the_type_allows(world: World) -> None:
    for _ in range(4):
        world.submit()

    leased = [world.lease(slot=slot) for slot in range(4)]

    assert [job is not None for job in leased] == [True, True, True, False]


def test_a_type_whose_places_are_taken_leaves_the_worker_to_the_others(world: World) -> None:
    world.submit(kind="clip", params={"camera": "front", "seconds": 1.0})
    world.lease(types=["clip"])
    world.submit(kind="clip", params={"camera": "front", "seconds": 1.0})
    mine = world.submit().id

    job = world.lease(slot=1, types=["clip", "mine"])

    assert job is not None
    assert job.id == mine


def test_a_slot_that_asks_again_gets_the_same_job_and_fence(world: World) -> None:
    world.submit(ID)
    world.submit()
    first = world.lease()

    again = world.lease()

    assert again == first
    assert world.row(ID).attempt == 1


def test_a_slot_that_asks_for_other_types_does_not_get_the_job_of_its_namesake(world: World) -> None:
    world.submit(ID)
    world.lease()
    other = world.submit(kind="clip", params={"camera": "front", "seconds": 1.0}).id

    leased = world.lease(types=["clip"])

    assert leased is not None
    assert leased.id == other


def test_another_slot_of_the_same_worker_gets_another_job(world: World) -> None:
    world.submit(), world.submit()

    jobs = world.lease(slot=0), world.lease(slot=1)

    assert jobs[0] is not None
    assert jobs[1] is not None
    assert jobs[0].id != jobs[1].id


def test_a_greater_incarnation_takes_the_jobs_of_the_older_one_away(world: World) -> None:
    old = [world.running(), world.running()]

    new = world.lease(incarnation=2)

    assert new is not None
    assert (new.id, new.fence, new.attempt) == (old[0].id, 3, 1)
    assert world.state(old[1].id) is JobState.QUEUED
    assert [refused_by(world, job) for job in old] == [ErrorCode.LOST] * 2


def refused_by(world: World, job: LeasedJob) -> ErrorCode:
    with pytest.raises(RefusedError) as caught:
        world.done(job)
    return code_of(caught)


# Ends that workers tell -----------------------------------------------------------------------------------------------


def test_a_job_without_files_is_done_with_its_result(world: World) -> None:
    job = world.running()

    view = world.done(job, {"count": 3})

    assert result_of(view) == {"count": 3}
    row = world.row(job.id)
    assert (row.state, row.step, row.percent, row.ended_at) == (
        JobState.SUCCEEDED,
        "done",
        100.0,
        world.clock.wall_s(),
    )


def test_done_said_twice_is_answered_as_the_first_time(world: World) -> None:
    job = world.running()
    first = world.done(job, {"count": 3})

    again = world.done(job, {"count": 4})

    assert again == first
    assert len(world.moves) == 3


def test_a_result_that_is_too_large_is_refused_and_the_job_goes_on(world: World) -> None:
    job = world.running()

    with pytest.raises(RefusedError) as caught:
        world.done(job, "x" * 4_096)

    assert code_of(caught) is ErrorCode.TOO_LARGE
    assert world.state(job.id) is JobState.RUNNING


def test_a_transient_failure_is_tried_again_after_a_while(world: World) -> None:
    job = world.running()

    view = world.fail(job, message="camera away")

    assert view.state is JobState.RETRYING
    assert view.error is not None
    assert (view.error.code, view.error.message) == (ErrorCode.UNAVAILABLE, "camera away")
    world.advance(0.5)
    assert world.state(job.id) is JobState.RETRYING
    world.advance(0.8)
    assert world.state(job.id) is JobState.QUEUED
    again = world.lease()
    assert again is not None
    assert (again.fence, again.attempt) == (2, 2)


def test_the_wait_before_a_retry_doubles(world: World) -> None:
    job_id = world.submit().id
    waits = []
    for _ in range(2):
        job = world.lease()
        assert job is not None
        world.fail(job)
        waits.append((world.row(job_id).not_before or 0.0) - world.clock.wall_s())
        world.advance(10.0)

    assert waits == [pytest.approx(1.0, rel=0.21), pytest.approx(2.0, rel=0.21)]


def test_one_transient_failure_too_many_ends_the_job_with_the_last_error(world: World) -> None:
    job_id = world.submit().id
    for _ in range(3):
        job = world.lease()
        assert job is not None
        world.fail(job, message=f"attempt {job.attempt}", code="internal")
        world.advance(10.0)

    row = world.row(job_id)
    assert (row.state, row.error_code, row.error_message) == (JobState.FAILED, "internal", "attempt 3")
    assert row.ended_at is not None


@pytest.mark.parametrize(
    ("kind", "code"), [(FailKind.PERMANENT, ErrorCode.BAD_REQUEST), (FailKind.NO_SOURCE, ErrorCode.NO_SOURCE)]
)
def test_a_failure_for_good_ends_the_job(world: World, kind: FailKind, code: ErrorCode) -> None:
    job = world.running()

    view = world.fail(job, kind)

    assert view.state is JobState.FAILED
    assert view.error is not None
    assert view.error.code == code


def test_a_full_disk_is_waited_for_and_counts_as_no_failure(world: World) -> None:
    job_id = world.submit().id
    for _ in range(5):
        job = world.lease()
        assert job is not None
        world.fail(job, FailKind.NO_SPACE)
        world.advance(NO_SPACE_RETRY_S - 0.1)
        assert world.state(job_id) is JobState.RETRYING
        world.advance(0.2)

    row = world.row(job_id)
    assert (row.state, row.failures) == (JobState.QUEUED, 0)


def test_the_crash_of_a_jobs_own_process_queues_it_behind_a_new_fence(world: World) -> None:
    job = world.running()

    view = world.fail(job, FailKind.CRASH, "signal 11")

    row = world.row(job.id)
    assert (view.state, row.fence, row.crashes, row.attempt) == (JobState.QUEUED, 2, 1, 1)
    assert row.error_code == ErrorCode.CRASHED


@pytest.mark.parametrize("kind", [FailKind.TRANSIENT, FailKind.NO_SPACE, FailKind.NO_SOURCE, FailKind.PERMANENT])
def test_a_failure_said_twice_is_counted_once(world: World, kind: FailKind) -> None:
    job = world.running()
    first = world.fail(job, kind)

    again = world.fail(job, kind)

    assert again == first
    assert world.row(job.id).failures == (0 if kind is FailKind.NO_SPACE else 1)


def test_a_job_that_is_handed_back_waits_again_as_if_it_had_not_been_tried(world: World) -> None:
    job = world.running()

    view = world.release(job)
    again = world.release(job)

    assert again == view
    assert (view.state, view.attempt, world.row(job.id).failures) == (JobState.QUEUED, 0, 0)


def test_what_a_worker_says_after_it_handed_its_job_back_is_too_late(world: World) -> None:
    job = world.running()
    world.release(job)

    outcome = world.done(job)

    assert refused(outcome) is ErrorCode.LOST
    assert world.state(job.id) is JobState.QUEUED


def test_a_worker_that_stops_though_nobody_asked_changes_nothing(world: World) -> None:
    job = world.running()

    view = world.stopped(job)

    assert view.state is JobState.RUNNING


def test_a_job_that_succeeds_after_failures_shows_no_error(world: World) -> None:
    job = world.running()
    world.fail(job)
    world.advance(10.0)
    again = world.lease()
    assert again is not None

    view = world.done(again)

    assert not isinstance(view, RefusedError)
    assert view.error is None


@pytest.mark.parametrize("message", ["prepared", "done", "fail", "stopped", "release"])
def test_whatever_comes_with_a_stale_fence_is_lost_and_changes_nothing(world: World, message: str) -> None:
    zombie = world.running()
    files = world.write(zombie, "clip.mp4")
    world.lose()
    current = world.lease(worker="other")
    before = world.row(zombie.id)
    calls = {
        "prepared": lambda: world.prepared(files),
        "done": lambda: world.done(zombie),
        "fail": lambda: world.fail(zombie),
        "stopped": lambda: world.stopped(zombie),
        "release": lambda: world.release(zombie),
    }

    with pytest.raises(RefusedError) as caught:
        calls[message]()

    assert code_of(caught) is ErrorCode.LOST
    assert world.row(zombie.id) == before
    assert current is not None
    assert current.fence == 3


def test_a_fence_that_was_never_given_is_lost(world: World) -> None:
    job = world.running()

    with pytest.raises(RefusedError) as caught:
        world.done(job, fence=job.fence + 1)

    assert code_of(caught) is ErrorCode.LOST


def test_a_job_that_does_not_exist_is_not_found(world: World) -> None:
    for call in (world.users.get, world.cancel):
        with pytest.raises(RefusedError) as caught:
            call(ID)

        assert code_of(caught) is ErrorCode.NOT_FOUND


# Progress -------------------------------------------------------------------------------------------------------------


def test_a_running_job_shows_what_its_worker_told_last(world: World) -> None:
    job = world.running()
    world.progress[job.id] = ("copying", 40.0)

    view = world.users.get(job.id)

    assert (view.step, view.percent) == ("copying", 40.0)


def test_percent_does_not_go_back_when_a_running_job_is_cancelled(world: World) -> None:
    job = world.running()
    world.progress[job.id] = ("copying", 40.0)

    view = world.cancel(job.id)

    assert (view.step, view.percent, view.cancelling) == ("copying", 40.0, True)


def test_a_new_attempt_begins_at_zero(world: World) -> None:
    job = world.running()
    world.progress[job.id] = ("copying", 40.0)
    world.fail(job)
    del world.progress[job.id]
    world.advance(10.0)

    world.lease()

    assert world.users.get(job.id).percent == 0.0


# Cancel ---------------------------------------------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_at_once(world: World) -> None:
    job_id = world.submit().id

    view = world.cancel(job_id)

    assert (view.state, view.error.code if view.error else None) == (JobState.CANCELLED, ErrorCode.CANCELLED)
    assert world.lease() is None


def test_a_job_that_waits_for_a_retry_is_cancelled_at_once(world: World) -> None:
    job = world.running()
    world.fail(job)

    assert world.cancel(job.id).state is JobState.CANCELLED
    world.advance(10.0)
    assert world.state(job.id) is JobState.CANCELLED


def test_a_running_job_is_flagged_and_everybody_is_told(world: World) -> None:
    job = world.running()

    view = world.cancel(job.id)

    assert (view.state, view.cancelling) == (JobState.RUNNING, True)
    assert world.moves[-1] == (JobState.RUNNING, view)


def test_cancelling_twice_is_one_move(world: World) -> None:
    job = world.running()
    first = world.cancel(job.id)

    again = world.cancel(job.id)

    assert again == first
    assert len(world.moves) == 3


@pytest.mark.parametrize(
    "how", ["stopped", "done", "prepared", "release", "void", "stalled", "lost", *[kind.value for kind in FailKind]]
)
def test_whatever_ends_the_work_of_a_flagged_job_cancels_it(world: World, how: str) -> None:
    job = world.running()
    files = world.write(job, "clip.mp4")
    world.cancel(job.id)
    calls = {
        "stopped": lambda: world.stopped(job),
        "done": lambda: world.done(job, {"count": 3}),
        "prepared": lambda: world.prepared(files),
        "release": lambda: world.release(job),
        "void": lambda: world.commit(lambda: world.workers.end_lease(job.id, job.fence, JobEvent.VOID, "gone")),
        "stalled": lambda: world.commit(lambda: world.workers.end_lease(job.id, job.fence, JobEvent.STALLED, "gone")),
        "lost": lambda: world.lose(signal=11),
    }

    calls[how]() if how in calls else world.fail(job, FailKind(how))

    view = world.users.get(job.id)
    assert view.state is JobState.CANCELLED
    assert view.error is not None
    assert view.error.code == ErrorCode.CANCELLED
    assert result_of(view) is None
    assert world.ledger.to_publish == []


@pytest.mark.parametrize("how", ["done", "prepared"])
def test_the_worker_of_a_flagged_job_is_told_that_it_was_cancelled(world: World, how: str) -> None:
    job = world.running()
    files = world.write(job, "clip.mp4")
    world.cancel(job.id)

    outcomes = [world.done(job) if how == "done" else world.prepared(files) for _ in range(2)]

    assert [refused(outcome) for outcome in outcomes] == [ErrorCode.CANCELLED] * 2


def test_it_is_too_late_to_cancel_a_job_whose_files_are_being_put_in_place(world: World) -> None:
    job, _ = world.publishing("clip.mp4")

    with pytest.raises(RefusedError) as caught:
        world.cancel(job.id)

    assert code_of(caught) is ErrorCode.TOO_LATE


@pytest.mark.parametrize("state", FINAL_STATES)
def test_cancelling_what_has_ended_answers_with_the_outcome(world: World, state: JobState) -> None:
    job = ended(world, state)
    moves = len(world.moves)

    view = world.cancel(job.id)

    assert view.state is state
    assert len(world.moves) == moves


# Ends that nobody tells -----------------------------------------------------------------------------------------------


def test_a_void_lease_queues_the_job_and_does_not_count(world: World) -> None:
    job = world.running()

    world.commit(lambda: world.workers.end_lease(job.id, job.fence, JobEvent.VOID, "never spoke"))

    row = world.row(job.id)
    assert (row.state, row.fence, row.attempt, row.failures, row.owner) == (JobState.QUEUED, 2, 0, 0, None)


def test_a_stalled_lease_is_a_transient_failure_behind_a_new_fence(world: World) -> None:
    job = world.running()

    world.commit(lambda: world.workers.end_lease(job.id, job.fence, JobEvent.STALLED, "stalled at copying"))

    row = world.row(job.id)
    assert (row.state, row.fence, row.failures, row.error_message) == (
        JobState.RETRYING,
        2,
        1,
        "stalled at copying",
    )


@pytest.mark.parametrize("end", ["done", "publishing", "released and leased"])
def test_the_end_of_a_lease_that_is_over_changes_nothing(world: World, end: str) -> None:
    job = world.running()
    if end == "done":
        world.done(job)
    elif end == "publishing":
        world.prepared(world.write(job, "clip.mp4"))
    else:
        world.release(job)
        world.lease()
    before = world.row(job.id)

    world.commit(lambda: world.workers.end_lease(job.id, job.fence, JobEvent.STALLED, "stalled"))

    assert world.row(job.id) == before


@pytest.mark.parametrize(
    ("how", "is_isolated", "state", "crashes", "attempt"),
    [
        ({"signal": 9, "by_us": True}, False, JobState.QUEUED, 0, 0),
        ({"exit_code": 0}, False, JobState.QUEUED, 0, 0),
        ({}, False, JobState.QUEUED, 0, 0),
        ({"signal": 11}, True, JobState.QUEUED, 0, 0),
        ({"signal": 11}, False, JobState.QUEUED, 1, 1),
        ({"exit_code": 70}, False, JobState.QUEUED, 1, 1),
        ({"signal": 6, "hung": True, "by_us": True}, False, JobState.RETRYING, 0, 1),
    ],
)
def test_a_job_is_blamed_for_its_workers_death_only_where_it_may_be_its_doing(
    world: World, how: dict[str, object], is_isolated: bool, state: JobState, crashes: int, attempt: int
) -> None:
    world.submit(ID)
    world.lease(isolated=is_isolated)

    world.lose(**how)

    row = world.row(ID)
    assert (row.state, row.crashes, row.attempt, row.fence) == (state, crashes, attempt, 2)


def test_the_death_of_an_older_incarnation_leaves_the_jobs_of_the_newer_alone(world: World) -> None:
    world.submit(ID)
    world.lease(incarnation=2)

    world.lose(incarnation=1, signal=11)

    assert world.state(ID) is JobState.RUNNING


def test_the_death_of_a_worker_leaves_the_jobs_of_others_and_finished_files_alone(world: World) -> None:
    world.submit(ID)
    world.lease(worker="other")
    job, _ = world.publishing("clip.mp4")

    world.lose(signal=11)

    assert (world.state(ID), world.state(job.id)) == (JobState.RUNNING, JobState.PUBLISHING)


# Retry ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", FINAL_STATES)
def test_a_retry_of_what_has_ended_is_a_new_job_with_the_same_content(world: World, state: JobState) -> None:
    old = ended(world, state)

    accepted = world.commit(lambda: world.users.retry(old.id, bytes(16)))

    row = world.row(accepted.id)
    assert accepted.created
    assert (row.retry_of, row.params, row.state, row.attempt) == (old.id, bytes(old.params), JobState.QUEUED, 0)
    assert world.state(old.id) is state


def test_a_retry_that_is_asked_for_again_is_the_same_job(world: World) -> None:
    old = ended(world, JobState.FAILED)
    first = world.commit(lambda: world.users.retry(old.id, bytes(16)))

    again = world.commit(lambda: world.users.retry(old.id, bytes(16)))

    assert (again.id, again.created) == (first.id, False)


def test_only_what_has_ended_is_retried(world: World) -> None:
    job_id = world.submit().id

    with pytest.raises(RefusedError, match="queued") as caught:
        world.commit(lambda: world.users.retry(job_id, bytes(16)))

    assert code_of(caught) is ErrorCode.CONFLICT


# Time -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.RETRYING])
def test_every_job_ends_in_its_time(world: World, state: JobState) -> None:
    job_id = world.submit().id
    if state is not JobState.QUEUED:
        job = world.lease()
        assert job is not None
    if state is JobState.RETRYING:
        world.advance(DAY_S - 0.1)
        world.fail(job)
    else:
        world.advance(DAY_S - 1.0)
        assert world.state(job_id) is state

    world.advance(1.0)

    row = world.row(job_id)
    error = ErrorCode.UNAVAILABLE if state is JobState.RETRYING else ErrorCode.DEADLINE
    assert (row.state, row.error_code) == (JobState.FAILED, error)
    assert row.fence == {JobState.QUEUED: 0, JobState.RUNNING: 2, JobState.RETRYING: 1}[state]


def test_a_job_that_is_being_published_does_not_expire(world: World) -> None:
    job, _ = world.publishing("clip.mp4")

    world.advance(2 * DAY_S)

    assert world.state(job.id) is JobState.PUBLISHING
    assert world.ledger.next_due_s() is None


def test_what_has_ended_is_not_looked_at_again(world: World) -> None:
    for state in FINAL_STATES:
        ended(world, state)

    assert world.ledger.next_due_s() is None


JUMPS_S = [HOUR_S, -HOUR_S, DAY_S, -DAY_S, 400 * DAY_S]


@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_a_wall_clock_that_jumps_moves_no_retry(world: World, jump_s: float) -> None:
    job = world.running()
    world.fail(job)

    world.clock.jump_wall(jump_s)
    world.advance(0.5)
    early = world.state(job.id)
    world.advance(1.0)

    assert (early, world.state(job.id)) == (JobState.RETRYING, JobState.QUEUED)


@pytest.mark.parametrize("jump_s", JUMPS_S)
@pytest.mark.parametrize("is_running", [False, True])
def test_a_wall_clock_that_jumps_expires_no_job_early_or_late(world: World, jump_s: float, is_running: bool) -> None:
    job_id = world.running().id if is_running else world.submit().id

    world.clock.jump_wall(jump_s)
    world.advance(DAY_S - 1.0)
    early = world.state(job_id)
    world.advance(1.1)

    assert (early in ACTIVE, world.state(job_id)) == (True, JobState.FAILED)


@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_a_wall_clock_that_jumps_in_mid_job_moves_its_end_by_nothing(world: World, jump_s: float) -> None:
    job_id = world.submit().id
    world.clock.jump_wall(jump_s)
    job = world.lease()
    assert job is not None
    world.fail(job)
    world.advance(10.0)
    world.clock.jump_wall(-2 * jump_s)
    world.lease()

    world.advance(DAY_S - 12.0)
    early = world.state(job_id)
    world.advance(3.0)

    assert (early, world.state(job_id)) == (JobState.RUNNING, JobState.FAILED)


@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_no_job_has_taken_less_than_no_time(world: World, jump_s: float) -> None:
    job_id = world.submit().id
    world.clock.jump_wall(jump_s)
    job = world.lease()
    assert job is not None
    world.clock.jump_wall(-3 * jump_s)
    world.done(job)

    row = world.row(job_id)

    assert row.created_at <= (row.started_at or 0.0) <= (row.ended_at or 0.0)


@pytest.mark.parametrize("jump_s", JUMPS_S)
def test_a_wall_clock_that_jumped_while_the_dispatcher_was_away_delays_a_retry_by_its_back_off_at_most(
    world: World, jump_s: float
) -> None:
    job = world.running()
    world.fail(job)
    world.clock.jump_wall(jump_s)
    world.restart()

    world.advance(1.2 * 300.0)

    assert world.state(job.id) in (JobState.QUEUED, JobState.FAILED)


def test_after_an_undone_transaction_retries_and_ends_come_as_if_nothing_had_been(world: World) -> None:
    retrying, expiring = world.running(), world.submit().id
    world.fail(retrying)
    world.clock.advance(DAY_S + 10.0)
    with pytest.raises(ZeroDivisionError):
        world.commit(lambda: (world.ledger.run_due(), 1 / 0))

    world.run_due()

    assert [world.state(job_id) for job_id in (retrying.id, expiring)] == [JobState.FAILED] * 2


def test_counts_are_those_of_the_table_after_an_undone_transaction(world: World) -> None:
    world.submit()
    with pytest.raises(RefusedError):
        world.submit(kind="other")

    assert world.ledger.counts == world.ledger.store.counts()


# Files ----------------------------------------------------------------------------------------------------------------


def test_files_get_their_names_and_the_result_tells_them(world: World) -> None:
    job, request = world.publishing("front/clip.jpg", "front/clip.mp4", result={"seconds": 3.0})

    view = world.publish(job.id)

    assert result_of(view) == {"seconds": 3.0, "files": ["front/clip.jpg", "front/clip.mp4"]}
    assert world.files() == {
        "front/clip.jpg": f"front/clip.jpg of {job.id}",
        "front/clip.mp4": f"front/clip.mp4 of {job.id}",
    }
    assert world.state(job.id) is JobState.SUCCEEDED
    assert world.prepared(request) == view


@pytest.mark.parametrize("result", [None, 7, "text", [1]])
def test_a_result_that_is_no_map_stays_as_it_is(world: World, result: object) -> None:
    job, _ = world.publishing("clip.mp4", result=result)

    assert result_of(world.publish(job.id)) == result


def test_prepared_said_twice_before_the_files_have_their_names_publishes_once(world: World) -> None:
    job, request = world.publishing("clip.mp4")

    assert world.prepared(request) is None
    assert world.ledger.to_publish == [job.id]


def test_names_that_others_have_get_a_number_for_clip_and_thumbnail_alike(world: World) -> None:
    (world.exports / "clip.mp4").write_text("another clip")

    job, _ = world.publishing("clip.jpg", "clip.mp4", result={})
    view = world.publish(job.id)

    assert result_of(view) == {"files": ["clip_2.jpg", "clip_2.mp4"]}
    assert world.files()["clip.mp4"] == "another clip"
    assert sorted(world.files()) == ["clip.mp4", "clip_2.jpg", "clip_2.mp4"]


def test_a_name_that_is_taken_between_choosing_and_linking_leaves_nothing_half_behind(world: World) -> None:
    job, _ = world.publishing("thumb.jpg", "clip.mp4", result={})
    (world.exports / "clip.mp4").write_text("another clip")
    (world.exports / "clip_2.mp4").write_text("and one more")

    view = world.publish(job.id)

    assert result_of(view) == {"files": ["thumb_3.jpg", "clip_3.mp4"]}
    assert sorted(world.files()) == ["clip.mp4", "clip_2.mp4", "clip_3.mp4", "thumb_3.jpg"]


def test_jobs_that_want_the_same_names_at_the_same_time_all_get_some(world: World) -> None:
    jobs = [world.publishing("clip.mp4", result={})[0] for _ in range(3)]

    views = [world.publish(job.id) for job in jobs]

    assert [result_of(view) for view in views] == [
        {"files": ["clip.mp4"]},
        {"files": ["clip_2.mp4"]},
        {"files": ["clip_3.mp4"]},
    ]


def test_a_symlink_that_leads_nowhere_is_a_name_that_is_taken(world: World) -> None:
    (world.exports / "clip.mp4").symlink_to("nowhere")
    job, _ = world.publishing("clip.mp4", result={})

    assert result_of(world.publish(job.id)) == {"files": ["clip_2.mp4"]}


def test_a_file_that_is_gone_before_it_has_its_name_is_a_transient_failure_that_publishes_nothing(
    world: World,
) -> None:
    job, request = world.publishing("clip.jpg", "clip.mp4", result={"seconds": 3.0})
    (world.exports / request.files[1].temp).unlink()

    outcome = world.publish(job.id)

    row = world.row(job.id)
    assert refused(outcome) is ErrorCode.UNAVAILABLE
    assert (row.state, row.failures, row.result, row.files) == (JobState.RETRYING, 1, None, None)
    assert not (world.exports / "clip.jpg").exists()


@pytest.mark.usefixtures("full_of_names")
def test_a_disk_that_is_full_when_files_get_their_names_counts_as_no_failure(world: World) -> None:
    job, _ = world.publishing("clip.mp4")

    outcome = world.publish(job.id)

    row = world.row(job.id)
    assert refused(outcome) is ErrorCode.NO_SPACE
    assert (row.state, row.failures, row.error_code) == (JobState.RETRYING, 0, ErrorCode.NO_SPACE)
    world.advance(NO_SPACE_RETRY_S)
    assert world.state(job.id) is JobState.QUEUED


def test_a_result_that_is_too_large_with_the_names_of_its_files_is_refused(world: World) -> None:
    job = world.running()

    with pytest.raises(RefusedError) as caught:
        world.prepared(world.write(job, "clip.mp4", result={"text": "x" * 4_080}))

    assert code_of(caught) is ErrorCode.TOO_LARGE
    assert world.state(job.id) is JobState.RUNNING


def test_a_result_that_cannot_be_read_is_refused(world: World) -> None:
    job = world.running()
    request = world.write(job, "clip.mp4")
    broken = JobPrepared(id=job.id, fence=job.fence, files=request.files, result=type(request.result)(b"\x81\xa1\xff"))

    with pytest.raises(RefusedError) as caught:
        world.prepared(broken)

    assert code_of(caught) is ErrorCode.BAD_REQUEST


def lie(world: World, job: LeasedJob, what: str) -> JobPrepared:
    """What a worker says of its file, and one thing about it that is not true."""
    outside = world.data / "outside"
    outside.mkdir()
    (world.exports / "away").symlink_to(outside)
    told = world.write_temp(job, 0, "front/clip.mp4")
    temp = world.exports / told.temp
    fields = {name: getattr(told, name) for name in told.__struct_fields__}
    if what == "missing":
        temp.unlink()
    elif what == "wrong size":
        fields["size_bytes"] += 1
    elif what == "other inode":
        temp.rename(temp.with_name("kept"))
        temp.write_bytes((temp.with_name("kept")).read_bytes())
    elif what == "final outside":
        fields["final"] = "../clip.mp4"
    elif what == "temp outside":
        other = world.data / temp.name
        other.write_text("secret")
        fields |= {name: getattr(described(world.data, other, ""), name) for name in ("ino", "size_bytes")}
        fields |= {"temp": f"../{temp.name}", "final": "../clip.mp4"}
    elif what == "absolute":
        fields["final"] = str(world.exports / "front/clip.mp4")
    elif what == "behind a symlink":
        told = world.write_temp(job, 1, "away/clip.mp4")
        fields = {name: getattr(told, name) for name in told.__struct_fields__}
    elif what == "a symlink":
        (world.data / "secret").write_text("secret")
        temp.unlink()
        temp.symlink_to(world.data / "secret")
        found = os.lstat(temp)
        fields |= {"ino": found.st_ino, "dev": found.st_dev, "size_bytes": found.st_size}
    elif what == "other folder":
        fields["final"] = "back/clip.mp4"
    elif what == "a zero byte":
        fields["final"] = "front/clip\0.mp4"
    elif what == "no name":
        fields["final"] = "."
    elif what == "name of no temp":
        other = temp.with_name("clip.part")
        temp.rename(other)
        fields["temp"] = str(other.relative_to(world.exports))
    elif what == "fence of another":
        other = temp.with_name(temp.name.replace(f".{job.fence}.", f".{job.fence + 1}."))
        temp.rename(other)
        fields["temp"] = str(other.relative_to(world.exports))
    elif what == "job of another":
        other = temp.with_name(temp.name.replace(job.id, ID))
        temp.rename(other)
        fields["temp"] = str(other.relative_to(world.exports))
    changed = type(told)(**fields)
    files = [changed, world.write_temp(job, 2, "front/clip.mp4")] if what == "one name for two" else [changed]
    return JobPrepared(id=job.id, fence=job.fence, files=files)


@pytest.mark.parametrize(
    "what",
    [
        "missing",
        "wrong size",
        "other inode",
        "final outside",
        "temp outside",
        "absolute",
        "behind a symlink",
        "a symlink",
        "other folder",
        "a zero byte",
        "no name",
        "name of no temp",
        "fence of another",
        "job of another",
        "one name for two",
    ],
)
def test_a_worker_that_lies_about_its_file_is_refused_and_nothing_is_published(world: World, what: str) -> None:
    job = world.running()
    request = lie(world, job, what)
    before = world.files()

    with pytest.raises(RefusedError) as caught:
        world.prepared(request)

    assert code_of(caught) is ErrorCode.BAD_REQUEST
    assert world.state(job.id) is JobState.RUNNING
    assert world.ledger.to_publish == []
    assert world.files() == before


# Errors ---------------------------------------------------------------------------------------------------------------


def test_error_texts_leave_without_credentials(world: World) -> None:
    job = world.running()

    view = world.fail(job, message="rtsp://viewer:s3cret@10.0.0.5/1?token=abc did not open")

    assert view.error is not None
    assert view.error.message == "rtsp://***@10.0.0.5/1?token=*** did not open"
    assert "s3cret" not in str(world.ledger.store.last_moves(job.id, 500))


def test_error_texts_are_cut(world: World) -> None:
    job = world.running()

    view = world.fail(job, message="://a:b@" * 71)

    assert view.error is not None
    assert len(view.error.message) <= 500


# Listing --------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first_page_by_page(world: World) -> None:
    ids = [world.submit().id for _ in range(5)]

    first = world.users.listing(ListJobs(limit=3))
    rest = world.users.listing(ListJobs(limit=3, next=first.next))

    assert [view.id for view in first.jobs + rest.jobs] == ids[::-1]
    assert rest.next is None


def test_jobs_are_listed_by_what_is_asked_for(world: World) -> None:
    job = world.running(params={"camera": "back"}, case="7")
    world.submit()

    for asked in (ListJobs(camera="back"), ListJobs(case="7"), ListJobs(state=JobState.RUNNING)):
        assert [view.id for view in world.users.listing(asked).jobs] == [job.id]
    assert world.users.listing(ListJobs(type="clip")).jobs == []


@pytest.mark.parametrize("next_page", ["9" * 400, "²", "-1", "x", "0"])
def test_a_page_that_nobody_was_told_of_is_no_fault_of_ours(world: World, next_page: str) -> None:
    world.submit()

    assert len(world.users.listing(ListJobs(next=next_page)).jobs) <= 1


# Recovery -------------------------------------------------------------------------------------------------------------


def test_a_running_job_goes_on_undisturbed_when_the_dispatcher_comes_back(world: World) -> None:
    job = world.running()

    world.restart()

    assert world.state(job.id) is JobState.RUNNING
    assert result_of(world.done(job, {"count": 3})) == {"count": 3}


def test_a_running_job_of_an_earlier_boot_waits_again_and_is_not_blamed(world: World) -> None:
    job = world.running()

    world.restart(boot_id="boot-2")

    row = world.row(job.id)
    assert (row.state, row.fence, row.attempt, row.crashes, row.failures) == (JobState.QUEUED, 2, 0, 0, 0)


def test_a_flagged_job_of_an_earlier_boot_is_cancelled(world: World) -> None:
    job = world.running()
    world.cancel(job.id)

    world.restart(boot_id="boot-2")

    assert world.state(job.id) is JobState.CANCELLED


@pytest.mark.parametrize("linked", [0, 1, 2])
@pytest.mark.parametrize("boot_id", ["boot-1", "boot-2"])
def test_a_job_that_died_while_its_files_got_their_names_is_finished(world: World, linked: int, boot_id: str) -> None:
    job, request = world.publishing("clip.jpg", "clip.mp4", result={})
    for file in request.files[:linked]:
        os.link(world.exports / file.temp, world.exports / file.final)

    world.restart(boot_id)

    assert world.state(job.id) is JobState.SUCCEEDED
    assert sorted(world.files()) == ["clip.jpg", "clip.mp4"]
    assert result_of(world.users.get(job.id)) == {"files": ["clip.jpg", "clip.mp4"]}
    assert world.prepared(request) == world.users.get(job.id)


def test_a_job_whose_files_are_linked_and_whose_temps_are_gone_is_finished(world: World) -> None:
    job, request = world.publishing("clip.mp4")
    os.rename(world.exports / request.files[0].temp, world.exports / "clip.mp4")

    world.restart()

    assert world.state(job.id) is JobState.SUCCEEDED
    assert list(world.files()) == ["clip.mp4"]


def test_a_name_that_was_taken_while_the_dispatcher_was_away_gets_a_number(world: World) -> None:
    job, _ = world.publishing("clip.mp4", result={})
    (world.exports / "clip.mp4").write_text("another clip")

    world.restart()

    assert result_of(world.users.get(job.id)) == {"files": ["clip_2.mp4"]}
    assert world.files()["clip.mp4"] == "another clip"


def test_a_job_whose_file_is_gone_is_made_again_and_leaves_nothing_half_behind(world: World) -> None:
    job, request = world.publishing("clip.jpg", "clip.mp4")
    os.rename(world.exports / request.files[0].temp, world.exports / "clip.jpg")
    (world.exports / request.files[1].temp).unlink()

    world.restart()

    row = world.row(job.id)
    assert (row.state, row.fence, row.result) == (JobState.QUEUED, 2, None)
    assert world.files() == {}


def test_a_file_that_only_looks_like_the_finished_one_is_not_taken_for_it(world: World) -> None:
    job, request = world.publishing("clip.mp4")
    temp = world.exports / request.files[0].temp
    text = temp.read_text()
    (world.exports / "clip.mp4").write_text(text)
    temp.unlink()

    world.restart()

    assert world.state(job.id) is JobState.QUEUED


@pytest.mark.usefixtures("full_of_names")
def test_a_disk_that_refuses_names_does_not_keep_the_dispatcher_from_starting(world: World) -> None:
    job, _ = world.publishing("clip.mp4")

    world.restart()

    assert world.state(job.id) is JobState.RETRYING


def test_temps_of_current_leases_are_kept_and_all_others_are_swept(world: World) -> None:
    current, over = world.running(), world.running()
    kept = world.write_temp(current, 0, "front/a.mp4").temp
    world.write_temp(over, 0, "front/b.mp4")
    world.release(over)
    stranger = world.exports / f".{ID}.7.0.part"
    stranger.write_text("nobody's")
    (world.exports / "clip.mp4").write_text("a finished one")

    world.restart()

    assert list(world.files()) == ["clip.mp4", kept] or list(world.files()) == [kept, "clip.mp4"]


def test_a_temp_that_its_worker_removes_at_the_same_time_does_not_keep_the_dispatcher_from_starting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def walk(folder: object) -> Iterator[tuple[str, list[str], list[str]]]:
        yield str(folder), [], [f".{ID}.7.0.part"]

    monkeypatch.setattr(os, "walk", walk)

    world.restart()

    assert world.files() == {}


def test_retries_and_ends_come_also_after_a_restart(world: World) -> None:
    retrying, waiting = world.running(), world.submit().id
    world.fail(retrying)
    world.restart()

    world.advance(2.0)
    assert world.state(retrying.id) is JobState.QUEUED
    world.advance(DAY_S)

    assert world.state(waiting) is JobState.FAILED


def test_final_jobs_stay_as_they_are_whatever_comes(world: World) -> None:
    jobs = [ended(world, state) for state in FINAL_STATES]
    before = [world.row(job.id) for job in jobs]

    for job in jobs:
        world.cancel(job.id)
        world.fail(job, FailKind.CRASH)
        world.stopped(job)
        world.release(job)
        world.done(job, {"late": True})
        world.prepared(world.write(job, "late.mp4"))
    world.lose(signal=11)
    world.advance(2 * DAY_S)
    world.restart(boot_id="boot-2")

    assert [world.row(job.id) for job in jobs] == before
    assert {row.state for row in before} < FINAL
    assert "late.mp4" not in world.files()


def test_the_policy_of_a_type_is_that_of_the_settings_else_its_own_else_the_default(world: World) -> None:
    assert world.admission.policy_of("mine") == world.policy
    assert world.admission.policy_of("clip").max_queued == 2
    assert world.admission.policy_of("other") == QueuePolicy()
