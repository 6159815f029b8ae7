"""What users of other job queues expect of one, where no other test says it: limits, secrets, cases, ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framebus import codec
from framebus.errors import RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState
from framebus.problems import find_problems
from framebus.requests import FailKind, LeasedJob, ListJobs
from framebus.settings import QueuePolicy, Settings
from framebus_services.export.contract import EXPORT
from services.dispatcher.ledgers import World

SECRET = "/srv/secret-folder rtsp://viewer:p4ss@camera"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, policy=QueuePolicy(max_queued=10, max_running=3, max_failures=1))
    yield world
    world.close()


def test_a_hundred_exports_wait_beside_those_that_run_and_the_next_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path, policy=EXPORT.policy)
    for slot in range(3):
        world.submit()
        assert world.lease(slot=slot) is not None

    for _ in range(100):
        world.submit()

    with pytest.raises(RefusedError, match="full"):
        world.submit()
    assert world.ledger.counts["mine"] == {JobState.QUEUED: 100, JobState.RUNNING: 3}
    world.close()


@pytest.mark.parametrize("setting", ["max_queued", "max_running", "max_failures"])
def test_a_limit_below_one_is_refused_with_its_path(setting: str) -> None:
    problems = find_problems({"jobs": {"export": {setting: 0}}}, Settings)

    assert len(problems) == 1
    assert problems[0].startswith(f"jobs.export.{setting}: ")
    assert ">= 1" in problems[0]


def test_parameters_show_nowhere_but_to_the_worker(world: World) -> None:
    job_id = world.submit(params={"camera": "front", "place": SECRET}).id
    leased = world.lease()
    assert leased is not None
    world.done(leased)

    views = [view for _, view in world.moves] + [world.users.get(job_id), *world.users.listing(ListJobs()).jobs]

    assert SECRET.encode() in bytes(leased.params)
    assert len(views) == 5
    assert [view for view in views if SECRET.encode() in codec.encode(view)] == []


ENDS: dict[str, Callable[[World, LeasedJob], object]] = {
    "done": lambda world, job: world.done(job),
    "failed": lambda world, job: world.fail(job, FailKind.PERMANENT),
    "failed too often": lambda world, job: world.fail(job),
    "cancelled": lambda world, job: (world.cancel(job.id), world.stopped(job)),
    "expired": lambda world, job: world.advance(90_000.0),
}


@pytest.mark.parametrize("how", ENDS)
def test_however_a_job_ends_its_end_has_a_time_and_is_told_once(world: World, how: str) -> None:
    job = world.running()

    ENDS[how](world, job)

    view = world.users.get(job.id)
    assert view.state in FINAL
    assert view.ended_at_s is not None
    assert view.started_at_s is not None
    assert view.ended_at_s >= view.started_at_s
    assert [told.state for _, told in world.moves if told.state in FINAL] == [view.state]


def test_a_job_that_ended_can_be_asked_for_long_after_it_left_the_board_and_after_a_restart(world: World) -> None:
    job = world.running()
    world.done(job, {"count": 3})

    world.advance(3_600.0)
    world.restart()

    assert world.users.get(job.id).state is JobState.SUCCEEDED
    assert [view.id for view in world.users.listing(ListJobs()).jobs] == [job.id]


def test_cancelling_a_case_ends_what_waits_of_it_and_keeps_the_order_of_the_rest(world: World) -> None:
    ids = [world.submit(case="7" if number % 2 else "8").id for number in range(6)]

    cancelled = world.commit(lambda: world.users.cancel_case("7"))

    assert sorted(view.id for view in cancelled.jobs) == sorted(ids[1::2])
    assert all(view.state is JobState.CANCELLED and view.ended_at_s is not None for view in cancelled.jobs)
    order = [leased.id for slot in range(3) if (leased := world.lease(slot=slot)) is not None]
    assert order == ids[0::2]
    assert world.ledger.counts["mine"].get(JobState.QUEUED, 0) == 0


def test_cancelling_a_case_tells_its_running_jobs_to_stop_and_touches_no_other(world: World) -> None:
    first = world.running(case="7")
    other = world.running(case="8")

    world.commit(lambda: world.users.cancel_case("7"))

    assert world.users.get(first.id).cancelling
    assert not world.users.get(other.id).cancelling
    assert world.stopped(first).state is JobState.CANCELLED
