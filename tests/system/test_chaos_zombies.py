"""P2: workers that stand still beyond their lease and then go on: their work is another's, and they know it."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.jobs import FINAL
from framebus.messages import JobState
from groups import history_of
from services.dispatcher.processes import Group, temps, wait_until
from system.rig import all_jobs, assert_every_result_is_there_once, size, start_hands

ZOMBIES = 20
ROUNDS = size(1, 25)
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
    """20 workers stop in mid-work; others do their jobs; then the 20 go on, half of them at the very last step."""
    holds = group.folder / f"holds-{number}"
    holds.mkdir()
    ids = [group.submit({"holds": str(holds)}, _hold(holds, number, n), kind="write").id for n in range(ZOMBIES)]
    zombies = [start_hands(group, f"zombie{n}", number + 1, 1, "write") for n in range(ZOMBIES)]
    wait_until(lambda: states(group, ids) == {JobState.RUNNING} and len(temps(group.exports)) == ZOMBIES, limit_s=30.0)

    for zombie in zombies:
        zombie.send_signal(signal.SIGSTOP)
    for job_id in ids[::2]:  # these find their work done when they wake up, and hand it in
        (holds / f"{job_id}.1").unlink()
    fresh = start_hands(group, "fresh", number + 1, 4, "write")
    wait_until(lambda: states(group, ids) <= FINAL, lambda: group.log[-2_000:], LEASE_LIMIT_S)
    for zombie in zombies:
        zombie.send_signal(signal.SIGCONT)

    wait_until(lambda: temps(group.exports) == [], lambda: str(temps(group.exports)), 20.0)
    for process in (*zombies, fresh):
        process.terminate()
    assert [process.wait(15.0) for process in (*zombies, fresh)] == [0] * (ZOMBIES + 1), group.log[-2_000:]
    for job_id in ids:
        leases = [why for _, _, why in history_of(group.place)[job_id] if why.startswith("leased by")]
        assert leases[0].startswith("leased by zombie")
        assert leases[-1] == "leased by fresh"


def _hold(holds: Path, number: int, n: int) -> str:
    """The id of a job whose first lease works until its hold is taken away."""
    job_id = f"{number:024x}{n:08x}"
    (holds / f"{job_id}.1").touch()
    return job_id


def states(group: Group, ids: list[str]) -> set[JobState]:
    jobs = all_jobs(group)
    return {jobs[job_id].state for job_id in ids}
