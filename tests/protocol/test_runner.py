"""The worker's side of jobs, with toys for work and a real dispatcher: leases, beats, files, failures, ends.

Run as a program it is a service of such toys, for what only a process of its own can show.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec import Struct

from framebus.bus import Bus
from framebus.errors import ErrorCode, ExitCode, MalformedError, RefusedError
from framebus.hands import Worker
from framebus.jobs import JobType
from framebus.messages import NIL, JobState
from framebus.requests import CancelJob, FailKind, LeasedJob, WorkerLost
from framebus.runner import JobRunner, Output, Report, Stopped, StopReason, WorkError
from framebus.service import run
from protocol.hiring import Hands
from services.dispatcher.ledgers import result_of
from services.dispatcher.processes import LIMIT_S, Group, temps, wait_until

STALL_S = 0.6
RETRY_S = 30.0
TYPES = {
    "mine": {"max_running": 3, "backoff_s": RETRY_S},
    "stuck": {"max_running": 3, "backoff_s": RETRY_S},
}


class ToyParams(Struct):
    text: str = ""


class ToyResult(Struct):
    text: str = ""


def accept(_: ToyParams, __: object) -> None:
    """All parameters are right."""


MINE = JobType(name="mine", params=ToyParams, check=accept)
STUCK = JobType(name="stuck", params=ToyParams, check=accept, stall_s=STALL_S)
ToyOutput = Output[ToyResult]
Work = Callable[[ToyParams, Report], ToyOutput]


class Toy(JobRunner[ToyParams, ToyResult]):
    """Does what the test says."""

    contract = MINE

    def __init__(self, work: Work, verify: Callable[[Path], None] = lambda _: None) -> None:
        self._work = work
        self._verify = verify

    def run(self, params: ToyParams, report: Report) -> ToyOutput:
        return self._work(params, report)

    def verify(self, path: Path, result: ToyResult) -> None:
        self._verify(path)


class StuckToy(Toy):
    contract = STUCK


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group(TYPES)
    made.start()
    made.wait_ready()
    yield made
    made.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a toy waits for; open at the end whatever happens."""
    made = threading.Event()
    yield made
    made.set()


Employ = Callable[..., Hands]


@pytest.fixture
def employ(group: Group, gate: threading.Event) -> Iterator[Employ]:
    """Workers of this process that do what the test says."""
    employed: list[Hands] = []

    def start(work: Work, verify: Callable[[Path], None] = lambda _: None, slots: int = 1) -> Hands:
        employed.append(Hands(group, Toy(work, verify), slots=slots))
        return employed[-1]

    yield start
    gate.set()
    for hands in employed:
        hands.stop()


def work_until_stopped(report: Report, gate: threading.Event) -> None:
    while not gate.wait(0.01):
        report("working", 10.0)


def test_a_job_is_done_with_its_params_and_its_result(group: Group, employ: Employ) -> None:
    employ(lambda params, _: Output(ToyResult(text=params.text[::-1])))

    job_id = group.submit({"text": "abc"}).id

    view = group.wait_for(job_id, JobState.SUCCEEDED)
    assert (result_of(view), view.attempt, view.percent) == ({"text": "cba"}, 1, 100.0)


def test_a_slot_goes_from_job_to_job_and_gets_each_once(group: Group, employ: Employ) -> None:
    texts = [f"{number}" for number in range(20)]
    done: list[str] = []
    jobs = [group.submit({"text": text}).id for text in texts]

    employ(lambda params, _: done.append(params.text) or Output(ToyResult()))

    assert [group.wait_for(job_id, JobState.SUCCEEDED).attempt for job_id in jobs] == [1] * len(jobs)
    assert done == texts


def test_progress_arrives_and_percent_never_goes_back(group: Group, employ: Employ, gate: threading.Event) -> None:
    told = threading.Event()

    def work(_: ToyParams, report: Report) -> ToyOutput:
        for step, percent in [("copying", 10.0), ("encoding", 60.0), ("encoding", 20.0)]:
            report(step, percent)
        told.set()
        gate.wait(LIMIT_S)
        report("finalizing", 130.0)
        return Output(ToyResult())

    ear = group.hear("job/mine/")
    employ(work)
    job_id = group.submit().id
    assert told.wait(LIMIT_S)

    wait_until(lambda: group.job(job_id).percent == 60.0, limit_s=1.5)
    ear.hear_until(lambda: ear.jobs and ear.jobs[-1].percent == 60.0, 1.5)
    view = group.job(job_id)
    gate.set()
    ear.hear_until(lambda: ear.jobs[-1].state is JobState.SUCCEEDED)

    assert (view.state, view.step) == (JobState.RUNNING, "encoding")
    percents = [job.percent for job in ear.jobs]
    assert percents == sorted(percents)


