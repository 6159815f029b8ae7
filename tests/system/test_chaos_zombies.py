"""P2: workers that stand still beyond their lease and then go on: their work is another's, and they know it."""

import signal
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest

from framebus.jobs import FINAL
from framebus.messages import JobState
from groups import history_of
from services.dispatcher.processes import Group, temps, wait_until
from system.rig import all_jobs, assert_every_result_is_there_once, size, start_hands

ZOMBIES = 20
ROUNDS = size(1, 25)
FIRST_FENCE = 1
LATER_FENCES = range(2, 10)
LEASE_LIMIT_S = 30.0
"""the lease is 5 s; the machine may be busy"""


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group({"write": {"max_running": 2 * ZOMBIES, "max_queued": 2 * ZOMBIES, "backoff_s": 0.1}})
    try:
        made.start()
        made.wait_ready()
        yield made
    finally:
        for process in made.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        made.close()


@pytest.mark.timeout(size(120, 2_400))
def test_workers_stopped_for_longer_than_their_lease_learn_that_they_lost_it_and_leave_no_trace(group: Group) -> None:
    for number in range(ROUNDS):
        stop_workers_in_mid_work(group, number)

    jobs = list(all_jobs(group).values())
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * ZOMBIES * ROUNDS
    assert_every_result_is_there_once(group, jobs)


def stop_workers_in_mid_work(group: Group, number: int) -> None:
    """20 workers stop in mid-work; others take their jobs; then the 20 go on, before or after those are done."""
    holds = group.folder / f"holds-{number}"
    holds.mkdir()
    ids = [f"{number:024x}{n:08x}" for n in range(ZOMBIES)]
    at_last_step = ids[: 2 * ZOMBIES // 3]
    """these find their work done when they wake up, and hand it in ..."""
    contested = ids[: ZOMBIES // 3]
    """... while another is at work on it"""
    hold(holds, ids, [FIRST_FENCE])
    for job_id in ids:
        group.submit({"holds": str(holds)}, job_id, kind="write")
    zombies = [start_hands(group, f"zombie{n}", number + 1, 1, "write") for n in range(ZOMBIES)]
    wait_until(lambda: states(group, ids) == {JobState.RUNNING} and len(temps(group.exports)) == ZOMBIES, limit_s=60.0)

    for zombie in zombies:
        zombie.send_signal(signal.SIGSTOP)
    let_go(holds, at_last_step, [FIRST_FENCE])
    hold(holds, contested, LATER_FENCES)
    fresh = start_hands(group, "fresh", number + 1, ZOMBIES, "write")
    others = [job_id for job_id in ids if job_id not in contested]
    wait_until(lambda: states(group, others) <= FINAL, lambda: group.log[-2_000:], LEASE_LIMIT_S)
    wait_until(lambda: is_leased_to_fresh(group, contested), lambda: group.log[-2_000:], LEASE_LIMIT_S)
    for zombie in zombies:
        zombie.send_signal(signal.SIGCONT)

    wait_until(lambda: temps_of(group, FIRST_FENCE) == [], lambda: str(temps(group.exports)), 20.0)
    assert states(group, contested) == {JobState.RUNNING}
    let_go(holds, contested, LATER_FENCES)
    wait_until(lambda: states(group, ids) <= FINAL, lambda: group.log[-2_000:], LEASE_LIMIT_S)
    for process in (*zombies, fresh):
        process.terminate()
    assert [process.wait(15.0) for process in (*zombies, fresh)] == [0] * (ZOMBIES + 1), group.log[-2_000:]
    assert is_leased_to_fresh(group, ids)


def hold(holds: Path, ids: Sequence[str], fences: Sequence[int]) -> None:
    """Work on these leases does not end until it is let go."""
    for job_id, fence in product(ids, fences):
        (holds / f"{job_id}.{fence}").touch()


def let_go(holds: Path, ids: Sequence[str], fences: Sequence[int]) -> None:
    for job_id, fence in product(ids, fences):
        (holds / f"{job_id}.{fence}").unlink()


def is_leased_to_fresh(group: Group, ids: Sequence[str]) -> bool:
    """Whether each was begun by a zombie and last by the other worker."""
    history = history_of(group.place)
    leases = [[why for _, _, why in history[job_id] if why.startswith("leased by")] for job_id in ids]
    return all("zombie" in whys[0] and whys[-1] == "leased by fresh" for whys in leases)


def temps_of(group: Group, fence: int) -> list[str]:
    return [name for name in temps(group.exports) if name.split(".")[2] == str(fence)]


def states(group: Group, ids: Sequence[str]) -> set[JobState]:
    jobs = all_jobs(group)
    return {jobs[job_id].state for job_id in ids}
