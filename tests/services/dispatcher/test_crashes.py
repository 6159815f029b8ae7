"""Whose fault a worker's death is: jobs that kill end dead with their evidence, and no innocent one ever does."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import ErrorCode
from framebus.jobs import MAX_CRASHES, MAX_KILLS, JobEvent
from framebus.messages import JobState
from framebus.requests import FailKind, JobFailed, LeasedJob
from framebus.settings import QueuePolicy
from framebus_services.dispatcher.crashes import OWN_DOING, OomWatch, verdict
from framebus_services.oom import count_oom_kills
from services.dispatcher.ledgers import World

POLICY = QueuePolicy(max_queued=500, max_running=6, backoff_s=0.1, backoff_limit_s=10.0)
ID = "0123456789abcdef0123456789abcdef"
SECRET = "rtsp://viewer:s3cret@10.0.0.5/1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, POLICY)
    yield made
    made.close()


class Crew:
    """A worker process with some slots, started anew whenever it has died."""

    def __init__(self, world: World, slots: int, name: str = "hands") -> None:
        self.world = world
        self.name = name
        self.slots = slots
        self.incarnation = 1
        self.held: dict[int, LeasedJob] = {}
        self.deaths = 0

    def lease(self) -> list[LeasedJob]:
        """Fill the free slots."""
        for slot in set(range(self.slots)) - set(self.held):
            job = self.world.lease(self.name, self.incarnation, slot)
            if job is not None:
                self.held[slot] = job
        return list(self.held.values())

    def die(self, **how: object) -> None:
        self.world.clock.advance(0.01)
        self.world.lose(self.name, self.incarnation, **how)
        self.held.clear()
        self.incarnation += 1
        self.deaths += 1

    def finish(self, slot: int) -> None:
        self.world.done(self.held.pop(slot))


def out_of_memory(world: World) -> dict[str, object]:
    world.oom_kills += 1
    return {"signal": 9}


@pytest.mark.parametrize("how", ["segv", "abort", "exit", "out of memory"])
@pytest.mark.parametrize("slots", [1, 3])
def test_a_job_that_kills_its_worker_is_dead_after_exactly_three_and_the_good_ones_behind_it_finish(
    world: World, how: str, slots: int
) -> None:
    world.submit(ID)
    good = [world.submit().id for _ in range(8)]
    crew = Crew(world, slots)
    while any(world.state(job_id) is not JobState.SUCCEEDED for job_id in good):
        if ID in [job.id for job in crew.lease()]:
            ways = {"segv": {"signal": 11}, "abort": {"signal": 6}, "exit": {"exit_code": 1}}
            crew.die(**ways.get(how) or out_of_memory(world))
        else:
            crew.finish(next(iter(crew.held)))
        world.advance(1.0)

    assert world.state(ID) is JobState.DEAD
    assert crew.deaths == MAX_CRASHES == 3
    assert max(world.row(job_id).crashes for job_id in good) <= 1


def test_a_job_that_eats_memory_is_dead_in_the_end_where_the_kernel_does_not_tell(world: World) -> None:
    world.submit(ID)
    good = [world.submit().id for _ in range(8)]
    crew = Crew(world, 3)
    for _ in range(500):
        if ID in [job.id for job in crew.lease()]:
            crew.die(signal=9)
        elif crew.held:
            crew.finish(next(iter(crew.held)))
        world.advance(11.0)

    assert world.state(ID) is JobState.DEAD
    assert world.row(ID).kills == MAX_KILLS
    assert crew.deaths == MAX_KILLS + 1  # the first hit three at once, and told nothing
    assert [world.state(job_id) for job_id in good] == [JobState.SUCCEEDED] * 8


@pytest.mark.parametrize("seed", range(5))
def test_200_random_kills_over_a_busy_group_leave_no_innocent_job_dead(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, POLICY)
    rng = random.Random(seed)
    crews = [Crew(world, 3, "left"), Crew(world, 3, "right"), Crew(world, 1, "small")]
    jobs = [world.submit().id for _ in range(150)]
    kills = 0
    while kills < 200:
        world.advance(rng.uniform(0.0, 0.5))
        if sum(world.ledger.count("mine", state) for state in (JobState.QUEUED, JobState.RETRYING)) < 20:
            jobs += [world.submit().id for _ in range(20)]
        for crew in crews:
            crew.lease()
            for slot in list(crew.held):
                if rng.random() < 0.3:
                    crew.finish(slot)
        crew = rng.choice(crews)
        if crew.held:
            crew.die(signal=9)
            kills += 1

    assert [job_id for job_id in jobs if world.state(job_id) is JobState.DEAD] == []
    assert max(world.row(job_id).crashes for job_id in jobs) == 0
    world.close()


def test_a_suspect_is_leased_alone_and_its_worker_takes_nothing_else_until_it_has_ended(world: World) -> None:
    suspects = [world.submit().id, world.submit().id]
    crew, other = Crew(world, 3), Crew(world, 1, "other")
    crew.lease()
    crew.die(signal=9)
    innocent = world.submit(priority=1).id

    assert [job.id for job in crew.lease()] == [innocent]
    assert [job.id for job in other.lease()] == [suspects[0]]
    crew.finish(next(iter(crew.held)))
    assert [job.id for job in crew.lease()] == [suspects[1]]
    world.submit()
    assert [job.id for job in crew.lease()] == [suspects[1]]


def test_a_worker_that_gives_each_job_a_process_of_its_own_takes_suspects_like_all_others(world: World) -> None:
    for _ in range(2):
        world.submit()
    crew = Crew(world, 3)
    crew.lease()
    crew.die(signal=9)

    jobs = [world.lease("apart", slot=slot, isolated=True) for slot in range(2)]

    assert None not in jobs


def test_a_killed_job_waits_longer_each_time_so_that_its_worker_is_not_given_up(world: World) -> None:
    world.submit(ID)
    waits_s = []
    for _ in range(4):
        world.lease()
        world.clock.advance(0.01)
        world.lose(signal=9)
        waits_s.append((world.row(ID).not_before or 0.0) - world.clock.wall_s())
        world.advance(5.0)

    assert waits_s == [pytest.approx(0.1 * 2**number, rel=0.21) for number in range(4)]
    assert (world.row(ID).kills, world.row(ID).attempt, world.row(ID).failures) == (4, 0, 0)


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_that_only_somebody_else_sends_are_no_fault_of_the_job(death: signal.Signals) -> None:
    assert verdict(death, None, is_alone=True, was_out_of_memory=False) is JobEvent.VOID
    assert death not in OWN_DOING


@pytest.mark.parametrize("death", [signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF])
def test_a_job_that_dies_of_its_own_timer_is_dead_after_three_and_does_not_come_again_for_ever(
    world: World, death: signal.Signals
) -> None:
    job_id = world.submit().id

    for _ in range(MAX_CRASHES):
        job = world.lease(isolated=True)
        assert job is not None
        failed = JobFailed(id=job.id, fence=job.fence, kind=FailKind.CRASH, message="crashed", signal=death)
        world.commit(lambda failed=failed: world.workers.fail(failed))

    assert world.state(job_id) is JobState.DEAD


def test_a_kernel_that_ran_out_of_memory_before_the_lease_or_long_ago_blames_nobody(world: World) -> None:
    world.oom_kills += 1
    world.clock.advance(1.0)
    world.running()

    world.clock.advance(1.0)
    world.lose(signal=9)

    assert world.ledger.counts["mine"][JobState.RETRYING] == 1


def test_the_kernels_count_can_be_read_here_or_is_none() -> None:
    count = count_oom_kills()

    assert count is None or count >= 0
    assert OomWatch().look(1.0) in (float("-inf"), 1.0)


def test_a_dead_job_tells_how_it_died_and_the_last_words_without_secrets(world: World) -> None:
    world.submit(ID)
    crew = Crew(world, 1)
    for number in range(3):
        crew.lease()
        crew.die(signal=11, log_tail=[f"opening {SECRET}", f"death {number}"])

    story = world.users.story(ID)

    assert story.evidence == ["signal 11 (SIGSEGV)", "opening rtsp://***@10.0.0.5/1", "death 2"]
    assert [move.state for move in story.moves] == [
        JobState.QUEUED,
        *[JobState.RUNNING, JobState.QUEUED] * 2,
        JobState.RUNNING,
        JobState.DEAD,
    ]
    assert story.job.error is not None
    assert (story.job.error.code, story.job.error.message) == (
        ErrorCode.CRASHED,
        "its worker died: signal 11 (SIGSEGV)",
    )
    assert "s3cret" not in str(story)


def test_the_words_of_a_job_in_a_process_of_its_own_are_its_evidence(world: World) -> None:
    job = world.running()

    world.fail(job, FailKind.CRASH, "the process died", signal=11, log_tail=["x" * 600] * 200)

    evidence = world.users.story(job.id).evidence
    assert evidence[0] == "signal 11 (SIGSEGV)"
    assert len(evidence) <= 200
    assert sum(map(len, evidence)) <= 17_000


def test_dead_jobs_are_kept_until_somebody_has_asked_for_their_story(world: World) -> None:
    world.submit(ID)
    crew = Crew(world, 1)
    for _ in range(3):
        crew.lease()
        crew.die(signal=11)
    store, later_s = world.ledger.store, world.clock.wall_s() + 1.0

    before = store.forget_ended(later_s, keep=0, limit=10)
    world.users.story(ID)
    world.commit(lambda: world.users.note_seen(ID))

    assert (before, store.forget_ended(later_s, keep=0, limit=10)) == (0, 1)
    assert store.evidence(ID) is None


def test_a_real_process_that_dies_of_each_kind_is_read_as_what_it_was() -> None:
    deaths = {
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": JobEvent.CRASH,
        "import os; os.abort()": JobEvent.CRASH,
        "raise SystemExit(3)": JobEvent.CRASH,
        "raise SystemExit(0)": JobEvent.VOID,
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": JobEvent.VOID,
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": JobEvent.KILLED,
    }
    for script, expected in deaths.items():
        code = subprocess.run([sys.executable, "-c", script], timeout=30, check=False, cwd="/").returncode
        death, exit_code = (-code, None) if code < 0 else (None, code)

        assert verdict(death, exit_code, is_alone=True, was_out_of_memory=False) is expected, script


def test_a_ledger_of_schema_2_is_opened_and_every_job_goes_on(tmp_path: Path) -> None:
    """`ledger-2.sql` was written by the last version that had that schema."""
    old = sqlite3.connect(tmp_path / "ledger.db")
    old.executescript((Path(__file__).parent / "ledger-2.sql").read_text())
    old.close()
    os.chmod(tmp_path / "ledger.db", 0o600)

    world = World(tmp_path)
    world.restart()
    states = [world.state(f"{number:032x}") for number in range(1, 10)]
    running = world.row(f"{5:032x}")
    world.done(
        LeasedJob(
            id=running.id,
            type="mine",
            params=type(world.users.get(running.id).result)(b"\xc0"),
            attempt=1,
            fence=running.fence,
            lease_s=5.0,
        )
    )
    line = [job.id for slot in range(3) if (job := world.lease(slot=slot)) is not None]

    assert states == [
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.RETRYING,
        JobState.RUNNING,
        *[JobState.QUEUED] * 4,
    ]
    assert [int(job_id, 16) for job_id in line] == [9, 6, 8]  # priority, then the cameras in turn
    world.close()