def test_a_running_job_that_is_cancelled_stops_soon_and_leaves_nothing(
    group: Group, employ: Employ, gate: threading.Event
) -> None:
    begun = threading.Event()

    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("front/clip.mp4").write_text("half a clip")
        begun.set()
        work_until_stopped(report, gate)
        return Output(ToyResult(), files=["front/clip.mp4"])

    employ(work)
    job_id = group.submit().id
    assert begun.wait(LIMIT_S)
    asked_s = time.monotonic()

    group.ask(CancelJob(id=job_id))
    view = group.wait_for(job_id, JobState.CANCELLED)

    assert time.monotonic() - asked_s < 4.0, "with a beat, of one each second, and not with the lease, of 5 s"
    assert temps(group.exports) == []
    assert result_of(view) is None


def test_a_job_that_is_cancelled_when_its_work_is_done_already_publishes_nothing(
    group: Group, employ: Employ, gate: threading.Event
) -> None:
    verifying = threading.Event()

    def verify(_: Path) -> None:
        verifying.set()
        gate.wait(LIMIT_S)

    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("clip.mp4").write_text("a clip")
        return Output(ToyResult(), files=["clip.mp4"])

    employ(work, verify)
    job_id = group.submit().id
    assert verifying.wait(LIMIT_S)

    group.ask(CancelJob(id=job_id))
    gate.set()
    group.wait_for(job_id, JobState.CANCELLED)

    wait_until(lambda: list(group.exports.iterdir()) == [])


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (WorkError(FailKind.TRANSIENT, "why"), JobState.RETRYING, ErrorCode.UNAVAILABLE),
        (WorkError(FailKind.TRANSIENT, "why", ErrorCode.BUSY), JobState.RETRYING, ErrorCode.BUSY),
        (WorkError(FailKind.NO_SPACE, "why"), JobState.RETRYING, ErrorCode.NO_SPACE),
        (WorkError(FailKind.NO_SOURCE, "why"), JobState.FAILED, ErrorCode.NO_SOURCE),
        (WorkError(FailKind.PERMANENT, "why"), JobState.FAILED, ErrorCode.BAD_REQUEST),
        (ZeroDivisionError("why"), JobState.RETRYING, ErrorCode.INTERNAL),
        (MalformedError("body", "why"), JobState.RETRYING, ErrorCode.INTERNAL),
        (RefusedError(ErrorCode.BUSY, "why"), JobState.RETRYING, ErrorCode.INTERNAL),
        (OSError(errno.ENOSPC, "why"), JobState.RETRYING, ErrorCode.NO_SPACE),
        (OSError(errno.EDQUOT, "why"), JobState.RETRYING, ErrorCode.NO_SPACE),
        (OSError(errno.EIO, "why"), JobState.RETRYING, ErrorCode.INTERNAL),
    ],
    ids=repr,
)
def test_an_error_of_the_work_is_told_as_what_it_is_and_leaves_nothing(
    group: Group, employ: Employ, error: Exception, state: JobState, code: ErrorCode
) -> None:
    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("clip.mp4").write_text("half a clip")
        raise error

    employ(work)
    job_id = group.submit().id

    view = group.wait_for(job_id, state)

    assert view.error is not None
    assert (view.error.code, "why" in view.error.message) == (code, True)
    wait_until(lambda: temps(group.exports) == [], limit_s=1.0)


def test_a_worker_goes_on_after_a_job_that_failed(group: Group, employ: Employ) -> None:
    def work(params: ToyParams, _: Report) -> ToyOutput:
        return Output(ToyResult(text=str(1 / len(params.text))))

    employ(work)
    bad, good = group.submit({"text": ""}).id, group.submit({"text": "x"}).id

    group.wait_for(bad, JobState.RETRYING)

    assert result_of(group.wait_for(good, JobState.SUCCEEDED)) == {"text": "1.0"}


def test_params_that_the_runner_cannot_read_fail_for_good(group: Group, employ: Employ) -> None:
    employ(lambda _, __: Output(ToyResult()))

    job_id = group.submit({"text": 7}).id

    view = group.wait_for(job_id, JobState.FAILED)
    assert view.error is not None
    assert (view.error.code, "$.text" in view.error.message) == (ErrorCode.BAD_REQUEST, True)


