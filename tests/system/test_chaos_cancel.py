"""P19: cancels at random moments: what is cancelled leaves nothing, what succeeded stays, each answer is the truth."""

import random
import secrets
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.requests import CancelJob
from groups import history_of
from services.dispatcher.processes import Group, wait_until
from system.rig import all_jobs, assert_every_result_is_there_once, dice, files_of, ping, size, start_hands

CANCELS = size(100, 1_000)
AT_ONCE = 10
"""jobs submitted and cancelled beside each other"""
WORK_S = 0.3
LATEST_S = 1.0
"""after the submit: by then most jobs are over"""
STOP_P50_S = 2.0
LEASE_S = 5.0
"""a flagged job is never at work longer, whatever its worker does"""


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group({"write": {"max_running": 4, "max_queued": 200}})
    try:
        made.start()
        made.wait_ready()
        start_hands(made, "hands", 1, 4, "write")
        ping(made, "hands")
        yield made
    finally:
        made.close()


class Canceller:
    """Submits jobs one after the other and cancels each at a random moment; keeps the answers."""

    def __init__(self, group: Group, rng: random.Random, number: int) -> None:
        self.answers: dict[str, JobView | ErrorCode] = {}
        self.problem = ""
        self._group, self._rng, self._number = group, rng, number
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._thread.join(600.0)
        assert not self._thread.is_alive()
        assert self.problem == ""

    def _run(self) -> None:
        try:
            for _ in range(self._number):
                job_id = secrets.token_hex(16)
                self._group.submit({"for_s": WORK_S}, job_id, kind="write")
                threading.Event().wait(self._rng.uniform(0.0, LATEST_S))
                self.answers[job_id] = self._cancel(job_id)
        except Exception as error:  # noqa: BLE001  told by the test's own thread
            self.problem = repr(error)

    def _cancel(self, job_id: str) -> JobView | ErrorCode:
        try:
            return self._group.ask(CancelJob(id=job_id))
        except RefusedError as error:
            return ErrorCode(error.code)


@pytest.mark.timeout(size(120, 1_200))
def test_cancels_at_random_moments_stop_the_work_leave_nothing_and_are_answered_with_the_truth(group: Group) -> None:
    rng = dice("cancels")

    cancellers = [Canceller(group, random.Random(rng.random()), CANCELS // AT_ONCE) for _ in range(AT_ONCE)]
    for canceller in cancellers:
        canceller.end()
    wait_until(lambda: all(job.state in FINAL for job in all_jobs(group).values()), lambda: group.log[-2_000:], 30.0)

    jobs = all_jobs(group)
    answers = {job_id: answer for canceller in cancellers for job_id, answer in canceller.answers.items()}
    history = history_of(group.place)
    print(f"{CANCELS} cancels: {dict(Counter(_met(answer) for answer in answers.values()))}")
    assert len(answers) == len(jobs) == CANCELS
    for job_id, answer in answers.items():
        assert_the_answer_was_true(answer, jobs[job_id])
        assert_cancelled_in_the_queue_is_never_begun(answer, [state for state, _, _ in history[job_id]])
    assert all(files_of(job) == [] for job in jobs.values() if job.state is JobState.CANCELLED)
    assert_every_result_is_there_once(group, list(jobs.values()))
    stops_s = sorted(filter(None, map(_stopped_after_s, history.values())))
    print(f"running jobs stopped after {stops_s[len(stops_s) // 2]:.2f} s, at most {stops_s[-1]:.2f} s")
    assert stops_s[len(stops_s) // 2] <= STOP_P50_S
    assert stops_s[-1] <= LEASE_S + 1.0


def _met(answer: JobView | ErrorCode) -> str:
    """What the cancel found."""
    if isinstance(answer, ErrorCode):
        return answer.value
    return "running" if answer.cancelling else answer.state.value


def assert_the_answer_was_true(answer: JobView | ErrorCode, job: JobView) -> None:
    if isinstance(answer, ErrorCode):
        assert (answer, job.state) == (ErrorCode.TOO_LATE, JobState.SUCCEEDED)
    elif answer.state in FINAL or answer.cancelling:
        assert job.state is (answer.state if answer.state in FINAL else JobState.CANCELLED)
    else:
        raise AssertionError(f"a cancel that was taken changed nothing: {answer}")


def assert_cancelled_in_the_queue_is_never_begun(answer: JobView | ErrorCode, states: list[JobState]) -> None:
    if isinstance(answer, JobView) and answer.state is JobState.CANCELLED:
        assert JobState.RUNNING not in states


def _stopped_after_s(moves: list[tuple[JobState, float, str]]) -> float | None:
    """From the cancel of a running job to its end."""
    asked = [at_s for state, at_s, why in moves if state is JobState.RUNNING and why == "cancel asked"]
    return moves[-1][1] - asked[0] if asked else None
