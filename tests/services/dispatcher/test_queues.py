"""What the queue of a type remembers: rests, pauses, how long a job takes, and what users are told of their wait."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobState
from framebus.requests import FailKind, JobDone, LeaseJob
from framebus.settings import QueuePolicy
from framebus_services.dispatcher.forecast import NOBODY_S, STUCK_S
from services.dispatcher.ledgers import World, code_of

HOUR_S, DAY_S = 3_600.0, 86_400.0
RESTING = QueuePolicy(max_queued=50, max_failures=100, backoff_s=0.01, backoff_limit_s=0.01, rest_s=15.0)
PAUSING = QueuePolicy(max_queued=50, pause_s=10.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, RESTING)
    yield made
    made.close()


@pytest.fixture
def pausing(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, PAUSING)
    yield made
    made.close()


def fail_once_more(world: World, kind: FailKind = FailKind.TRANSIENT, **more: object) -> float:
    """How long the type rests after one more failure of a job of its own, in seconds."""
    world.submit()
    job = world.lease()
    assert job is not None
    world.fail(job, kind, **more)
    rest_s = rest_of(world)
    world.advance(max(rest_s, 0.02))
    return round(rest_s, 3)


def rest_of(world: World) -> float:
    return max(0.0, world.ledger.queues.ready_s("mine") - world.clock.boot_s())


def test_failures_in_a_row_make_the_type_rest_twice_as_long_each_time_and_never_longer_than_its_limit(
    world: World,
) -> None:
    rests_s = [fail_once_more(world) for _ in range(8)]

    assert rests_s == [0.0, 15.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0]


def test_nothing_is_leased_while_the_type_rests_and_everything_after(world: World) -> None:
    fail_once_more(world)
    world.submit()
    job = world.lease()
    assert job is not None
    world.fail(job)
    world.advance(14.9)

    refused = world.lease()
    world.advance(0.2)

    assert refused is None
    assert world.lease() is not None


def test_a_success_ends_the_row(world: World) -> None:
    fail_once_more(world), fail_once_more(world)
    job = world.lease()
    assert job is not None
    world.done(job)

    assert [fail_once_more(world), fail_once_more(world)] == [0.0, 15.0]


@pytest.mark.parametrize("kind", [FailKind.PERMANENT, FailKind.NO_SOURCE, FailKind.NO_SPACE])
def test_failures_that_tell_nothing_of_the_others_neither_count_nor_end_the_row(world: World, kind: FailKind) -> None:
    fail_once_more(world)

    assert [fail_once_more(world, kind), fail_once_more(world)] == [0.0, 15.0]


def test_a_cancelled_job_that_fails_on_its_way_out_does_not_count(world: World) -> None:
    fail_once_more(world)
    job = world.lease()
    assert job is not None
    world.cancel(job.id)

    world.fail(job)

    assert world.ledger.queues.of("mine").streak == 1


def test_a_type_without_rests_never_rests(tmp_path: Path) -> None:
    world = World(tmp_path, QueuePolicy(max_failures=100, backoff_s=0.01, backoff_limit_s=0.01))

    assert [fail_once_more(world) for _ in range(4)] == [0.0] * 4
    world.close()


def test_who_is_asked_to_come_later_rests_with_its_whole_type_and_counts_no_failure(world: World) -> None:
    job = world.running()
    other = world.submit().id

    view = world.fail(job, FailKind.RATE_LIMITED, "429", retry_after_s=42.0)

    assert (view.state, world.row(job.id).failures) == (JobState.RETRYING, 0)
    assert view.next_try_at_s == pytest.approx(world.clock.wall_s() + 42.0)
    assert view.error is not None
    assert view.error.code == ErrorCode.BUSY
    world.advance(41.9)
    assert world.lease() is None
    world.advance(0.2)
    assert world.state(other) is JobState.QUEUED
    assert world.lease() is not None


def test_a_rest_of_hours_is_kept_and_one_beyond_the_life_of_a_job_is_cut(world: World) -> None:
    rests_s = [fail_once_more(world, FailKind.RATE_LIMITED, retry_after_s=seconds) for seconds in (6 * HOUR_S, 1e9)]

    assert rests_s == [6 * HOUR_S, DAY_S]


def test_who_does_not_say_how_long_rests_as_the_policy_says_or_backs_off(tmp_path: Path) -> None:
    rests_s = {}
    for name, policy in (("resting", RESTING), ("not", QueuePolicy(backoff_s=2.0))):
        folder = tmp_path / name
        folder.mkdir()
        world = World(folder, policy)
        rests_s[name] = [fail_once_more(world, FailKind.RATE_LIMITED) for _ in range(3)]
        world.close()

    assert rests_s == {"resting": [15.0, 15.0, 30.0], "not": [2.0, 4.0, 8.0]}


def test_a_type_that_rests_leaves_its_workers_to_the_others(world: World) -> None:
    world.fail(world.running(), FailKind.RATE_LIMITED, retry_after_s=60.0)
    world.submit()
    other = world.submit(kind="clip", params={"camera": "front", "seconds": 1.0}).id

    job = world.lease(types=["mine", "clip"])

    assert job is not None
    assert job.id == other


@pytest.mark.parametrize("boot_id", [None, "boot-2"])
def test_a_rest_goes_on_after_a_restart(world: World, boot_id: str | None) -> None:
    world.fail(world.running(), FailKind.RATE_LIMITED, retry_after_s=60.0)
    world.clock.advance(20.0)

    world.restart(boot_id)

    assert rest_of(world) == pytest.approx(40.0, abs=0.001)


@pytest.mark.parametrize(("jump_s", "left_s"), [(-DAY_S, 60.0), (-HOUR_S, 60.0), (HOUR_S, 0.0), (DAY_S, 0.0)])
def test_a_rest_after_a_restart_is_never_longer_than_it_was_granted_whatever_the_wall_clock_says(
    world: World, jump_s: float, left_s: float
) -> None:
    world.fail(world.running(), FailKind.RATE_LIMITED, retry_after_s=60.0)
    world.clock.jump_wall(jump_s)

    world.restart()

    assert rest_of(world) == pytest.approx(left_s, abs=0.001)


@pytest.mark.parametrize("jump_s", [-DAY_S, -HOUR_S, HOUR_S, DAY_S])
def test_a_wall_clock_that_jumps_moves_no_rest_no_pause_no_retry_and_no_duration(tmp_path: Path, jump_s: float) -> None:
    world = World(tmp_path, QueuePolicy(max_running=2, pause_s=10.0, rest_s=15.0, backoff_s=8.0))
    job, other = world.running(), world.submit().id
    world.clock.advance(10.0)
    running = world.lease(slot=7)
    assert running is not None
    world.clock.jump_wall(jump_s)
    world.clock.advance(4.0)

    world.fail(job, FailKind.RATE_LIMITED, retry_after_s=60.0)
    world.clock.jump_wall(-2 * jump_s)
    done = world.done(running)

    assert not isinstance(done, RefusedError)
    assert (done.ended_at_s or 0.0) >= (done.started_at_s or 0.0) >= done.created_at_s
    assert world.ledger.queues.of("mine").avg_duration_s == pytest.approx(4.0)
    assert rest_of(world) == pytest.approx(60.0)
    world.advance(59.9)
    assert (world.state(job.id), world.state(other)) == (JobState.RETRYING, JobState.SUCCEEDED)
    world.advance(0.2)
    assert world.state(job.id) is JobState.QUEUED
    world.close()


def test_a_pause_lies_between_the_end_of_a_job_and_the_begin_of_the_next(pausing: World) -> None:
    first = pausing.running()
    pausing.submit()
    pausing.done(first)

    pausing.advance(9.9)
    refused = pausing.lease()
    pausing.advance(0.2)

    assert refused is None
    assert pausing.lease() is not None


@pytest.mark.parametrize("jump_s", [0.0, -DAY_S])
def test_a_pause_goes_on_after_a_restart_and_is_never_longer(pausing: World, jump_s: float) -> None:
    pausing.done(pausing.running())
    pausing.clock.advance(4.0)
    pausing.clock.jump_wall(jump_s)

    pausing.restart()

    assert rest_of(pausing) == pytest.approx(6.0 if not jump_s else 10.0, abs=0.001)


def test_a_move_that_is_undone_leaves_the_queue_as_it_was(world: World) -> None:
    job = world.running()
    before = world.ledger.queues.of("mine")

    def work() -> None:
        world.workers.done(JobDone(id=job.id, fence=job.fence))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.commit(work)

    assert world.ledger.queues.of("mine") == before
    world.restart()
    assert world.ledger.queues.of("mine").processed == 0


# What users are told --------------------------------------------------------------------------------------------------


def test_a_queue_where_nobody_waits_lets_a_new_job_begin_at_once(world: World) -> None:
    status = world.users.queue("mine")

    assert (status.estimated_wait_s, status.waiting, status.free, status.avg_duration_s) == (0.0, 0, 50, 60.0)


def test_the_queue_of_a_type_that_nobody_knows_is_refused_with_the_known_ones(world: World) -> None:
    with pytest.raises(RefusedError, match="clip, mine") as caught:
        world.users.queue("other")

    assert code_of(caught) is ErrorCode.UNKNOWN_TYPE


def test_the_average_is_that_of_the_first_success_and_then_follows_slowly(world: World) -> None:
    averages_s = []
    for seconds in (10.0, 20.0):
        job = world.running()
        world.advance(seconds)
        world.done(job)
        averages_s.append(world.users.queue("mine").avg_duration_s)
    job = world.running()
    world.advance(1_000.0)
    world.fail(job, FailKind.PERMANENT)

    status = world.users.queue("mine")
    assert averages_s == [pytest.approx(10.0), pytest.approx(12.0)]
    assert status.avg_duration_s == pytest.approx(12.0)
    assert (status.processed_total, status.failed_total) == (2, 1)
    world.restart()
    assert world.users.queue("mine") == status


def test_the_wait_counts_who_waits_what_is_left_of_who_runs_pauses_and_the_rest(pausing: World) -> None:
    job = pausing.running()
    pausing.advance(20.0)
    pausing.done(job)
    pausing.advance(10.0)
    running = pausing.running()
    pausing.submit()
    pausing.advance(5.0)

    before_s = pausing.users.queue("mine").estimated_wait_s
    pausing.fail(running, FailKind.RATE_LIMITED, retry_after_s=100.0)
    after = pausing.users.queue("mine")

    assert before_s == pytest.approx(15.0 + 10.0 + 20.0 + 10.0)
    assert after.estimated_wait_s == pytest.approx(100.0 + 2 * 30.0)
    assert after.resting_until_at_s == pytest.approx(pausing.clock.wall_s() + 100.0)


def test_jobs_that_nobody_takes_are_told_as_stuck_and_since_when(world: World) -> None:
    world.submit()
    since_s = world.clock.wall_s()
    early = world.users.queue("mine")
    world.advance(STUCK_S + 1.0)

    late = world.users.queue("mine")
    world.hands.ask(LeaseJob(types=["mine"], worker="hands", incarnation=1), world.clock.boot_s())
    again = world.users.queue("mine")

    assert (early.worker_running, early.stuck_since_at_s) == (False, None)
    assert (late.worker_running, late.stuck_since_at_s) == (False, pytest.approx(since_s))
    assert (again.worker_running, again.stuck_since_at_s) == (True, None)


def test_who_is_turned_away_where_nobody_works_is_told_to_wait_for_a_worker(tmp_path: Path) -> None:
    world = World(tmp_path, QueuePolicy(max_queued=1))
    world.submit()

    with pytest.raises(RefusedError) as caught:
        world.submit()

    assert caught.value.retry_after_s == NOBODY_S
    world.close()


class Shift:
    """A worker with some slots that does jobs of 2 s +- 20 % for as long as there are any; time is the test's."""

    def __init__(self, world: World, slots: int, seed: int) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.busy: dict[int, tuple[object, float]] = {}
        self.slots = slots
        self.begun: dict[str, float] = {}
        self.ended_s: list[float] = []

    def work(self) -> None:
        now_s = self.world.clock.boot_s()
        for slot, (job, end_s) in list(self.busy.items()):
            if end_s <= now_s:
                self.world.done(job)  # type: ignore[arg-type]
                self.ended_s.append(now_s)
                del self.busy[slot]
        for slot in set(range(self.slots)) - set(self.busy):
            request = LeaseJob(types=["mine"], worker="hands", incarnation=1, slot=slot)
            self.world.hands.ask(request, now_s)
            job = self.world.lease(slot=slot)
            if job is not None:
                self.begun[job.id] = now_s
                self.busy[slot] = (job, now_s + self.rng.uniform(1.6, 2.4))

    def step(self) -> None:
        self.world.clock.advance(0.02)
        self.world.run_due()
        self.work()