@pytest.mark.parametrize("files", [[], ["clip.mp4"]])
def test_a_result_that_is_too_large_fails_for_good_and_publishes_nothing(
    group: Group, employ: Employ, files: list[str]
) -> None:
    def work(_: ToyParams, report: Report) -> ToyOutput:
        for name in files:
            report.temp(name).write_text("a clip")
        return Output(ToyResult(text="x" * 4_096), files=files)

    employ(work)
    job_id = group.submit().id

    view = group.wait_for(job_id, JobState.FAILED)

    assert view.error is not None
    assert view.error.code == ErrorCode.TOO_LARGE
    wait_until(lambda: list(group.exports.iterdir()) == [])


def test_files_are_published_whole_and_the_result_tells_their_names(group: Group, employ: Employ) -> None:
    verified: list[str] = []

    def work(_: ToyParams, report: Report) -> ToyOutput:
        for name in ("front/clip.jpg", "front/clip.mp4"):
            report.temp(name).write_text(f"all of {name}")
        return Output(ToyResult(text="two"), files=["front/clip.jpg", "front/clip.mp4"])

    employ(work, lambda path: verified.append(path.read_text()))
    first, second = group.submit().id, group.submit().id

    views = [group.wait_for(job_id, JobState.SUCCEEDED) for job_id in (first, second)]

    assert [result_of(view) for view in views] == [
        {"text": "two", "files": ["front/clip.jpg", "front/clip.mp4"]},
        {"text": "two", "files": ["front/clip_2.jpg", "front/clip_2.mp4"]},
    ]
    assert (group.exports / "front/clip_2.mp4").read_text() == "all of front/clip.mp4"
    assert verified == ["all of front/clip.mp4"] * 2
    wait_until(lambda: temps(group.exports) == [])


def test_a_file_that_is_not_what_it_should_be_is_not_published(group: Group, employ: Employ) -> None:
    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("clip.mp4")
        return Output(ToyResult(), files=["clip.mp4"])

    def verify(path: Path) -> None:
        raise WorkError(FailKind.PERMANENT, f"{path.stat().st_size} bytes are no clip")

    employ(work, verify)
    job_id = group.submit().id

    view = group.wait_for(job_id, JobState.FAILED)

    assert view.error is not None
    assert view.error.message == "0 bytes are no clip"
    wait_until(lambda: list(group.exports.iterdir()) == [])


@pytest.mark.parametrize(
    ("ending", "code", "text"),
    [
        (lambda report: made(report, "../clip.mp4"), ErrorCode.BAD_REQUEST, "not inside the exports folder"),
        (lambda report: made(report, "a.mp4", "a.mp4"), ErrorCode.BAD_REQUEST, "two files cannot have one name"),
        (
            lambda _: failed(WorkError(FailKind.RATE_LIMITED, "wait", retry_after_s=-1.0)),
            ErrorCode.BAD_REQUEST,
            "retry_after_s",
        ),
    ],
)
def test_what_the_dispatcher_refuses_is_not_done_again_and_again(
    group: Group, employ: Employ, ending: Callable[[Report], ToyOutput], code: ErrorCode, text: str
) -> None:
    runs: list[int] = []

    def work(_: ToyParams, report: Report) -> ToyOutput:
        runs.append(report.job.fence)
        return ending(report)

    employ(work)
    job_id = group.submit().id

    view = group.wait_for(job_id, JobState.FAILED)

    assert runs == [1]
    assert view.error is not None
    assert view.error.code == code
    assert text in view.error.message
    wait_until(lambda: temps(group.exports) == [])


def made(report: Report, *files: str) -> ToyOutput:
    for file in files:
        report.temp(file)
    return Output(ToyResult(), files=files)


def failed(error: WorkError) -> ToyOutput:
    raise error


def test_a_failure_whose_text_holds_halves_of_characters_is_told_and_the_worker_goes_on(
    group: Group, employ: Employ
) -> None:
    steps: list[str] = []

    def work(params: ToyParams, report: Report) -> ToyOutput:
        name = os.fsdecode(b"caf\xe9.mp4")
        report(f"reading {name}", 10.0)
        steps.append(report.told[0])
        if params.text == "bad":
            raise WorkError(FailKind.PERMANENT, f"cannot read {name}")
        return Output(ToyResult())

    hands = employ(work)
    bad_id = group.submit({"text": "bad"}).id

    bad = group.wait_for(bad_id, JobState.FAILED)
    group.wait_for(group.submit().id, JobState.SUCCEEDED)

    assert bad.error is not None
    assert bad.error.message == "cannot read caf?.mp4"
    assert steps == ["reading caf?.mp4"] * 2
    assert hands.worker.is_healthy()


