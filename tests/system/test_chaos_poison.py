"""P18: jobs that kill, hang or overfeed their worker: they end, the jobs behind them are done, and no slot is lost."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Raw

from framebus import codec
from framebus.messages import JobState, JobView
from framebus.requests import SubmitJob
from framebus_launcher.client import GroupClient
from groups import RunningGroup, history_of, running_group, wait_until
from system.rig import HANDS

GOOD = 5
END_LIMIT_S = 25.0
CONFIG: dict[str, Any] = {
    "jobs": {
        "write": {"max_running": 2, "max_queued": 100, "backoff_s": 0.1},
        "segfault": {},
        "hang": {"max_failures": 2, "backoff_s": 0.1},
        "greedy": {"max_failures": 2, "backoff_s": 0.1},
    },
    "launcher": {"restart": {"base_s": 0.05, "factor": 1, "deaths": 100}},
}


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[RunningGroup]:
    """With a worker of so many slots."""
    command = [sys.executable, str(HANDS), str(request.param), "write", "segfault", "hang", "greedy"]
    with running_group({**CONFIG, "services": {"hands": {"command": command}}}) as running:
        running.await_ready("dispatcher", "hands")
        yield running


def submit(group: RunningGroup, kind: str, **params: object) -> str:
    with GroupClient(group.place.run) as client:
        return client.ask("dispatcher", SubmitJob(type=kind, params=Raw(codec.encode(params))), 10.0).id


def poison_and_good_jobs_behind(group: RunningGroup, kind: str) -> tuple[JobView, list[JobView]]:
    poison = submit(group, kind)
    good = [submit(group, "write", for_s=0.1) for _ in range(GOOD)]
    ended = group.await_ends([poison, *good], END_LIMIT_S)
    return ended[0], ended[1:]


def both_slots_work(group: RunningGroup) -> bool:
    """Two jobs that overlap in time: neither slot hangs in what is over."""
    ids = [submit(group, "write", for_s=1.0) for _ in range(2)]
    group.await_ends(ids, 30.0)
    spans = []
    for job_id in ids:
        moves = history_of(group.place)[job_id]
        spans.append((max(at_s for state, at_s, _ in moves if state is JobState.RUNNING), moves[-1][1]))
    return max(begin_s for begin_s, _ in spans) < min(end_s for _, end_s in spans)


@pytest.mark.parametrize("group", [1], indirect=True)
def test_a_job_that_kills_its_worker_is_dead_after_exactly_three_crashes_and_the_queue_moves_on(
    group: RunningGroup,
) -> None:
    poison, good = poison_and_good_jobs_behind(group, "segfault")

    leases = [why for _, _, why in history_of(group.place)[poison.id] if why.startswith("leased by")]
    assert (poison.state, len(leases)) == (JobState.DEAD, 3)
    assert [job.state for job in good] == [JobState.SUCCEEDED] * GOOD
    wait_until(lambda: group.services()["hands"].restarts == 3, "the worker is back for the third time")


@pytest.mark.parametrize("group", [2], indirect=True)
def test_a_job_beside_one_that_kills_their_worker_is_not_called_dead(group: RunningGroup) -> None:
    poison, good = poison_and_good_jobs_behind(group, "segfault")

    assert poison.state is JobState.DEAD
    assert [job.state for job in good] == [JobState.SUCCEEDED] * GOOD
    assert both_slots_work(group)


@pytest.mark.parametrize("group", [2], indirect=True)
def test_a_job_that_hangs_fails_as_stalled_after_its_tries_and_the_queue_moves_on(group: RunningGroup) -> None:
    began_s = time.monotonic()

    poison, good = poison_and_good_jobs_behind(group, "hang")

    assert poison.state is JobState.FAILED
    assert poison.error is not None
    assert "stalled at hanging" in poison.error.message
    assert [job.state for job in good] == [JobState.SUCCEEDED] * GOOD
    assert both_slots_work(group)
    assert time.monotonic() - began_s < 60.0


@pytest.mark.parametrize("group", [2], indirect=True)
def test_a_job_that_eats_all_memory_ends_and_the_queue_moves_on(group: RunningGroup) -> None:
    poison, good = poison_and_good_jobs_behind(group, "greedy")

    assert poison.state in (JobState.FAILED, JobState.DEAD)
    assert poison.error is not None
    assert [job.state for job in good] == [JobState.SUCCEEDED] * GOOD
    assert both_slots_work(group)