@pytest.mark.parametrize(("slots", "pause_s"), [(1, 0.0), (3, 0.0), (1, 1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_is_within_15_percent_after_the_third_job(
    tmp_path: Path, slots: int, pause_s: float, seed: int
) -> None:
    world = World(tmp_path, QueuePolicy(max_queued=50, max_running=slots, pause_s=pause_s))
    shift = Shift(world, slots, seed)
    for _ in range(20):
        world.submit()
    while len(shift.ended_s) < 3:
        shift.step()

    told_s = world.users.queue("mine").estimated_wait_s
    asked_s, last = world.clock.boot_s(), world.submit().id
    while last not in shift.begun:
        shift.step()

    assert told_s == pytest.approx(shift.begun[last] - asked_s, rel=0.15)
    world.close()


@pytest.mark.parametrize("seed", range(3))
def test_who_is_turned_away_is_told_a_time_that_holds_within_a_factor_of_two(tmp_path: Path, seed: int) -> None:
    """20 clients hand in 10 times what fits, round by round; who is turned away comes again when it was told to."""
    capacity, clients, rounds = 10, 20, 5
    world = World(tmp_path, QueuePolicy(max_queued=capacity, max_running=3))
    shift = Shift(world, 3, seed)
    for _ in range(3):
        world.submit()
    while len(shift.ended_s) < 3:  # before, nobody can know how long a job takes
        shift.step()
    ratios = []
    for number in range(rounds):
        come_s = dict.fromkeys(range(clients), world.clock.boot_s())
        told: dict[int, tuple[float, float]] = {}
        while come_s:
            now_s = world.clock.boot_s()
            for client in [one for one, at_s in come_s.items() if at_s <= now_s]:
                try:
                    world.submit(f"{client:016x}{number:016x}")
                except RefusedError as error:
                    retry_after_s = error.retry_after_s or 0.0
                    told.setdefault(client, (now_s, retry_after_s))
                    come_s[client] = now_s + retry_after_s
                else:
                    del come_s[client]
                    ratios += (
                        [(now_s - since_s) / told_s for since_s, told_s in [told.pop(client)]] if client in told else []
                    )
            shift.step()

    assert len(ratios) >= 60
    assert sum(0.5 <= ratio <= 2.0 for ratio in ratios) >= 0.9 * len(ratios)
    world.close()
