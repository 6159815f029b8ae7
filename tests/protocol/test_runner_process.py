"""Runners in a process of their own, with a real dispatcher: whatever becomes of that process, the service goes on."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from msgspec import msgpack

from framebus.doing import Failed, request_of
from framebus.errors import ErrorCode, ExitCode
from framebus.hands import Worker
from framebus.messages import JobState
from framebus.place import Place
from framebus.requests import CancelJob, FailKind, JobFailed, Lease, LeasedJob, LeaseJob
from framebus.runner import AnyJobRunner
from framebus.testing import FakeBus
from protocol.hiring import Hands
from protocol.isolated_toys import BriskToy, IsolatedToy, LimitedInThread, StuckToy
from services.dispatcher.ledgers import raw, result_of
from services.dispatcher.processes import LIMIT_S, Group, temps, wait_until

RETRY_S = 30.0
TYPES = {
    "mine": {"max_running": 3, "backoff_s": RETRY_S},
    "brisk": {"max_running": 3, "backoff_s": 0.1},
    "stuck": {"max_running": 3, "backoff_s": RETRY_S},
}
Employ = Callable[..., Hands]


def children() -> list[int]:
    found = psutil.Process().children(recursive=True)
    return [child.pid for child in found if "framebus.worker_child" in str(child.cmdline())]


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group(TYPES)
    made.start()
    made.wait_ready()
    yield made
    made.close()


@pytest.fixture
def employ(group: Group) -> Iterator[Employ]:
    employed: list[Hands] = []

    def start(runner: type[AnyJobRunner] = IsolatedToy, slots: int = 1, settings: bytes = b"{}") -> Hands:
        employed.append(Hands(group, runner, slots=slots, settings=settings))
        return employed[-1]

    yield start
    for hands in employed:
        hands.stop()
    wait_until(lambda: children() == [])


def begin(group: Group, text: str, kind: str = "mine") -> tuple[str, int]:
    """A job that is at work, and the process that does it."""
    job_id = group.submit({"text": text}, kind=kind).id
    path = group.folder / f"begun.{job_id}"
    wait_until(lambda: path.exists() and path.read_text() != "")
    return job_id, int(path.read_text())


def assert_goes_on(group: Group) -> None:
    """The slot does the next job, and nothing is left of the last one."""
    wait_until(lambda: temps(group.exports) == [])
    assert group.wait_for(group.submit({"text": "next"}).id, JobState.SUCCEEDED).attempt == 1


def test_a_job_is_done_and_verified_in_a_process_of_its_slot(group: Group, employ: Employ) -> None:
    employ()

    view = group.wait_for(group.submit({"text": "one"}).id, JobState.SUCCEEDED)

    result = result_of(view)
    assert result is not None
    assert (result["text"], result["files"]) == ("one", ["front/clip.mp4"])
    assert result["pid"] in children()
    assert (group.exports / "front/clip.mp4").read_text() == "all of one"
    wait_until(lambda: temps(group.exports) == [])


def test_one_process_does_one_job_after_the_other_with_its_settings(group: Group, employ: Employ) -> None:
    employ(settings=b'{"tune": "slow"}')

    results = [result_of(group.wait_for(group.submit({"text": "plain"}).id, JobState.SUCCEEDED)) for _ in range(2)]

    assert results[0] == results[1]
    assert results[0] is not None
    assert results[0]["text"] == "slow"


def test_each_slot_has_a_process(group: Group, employ: Employ) -> None:
    employ(slots=2)

    jobs = [begin(group, "report") for _ in range(2)]

    assert len({pid for _, pid in jobs}) == 2
    for job_id, _ in jobs:
        group.ask(CancelJob(id=job_id))
        group.wait_for(job_id, JobState.CANCELLED)


def test_progress_of_a_process_arrives(group: Group, employ: Employ) -> None:
    employ()
    job_id, _ = begin(group, "report")

    wait_until(lambda: (group.job(job_id).step, group.job(job_id).percent) == ("turning", 50.0), limit_s=3.0)

    group.ask(CancelJob(id=job_id))
    group.wait_for(job_id, JobState.CANCELLED)


def test_a_crash_is_told_with_its_signal_and_the_slot_goes_on(group: Group, employ: Employ) -> None:
    employ()

    job_id, _ = begin(group, "segfault")
    view = group.wait_for(job_id, JobState.QUEUED, JobState.RUNNING, JobState.DEAD)
    wait_until(lambda: group.job(job_id).error is not None)
    error = group.job(job_id).error
    group.ask(CancelJob(id=job_id))

    assert view.id == job_id
    assert error is not None
    assert (error.code, "its process died of signal 11 (SIGSEGV)" in error.message) == (ErrorCode.CRASHED, True)
    wait_until(lambda: group.job(job_id).state in (JobState.CANCELLED, JobState.DEAD))
    assert_goes_on(group)


def test_a_job_that_kills_its_process_three_times_is_dead(group: Group, employ: Employ) -> None:
    employ()

    view = group.wait_for(group.submit({"text": "exit"}).id, JobState.DEAD)

    assert view.error is not None
    assert "its process ended with exit code 4 at working" in view.error.message
    assert_goes_on(group)


def test_a_job_whose_process_was_killed_is_done_by_the_next_one(group: Group, employ: Employ) -> None:
    employ(BriskToy)

    view = group.wait_for(group.submit({"text": "killed"}, kind="brisk").id, JobState.SUCCEEDED)

    assert result_of(view) is not None
    wait_until(lambda: temps(group.exports) == [])


def test_work_that_stalls_is_killed_and_tried_again_later_and_the_service_lives(group: Group, employ: Employ) -> None:
    hands = employ(StuckToy)
    job_id, pid = begin(group, "hang", kind="stuck")

    view = group.wait_for(job_id, JobState.RETRYING)

    assert view.error is not None
    assert view.error.message == "stalled at working"
    assert not psutil.pid_exists(pid)
    assert hands.worker.is_healthy()
    group.wait_for(group.submit({"text": "next"}, kind="stuck").id, JobState.SUCCEEDED)
    wait_until(lambda: temps(group.exports) == [])


def test_work_that_heeds_a_cancel_stops_soon_and_keeps_its_process(group: Group, employ: Employ) -> None:
    employ()
    job_id, pid = begin(group, "report")

    group.ask(CancelJob(id=job_id))
    group.wait_for(job_id, JobState.CANCELLED)

    assert psutil.pid_exists(pid)
    assert_goes_on(group)


def test_work_that_does_not_heed_a_cancel_is_killed(group: Group, employ: Employ) -> None:
    hands = employ()
    job_id, pid = begin(group, "hang")
    asked_s = time.monotonic()

    group.ask(CancelJob(id=job_id))
    view = group.wait_for(job_id, JobState.CANCELLED)

    assert time.monotonic() - asked_s < 8.0
    assert view.error is None or view.error.code != ErrorCode.CRASHED
    wait_until(lambda: not psutil.pid_exists(pid))
    assert hands.worker.is_healthy()
    assert_goes_on(group)


@pytest.mark.parametrize("text", ["report", "hang"])
def test_a_worker_that_stops_hands_its_job_back_whether_the_work_heeds_it_or_not(
    group: Group, employ: Employ, text: str
) -> None:
    hands = employ()
    job_id, pid = begin(group, text)

    hands.stop()

    view = group.job(job_id)
    assert (view.state, view.attempt) == (JobState.QUEUED, 0)
    assert not psutil.pid_exists(pid)
    assert temps(group.exports) == []


def test_a_process_that_is_stopped_is_killed_as_stalled(group: Group, employ: Employ) -> None:
    employ(StuckToy)
    job_id, pid = begin(group, "report", kind="stuck")

    os.kill(pid, signal.SIGSTOP)

    assert group.wait_for(job_id, JobState.RETRYING).error is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize(("text", "state"), [("raise", JobState.RETRYING), ("quit", JobState.RETRYING)])
def test_an_exception_of_the_work_costs_its_job_an_attempt_and_nothing_else(
    group: Group, employ: Employ, text: str, state: JobState
) -> None:
    employ()
    job_id, pid = begin(group, text)

    view = group.wait_for(job_id, state)

    assert view.error is not None
    assert view.error.code == ErrorCode.INTERNAL
    assert psutil.pid_exists(pid)
    assert_goes_on(group)


def test_a_file_is_verified_in_the_process_too(group: Group, employ: Employ) -> None:
    employ()
    job_id, pid = begin(group, "bad")

    view = group.wait_for(job_id, JobState.FAILED)

    assert view.error is not None
    assert view.error.message == f"verified by {pid}"
    wait_until(lambda: temps(group.exports) == [])


def test_a_runner_that_cannot_be_made_is_an_error_of_the_configuration(
    group: Group, employ: Employ, caplog: pytest.LogCaptureFixture
) -> None:
    hands = employ(settings=b'{"tune": "wrong"}')

    wait_until(lambda: hands.failure)

    assert isinstance(hands.failure, SystemExit)
    assert hands.failure.code == ExitCode.CONFIGURATION
    assert "mine: the runner can't be made: ConfigError: tune: 'wrong' is none" in caplog.text


def test_isolated_runners_and_others_do_not_share_a_worker() -> None:
    bus = FakeBus("hands")

    with pytest.raises(TypeError, match="stuck: isolated, and others are not; give them services of their own"):
        Worker(bus, [StuckToy, LimitedInThread])


class Desk:
    """Gives out one job, and keeps what was told."""

    def __init__(self, **params: str) -> None:
        self.bus = FakeBus("hands")
        self.leases: list[LeaseJob] = []
        self.failures: list[JobFailed] = []
        self._jobs = [LeasedJob(id="a" * 32, type="mine", params=raw(params), attempt=1, fence=1, lease_s=5.0)]
        self.bus.when_asked(LeaseJob, self._lease)
        self.bus.when_asked(JobFailed, self._fail)

    def _lease(self, request: LeaseJob) -> Lease:
        self.leases.append(request)
        if not self._jobs:
            time.sleep(0.05)  # as the dispatcher, which lets a worker wait while there is no job
        return Lease(job=self._jobs.pop() if self._jobs else None)

    def _fail(self, request: JobFailed) -> Lease:
        self.failures.append(request)
        return Lease()


@pytest.mark.parametrize("runner", [IsolatedToy, LimitedInThread])
def test_a_rate_limit_reaches_the_dispatcher_with_its_time_and_leases_say_whether_they_are_isolated(
    runner: type[AnyJobRunner], tmp_path: Path
) -> None:
    desk = Desk(text="limited")
    desk.bus.place = Place.at(tmp_path / "run", data=tmp_path / "data")
    worker = Worker(desk.bus, [runner])

    wait_until(lambda: desk.failures != [])
    worker.stop()

    assert (desk.failures[0].kind.value, desk.failures[0].retry_after_s) == ("rate_limited", 77.0)
    assert desk.leases[0].isolated is runner.is_isolated


def test_a_crash_reaches_the_dispatcher_with_its_last_words_and_without_credentials(tmp_path: Path) -> None:
    desk = Desk(text="segfault")
    desk.bus.place = Place.at(tmp_path / "run", data=tmp_path / "data")
    worker = Worker(desk.bus, [IsolatedToy])

    wait_until(lambda: desk.failures != [])
    worker.stop()

    failure = desk.failures[0]
    assert (failure.kind.value, failure.signal) == ("crash", signal.SIGSEGV)
    tail = "\n".join(failure.log_tail)
    assert "looks bad" in tail
    assert "Segmentation fault" in tail
    assert "s3cret" not in tail


def test_a_dispatcher_that_is_away_is_told_once_and_once_that_it_is_back(
    group: Group, employ: Employ, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("framebus.hands.LEASE_WAIT_S", 0.5)
    monkeypatch.setattr("framebus.hands.LEASE_DEADLINE_S", 1.0)  # its end is what is told
    hands = employ(LimitedInThread, slots=3)
    group.wait_for(group.submit({"text": "plain"}).id, JobState.SUCCEEDED)
    group.kill()

    def lines() -> list[str]:
        return [record.message for record in caplog.records if record.name == "framebus.outage"]

    wait_until(lambda: lines() != [], limit_s=LIMIT_S)
    tries = hands.bus.clock.boot_s() + 1.0
    wait_until(lambda: hands.bus.clock.boot_s() > tries)
    group.start()
    wait_until(lambda: len(lines()) > 1)
    group.wait_for(group.submit({"text": "plain"}).id, JobState.SUCCEEDED)

    assert len(lines()) == 2, lines()
    assert lines()[0].startswith("no work, asking again until there is an answer: no answer from dispatcher to job.")
    assert lines()[1].startswith("the dispatcher answers again, after ")


def test_results_of_a_process_are_what_the_runner_made(group: Group, employ: Employ) -> None:
    employ()

    view = group.wait_for(group.submit({"text": "plain"}).id, JobState.SUCCEEDED)

    assert set(msgpack.decode(view.result)) == {"text", "pid"}


def test_an_error_is_told_without_credentials_also_where_it_is_cut() -> None:
    job = LeasedJob(id="a" * 32, type="mine", params=raw({}), attempt=1, fence=1, lease_s=5.0)
    text = "x" * 480 + " rtsp://me:s3cret-" + "y" * 40 + "@host/"

    request = request_of(Failed(kind=FailKind.TRANSIENT, message=text), job)

    assert isinstance(request, JobFailed)
    assert len(request.message) <= 500
    assert "s3cret" not in request.message