def test_as_many_jobs_run_at_a_time_as_there_are_slots(group: Group, employ: Employ) -> None:
    both = threading.Barrier(2, timeout=LIMIT_S)

    def work(_: ToyParams, __: Report) -> ToyOutput:
        both.wait()
        return Output(ToyResult())

    employ(work, slots=2)

    for job_id in [group.submit().id, group.submit().id]:
        group.wait_for(job_id, JobState.SUCCEEDED)


def test_a_worker_that_stops_hands_its_job_back_and_the_attempt_does_not_count(
    group: Group, employ: Employ, gate: threading.Event
) -> None:
    begun = threading.Event()

    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("clip.mp4").write_text("half a clip")
        begun.set()
        work_until_stopped(report, gate)
        return Output(ToyResult())

    hands = employ(work)
    job_id = group.submit().id
    assert begun.wait(LIMIT_S)
    asked_s = time.monotonic()

    hands.stop()

    view = group.job(job_id)
    assert (view.state, view.attempt) == (JobState.QUEUED, 0)
    assert time.monotonic() - asked_s < 5.0
    assert temps(group.exports) == []


def test_a_worker_goes_on_undisturbed_while_the_dispatcher_is_dead(
    group: Group, employ: Employ, gate: threading.Event
) -> None:
    begun = threading.Event()

    def work(_: ToyParams, report: Report) -> ToyOutput:
        temp = report.temp("clip.mp4")
        begun.set()
        work_until_stopped(report, gate)
        temp.write_text("a clip")
        return Output(ToyResult(), files=["clip.mp4"])

    employ(work)
    job_id = group.submit().id
    assert begun.wait(LIMIT_S)

    group.kill()
    group.start()
    group.wait_ready()
    wait_until(lambda: group.job(job_id).step == "working")
    gate.set()

    view = group.wait_for(job_id, JobState.SUCCEEDED)
    assert view.attempt == 1
    assert (group.exports / "clip.mp4").read_text() == "a clip"


