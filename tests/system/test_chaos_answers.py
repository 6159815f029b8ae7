"""P3, P4: a dispatcher that dies between commit and answer, or at any other moment, or stands still, or never was."""

import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobState
from framebus.requests import JobAccepted, ListJobs, SubmitJob
from groups import history_of
from services.dispatcher.ledgers import raw
from services.dispatcher.processes import Group
from system.crashing import AFTER, BEFORE, mark
from system.rig import CRASHING, all_jobs, size

DEATHS = size(12, 1_000)
MARGIN_S = 1.0
"""a call may end so much after its deadline, on a machine that is busy with other things"""


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group({"mine": {"max_queued": 2_000}})
    try:
        yield made
    finally:
        for process in made.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
        made.close()


def start(group: Group) -> "subprocess.Popen[bytes]":
    """A dispatcher that dies at the commit of a job that is marked."""
    group.dispatcher = group.run(str(CRASHING))
    return group.dispatcher


class Asking:
    """A submit in a thread of its own, and what came of it."""

    def __init__(self, group: Group, job_id: str, deadline_s: float) -> None:
        self.answer: JobAccepted | None = None
        self.error: RefusedError | None = None
        self.took_s = 0.0
        self._group = group
        self._request = SubmitJob(type="mine", params=raw({"n": 1}), id=job_id)
        self._deadline_s = deadline_s
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def end(self) -> None:
        self._thread.join()

    def _ask(self) -> None:
        began_s = time.monotonic()
        try:
            self.answer = self._group.ask(self._request, self._deadline_s)
        except RefusedError as error:
            self.error = error
        self.took_s = time.monotonic() - began_s


def die_at(group: Group, point: str, job_id: str) -> tuple[Asking, float]:
    """Submit a job at whose commit the dispatcher dies, and start the next: the call, and how long recovery took."""
    assert group.dispatcher is not None
    mark(group.place.run, point, job_id)
    asking = Asking(group, job_id, 20.0)
    assert group.dispatcher.wait(20.0) == -signal.SIGKILL
    died_s = time.monotonic()
    start(group)
    group.wait_ready()
    recovered_s = time.monotonic() - died_s
    asking.end()
    return asking, recovered_s


@pytest.mark.timeout(size(120, 1_800))
def test_a_job_whose_dispatcher_died_between_commit_and_answer_is_one_job_with_the_same_id(group: Group) -> None:
    start(group)
    group.wait_ready()
    recoveries = []

    for _ in range(DEATHS):
        job_id = secrets.token_hex(16)
        asking, recovered_s = die_at(group, AFTER, job_id)
        recoveries.append(recovered_s)
        assert asking.answer is not None, asking.error
        assert (asking.answer.id, asking.answer.created) == (job_id, False)
        with pytest.raises(RefusedError) as caught:
            group.ask(SubmitJob(type="mine", params=raw({"n": 2}), id=job_id))
        assert caught.value.code is ErrorCode.CONFLICT

    recoveries.sort()
    print(f"{DEATHS} deaths; back after {recoveries[len(recoveries) // 2]:.2f} s, at most {recoveries[-1]:.2f} s")
    jobs = all_jobs(group)
    assert len(jobs) == DEATHS
    submits = [sum(why == "submitted" for _, _, why in moves) for moves in history_of(group.place).values()]
    assert submits == [1] * DEATHS


def test_a_job_whose_dispatcher_died_before_the_commit_is_taken_by_the_next(group: Group) -> None:
    start(group)
    group.wait_ready()
    job_id = secrets.token_hex(16)
    mark(group.place.run, BEFORE, job_id)
    asking = Asking(group, job_id, 20.0)
    assert group.dispatcher is not None
    group.dispatcher.wait(20.0)

    start(group)
    asking.end()

    assert asking.answer is not None, asking.error
    assert asking.answer.created
    assert [job.state for job in all_jobs(group).values()] == [JobState.QUEUED]


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_call_during_which_the_dispatcher_dies_for_good_ends_with_its_deadline(group: Group, point: str) -> None:
    start(group)
    group.wait_ready()
    job_id = secrets.token_hex(16)
    mark(group.place.run, point, job_id)

    asking = Asking(group, job_id, 1.0)
    asking.end()

    assert asking.error is not None
    assert asking.error.code is ErrorCode.DEADLINE
    assert asking.took_s <= 1.0 + MARGIN_S


def test_calls_of_a_dispatcher_that_stands_still_end_with_their_deadline_and_work_again_when_it_goes_on(
    group: Group,
) -> None:
    dispatcher = start(group)
    group.wait_ready()
    dispatcher.send_signal(signal.SIGSTOP)

    ids = [secrets.token_hex(16) for _ in range(10)]
    asking = [Asking(group, job_id, 0.1 * number) for number, job_id in enumerate(ids, start=1)]
    for one in asking:
        one.end()
    dispatcher.send_signal(signal.SIGCONT)

    assert [one.error.code if one.error else None for one in asking] == [ErrorCode.DEADLINE] * 10
    assert all(one.took_s <= 0.1 * number + MARGIN_S for number, one in enumerate(asking, start=1))
    assert group.ask(SubmitJob(type="mine", params=raw({"n": 1}), id=ids[0]), 5.0).id == ids[0]


def test_calls_of_a_dispatcher_that_never_was_end_with_their_deadline(group: Group) -> None:
    asking = [Asking(group, secrets.token_hex(16), 0.2 * number) for number in range(1, 6)]

    for one in asking:
        one.end()

    assert [one.error.code if one.error else None for one in asking] == [ErrorCode.DEADLINE] * 5
    assert all(one.took_s <= 0.2 * number + MARGIN_S for number, one in enumerate(asking, start=1))
    with pytest.raises(RefusedError):
        group.ask(ListJobs(), 0.1)