def test_work_that_ends_while_the_dispatcher_is_dead_is_handed_in_when_it_is_back(
    group: Group, employ: Employ, gate: threading.Event
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("clip.mp4").write_text("a clip")
        begun.set()
        gate.wait(LIMIT_S)
        ended.set()
        return Output(ToyResult(), files=["clip.mp4"])

    employ(work)
    job_id = group.submit().id
    assert begun.wait(LIMIT_S)
    group.kill()
    gate.set()
    assert ended.wait(LIMIT_S)

    group.start()

    view = group.wait_for(job_id, JobState.SUCCEEDED)
    assert view.attempt == 1


def test_a_worker_that_lost_its_lease_removes_its_files_and_publishes_nothing(
    group: Group, employ: Employ, gate: threading.Event
) -> None:
    begun = threading.Event()
    reasons: list[StopReason] = []

    def work(_: ToyParams, report: Report) -> ToyOutput:
        report.temp("clip.mp4").write_text(f"by fence {report.job.fence}")
        if report.job.fence == 1:
            begun.set()
            try:
                work_until_stopped(report, gate)
            except Stopped as stopped:
                reasons.append(stopped.reason)
                raise
        return Output(ToyResult(), files=["clip.mp4"])

    hands = employ(work)
    job_id = group.submit().id
    assert begun.wait(LIMIT_S)

    group.ask(WorkerLost(worker="hands", incarnation=hands.bus.epoch, by_us=True))
    group.wait_for(job_id, JobState.SUCCEEDED)

    assert reasons == [StopReason.LOST]
    wait_until(lambda: temps(group.exports) == [])
    assert [path.read_text() for path in group.exports.iterdir()] == ["by fence 3"]


def start_toys(group: Group, *, slots: int = 1) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[1]
    return group.run(__file__, name="toys", PYTHONPATH=str(root), SLOTS=str(slots))


def wait_for_file(path: Path) -> None:
    wait_until(path.exists, lambda: f"{path.name} is not there")


def test_a_process_that_is_asked_to_stop_hands_its_job_back_and_ends_well(group: Group) -> None:
    toys = start_toys(group)
    job_id = group.submit({"text": "turn"}).id
    wait_for_file(group.folder / f"begun.{job_id}")

    toys.send_signal(signal.SIGTERM)

    assert toys.wait(5.0) == ExitCode.OK
    view = group.job(job_id)
    assert (view.state, view.attempt) == (JobState.QUEUED, 0)
    assert temps(group.exports) == []
    assert "Traceback" not in group.log


def test_a_process_that_is_asked_to_stop_while_it_waits_for_work_ends_well(group: Group) -> None:
    toys = start_toys(group, slots=3)
    job_id = group.submit({"text": "end"}).id
    group.wait_for(job_id, JobState.SUCCEEDED)

    toys.send_signal(signal.SIGTERM)

    assert toys.wait(5.0) == ExitCode.OK
    assert "Traceback" not in group.log


def test_a_job_that_hangs_is_told_as_stalled_and_its_process_ends_with_the_others_handed_back(group: Group) -> None:
    toys = start_toys(group, slots=2)
    other = group.submit({"text": "turn"}).id
    hung = group.submit({"text": "hang"}, kind="stuck").id

    assert toys.wait(LIMIT_S) == ExitCode.INTERNAL

    views = {job_id: group.job(job_id) for job_id in (hung, other)}
    assert [(view.state, view.attempt) for view in views.values()] == [
        (JobState.RETRYING, 1),
        (JobState.QUEUED, 0),
    ]
    error = views[hung].error
    assert error is not None
    assert error.message == "stalled at hanging"
    assert temps(group.exports) == []


def test_a_dispatcher_that_is_away_for_longer_than_a_stall_costs_a_finished_job_nothing(group: Group) -> None:
    toys = start_toys(group)
    job_id = group.submit({"text": "hold"}, kind="stuck").id
    wait_for_file(group.folder / f"begun.{job_id}")
    group.kill()
    (group.folder / f"go.{job_id}").touch()
    wait_for_file(group.folder / f"ended.{job_id}")

    with pytest.raises(subprocess.TimeoutExpired):
        toys.wait(3 * STALL_S)
    group.start()

    view = group.wait_for(job_id, JobState.SUCCEEDED)
    assert view.attempt == 1
    assert toys.poll() is None


def a_report(exports: Path) -> Report:
    job = LeasedJob(id="0" * 32, type="mine", params=NIL, attempt=1, fence=7, lease_s=5.0)
    return Report(job, exports, partial(float, 0.0))


def test_a_file_is_written_beside_its_final_place_under_a_name_of_this_lease(tmp_path: Path) -> None:
    report = a_report(tmp_path)

    paths = [report.temp("front/a.jpg"), report.temp("front/a.mp4"), report.temp("front/a.jpg")]

    name = f".{'0' * 32}.7"
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        f"front/{name}.0.part",
        f"front/{name}.1.part",
        f"front/{name}.0.part",
    ]
    assert os.stat(paths[0]).st_mode & 0o777 == 0o600


def test_a_file_that_is_there_already_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / f".{'0' * 32}.7.0.part").write_text("another's")

    with pytest.raises(FileExistsError):
        a_report(tmp_path).temp("a.mp4")


def test_the_first_reason_to_stop_stays(tmp_path: Path) -> None:
    report = a_report(tmp_path)
    report.stop(StopReason.LOST)
    report.stop(StopReason.RELEASED)

    with pytest.raises(Stopped) as caught:
        report("working", 1.0)

    assert caught.value.reason is StopReason.LOST


class Toys:
    """The service of the tests above: what a job does is its text."""

    def __init__(self, bus: Bus) -> None:
        folder = bus.place.run.parent
        slots = int(os.environ["SLOTS"])
        self._worker = Worker(bus, [Toy(partial(play, folder)), StuckToy(partial(play, folder))], slots)

    def stop(self) -> None:
        self._worker.stop()


def play(folder: Path, params: ToyParams, report: Report) -> ToyOutput:
    report.temp("front/clip.mp4").write_text("half a clip")
    (folder / f"begun.{report.job.id}").touch()
    go = folder / f"go.{report.job.id}"
    if params.text == "hang":
        report("hanging", 10.0)
        threading.Event().wait()
    while params.text == "turn" or (params.text == "hold" and not go.exists()):
        report("turning", 10.0)
        time.sleep(0.01)
    (folder / f"ended.{report.job.id}").touch()
    return Output(ToyResult(), files=["front/clip.mp4"])


if __name__ == "__main__":
    raise SystemExit(run("toys", Toys, sys.argv[1:]))
