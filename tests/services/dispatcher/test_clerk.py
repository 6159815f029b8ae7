"""The ledger's thread: one transaction for what waits, answers after the commit, and nothing lost when disks fail."""

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framebus import door
from framebus.clock import SystemClock
from framebus.door import Frames, Promise
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import JobEvent
from framebus.messages import JobState
from framebus.requests import FailKind, JobDone, JobEnd, JobFailed, JobPrepared, Lease, LeaseJob, ReleaseJob, SubmitJob
from framebus.settings import QueuePolicy
from framebus_services.dispatcher import clerk as clerk_module
from framebus_services.dispatcher import housekeeping
from framebus_services.dispatcher.clerk import Clerk
from framebus_services.dispatcher.moved import Moved
from framebus_services.dispatcher.store import Store
from services.dispatcher.ledgers import POLICY, World, raw

LIMIT_S = 10.0


class FaultyStore(Store):
    """A database on a disk that can be full or broken."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.fault: sqlite3.Error | None = None
        """of every transaction"""
        self.faults: list[sqlite3.Error | None] = []
        """of the next ones"""
        self.begun_s: list[float] = []
        self.commits = 0

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        self.begun_s.append(time.monotonic())
        fault = self.faults.pop(0) if self.faults else self.fault
        with super().transaction():
            yield
            if fault is not None:
                raise fault
        self.commits += 1


def full() -> sqlite3.Error:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


class Desk:
    """A clerk at work, and the loop that it hands back to: here the test's own thread."""

    def __init__(self, data: Path, policy: QueuePolicy = POLICY) -> None:
        data.mkdir(exist_ok=True)
        self.store = FaultyStore(data / "ledger.db")
        self.world = World(data, policy, clock=SystemClock(), store=self.store)  # type: ignore[arg-type]
        self.soon: queue.Queue[Callable[[], None]] = queue.Queue()
        self.moves: list[Moved] = []
        self.counts: list[housekeeping.Counts] = []
        self.answers: dict[bytes, list[Frames]] = {}
        self.failed: list[str] = []
        world = self.world
        self.clerk = Clerk(
            world.ledger,
            world.workers,
            world.publisher,
            world.room,
            SystemClock(),
            self.soon.put,
            lambda moves, _: self.moves.extend(moves),
            self.counts.append,
            self.failed.append,
        )

    def promise(self, deadline_s: float = 5.0) -> Promise:
        def settle(promise: Promise, frames: Frames) -> None:
            self.answers.setdefault(promise.request_id, []).append(frames)

        request_id = len(self.answers).to_bytes(16, "big")
        self.answers[request_id] = []
        return Promise(request_id, "test", time.clock_gettime(time.CLOCK_BOOTTIME) + deadline_s, _settle=settle)

    def submit(self, **fields: object) -> Promise:
        promise = self.promise()
        request = SubmitJob(type="mine", params=raw({}), **fields)
        self.clerk.put(lambda: self.world.users.submit(request, promise.request_id), promise)
        return promise

    def park(self, slot: int = 0, wait_s: float = 5.0, **fields: object) -> Promise:
        promise = self.promise(8.0)
        self.clerk.park(LeaseJob(types=["mine"], worker="hands", incarnation=1, slot=slot, wait_s=wait_s), promise)
        return promise

    def turn_until(self, holds: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not holds():
            self.soon.get(timeout=max(0.0, end_s - time.monotonic()))()

    def wait(self, *promises: Promise) -> list[RefusedError | None]:
        """How they were answered; None where it was done."""
        self.turn_until(lambda: all(promise.is_settled for promise in promises))
        return [self.refusal(promise) for promise in promises]

    def refusal(self, promise: Promise) -> RefusedError | None:
        (frames,) = self.answers[promise.request_id]
        try:
            door.decode_answer(frames, promise.request_id)
        except RefusedError as error:
            return error
        return None

    def leased(self, promise: Promise) -> Lease:
        self.wait(promise)
        ((_, body),) = self.answers[promise.request_id]
        return door.codec.decode_body(body, Lease)

    def close(self) -> None:
        self.clerk.stop()
        assert not self.clerk._thread.is_alive()
        self.world.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def code(error: RefusedError | None) -> ErrorCode | None:
    return error.code if error is not None else None


def test_what_waits_is_committed_in_one_transaction(desk: Desk) -> None:
    promises = [desk.submit() for _ in range(5)]
    commits = desk.store.commits

    desk.clerk.start()

    assert desk.wait(*promises) == [None] * 5
    assert desk.store.commits == commits + 1


def test_a_batch_has_256_errands_at_most(tmp_path: Path) -> None:
    desk = Desk(tmp_path, QueuePolicy(max_queued=1_000))
    promises = [desk.submit() for _ in range(600)]
    commits = desk.store.commits

    desk.clerk.start()

    assert desk.wait(*promises) == [None] * 600
    assert desk.store.commits == commits + 3
    desk.close()


def test_nobody_is_answered_before_the_commit_and_moves_are_told_before_answers(desk: Desk) -> None:
    seen: list[tuple[int, int]] = []
    promise = desk.submit()
    settle = promise._settle
    assert settle is not None
    promise._settle = lambda one, frames: (seen.append((desk.store.commits, len(desk.moves))), settle(one, frames))[1]

    desk.clerk.start()

    desk.wait(promise)
    assert seen == [(1, 1)]


def test_who_asked_is_answered_although_the_news_of_it_cannot_be_told(desk: Desk) -> None:
    desk.moves = None  # type: ignore[assignment]  # cannot be extended
    promise = desk.submit()
    desk.clerk.start()

    with pytest.raises(AttributeError):
        desk.wait(promise)

    assert desk.wait(promise) == [None]


def test_a_refused_errand_changes_nothing_while_others_of_its_batch_do(desk: Desk) -> None:
    def half_done() -> None:
        desk.world.users.cancel(first.request_id.hex())
        raise RefusedError(ErrorCode.BAD_REQUEST, "after all")

    first = desk.submit()
    broken = desk.promise()
    desk.clerk.put(half_done, broken)  # type: ignore[arg-type]
    last = desk.submit()

    desk.clerk.start()

    outcomes = desk.wait(first, broken, last)
    assert [code(one) for one in outcomes] == [None, ErrorCode.BAD_REQUEST, None]
    assert [moved.view.state for moved in desk.moves] == [JobState.QUEUED] * 2
    desk.clerk.stop()
    assert desk.world.ledger.counts == desk.store.counts()


def test_an_errand_with_a_fault_of_ours_is_told_internal_while_others_of_its_batch_are_done(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def faulty() -> None:
        desk.world.users.cancel(first.request_id.hex())
        raise ZeroDivisionError

    first = desk.submit()
    broken = desk.promise()
    desk.clerk.put(faulty, broken)  # type: ignore[arg-type]
    last = desk.submit()

    desk.clerk.start()

    outcomes = desk.wait(first, broken, last)
    assert [code(one) for one in outcomes] == [None, ErrorCode.INTERNAL, None]
    assert "ZeroDivisionError" in caplog.text
    assert desk.failed == ["ledger.errand"]
    desk.clerk.stop()
    assert desk.world.ledger.counts == desk.store.counts()


def test_work_whose_deadline_has_passed_is_not_begun(desk: Desk) -> None:
    begun = threading.Event()
    late = desk.promise(deadline_s=-0.1)
    desk.clerk.put(begun.set, late)  # type: ignore[arg-type]

    desk.clerk.start()

    assert [code(one) for one in desk.wait(late)] == [ErrorCode.DEADLINE]
    assert not begun.is_set()


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(full(), ErrorCode.NO_SPACE), (sqlite3.OperationalError("disk I/O error"), ErrorCode.UNAVAILABLE)],
)
def test_a_disk_that_fails_refuses_what_may_be_asked_again_and_later_work_succeeds(
    desk: Desk, fault: sqlite3.Error, expected: ErrorCode
) -> None:
    desk.store.fault = fault
    desk.clerk.start()
    promises = [desk.submit(), desk.submit()]

    outcomes = desk.wait(*promises)
    desk.store.fault = None
    later = desk.submit()

    assert [code(one) for one in outcomes] == [expected] * 2
    assert all(one is not None and one.retry_after_s for one in outcomes)
    assert desk.wait(later) == [None]
    assert len(desk.moves) == 1
    desk.clerk.stop()
    assert desk.world.ledger.counts == desk.store.counts() == {"mine": {JobState.QUEUED: 1}}


def test_a_database_that_is_really_full_refuses_with_no_space_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    desk = Desk(tmp_path, QueuePolicy(max_queued=1_000))
    database = desk.store._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 4}")
    desk.clerk.start()
    outcomes: list[RefusedError | None] = []
    while not any(outcomes):
        outcomes += desk.wait(desk.submit(name="x" * 500))

    database.execute("PRAGMA max_page_count = 1000000")
    outcomes += desk.wait(desk.submit())

    assert [code(one) for one in outcomes[-2:]] == [ErrorCode.NO_SPACE, None]
    desk.clerk.stop()
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert desk.world.ledger.counts == desk.store.counts() == {"mine": {JobState.QUEUED: len(outcomes) - 1}}
    desk.close()


def test_a_worker_that_waits_is_refused_when_the_disk_fails_and_not_left_waiting(desk: Desk) -> None:
    desk.clerk.start()
    desk.wait(desk.submit())
    desk.store.fault = full()

    parked = desk.park()

    assert [code(one) for one in desk.wait(parked)] == [ErrorCode.NO_SPACE]
    desk.store.fault = None
    assert desk.leased(desk.park()).job is not None


def test_the_clerk_does_not_run_hot_while_something_is_due_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clerk_module, "AGAIN_S", 0.1)
    desk = Desk(tmp_path, QueuePolicy(backoff_s=0.01, backoff_limit_s=0.01))
    desk.clerk.start()
    desk.wait(desk.submit())
    job = desk.leased(desk.park()).job
    assert job is not None
    failed = JobFailed(id=job.id, fence=job.fence, kind=FailKind.TRANSIENT, message="")
    desk.store.begun_s.clear()
    desk.store.faults = [None, full(), full()]

    desk.clerk.put(lambda: desk.world.workers.fail(failed), desk.promise())
    desk.turn_until(lambda: desk.moves[-1].view.state is JobState.QUEUED)

    first, second, third, fourth = desk.store.begun_s
    assert second - first < 0.09
    assert third - second >= 0.1
    assert fourth - third >= 0.1
    desk.close()


def test_a_parked_lease_gets_a_job_as_soon_as_one_is_submitted(desk: Desk) -> None:
    desk.clerk.start()
    parked = desk.park()
    started_s = time.monotonic()

    submitted = desk.submit()
    lease = desk.leased(parked)

    assert lease.job is not None
    assert lease.job.id == submitted.request_id.hex()
    assert time.monotonic() - started_s < 4.0, "sooner than the wait of 5 s ends"


def test_a_parked_lease_gets_the_job_that_another_worker_gives_back(desk: Desk) -> None:
    desk.clerk.start()
    desk.wait(desk.submit())
    job = desk.leased(desk.park(slot=0)).job
    assert job is not None
    parked = desk.park(slot=1)

    desk.clerk.put(lambda: desk.world.workers.release(job.id, job.fence), desk.promise())

    again = desk.leased(parked).job
    assert again is not None
    assert (again.id, again.fence, again.attempt) == (job.id, 2, 1)


def test_a_parked_lease_ends_empty_when_its_patience_does(desk: Desk) -> None:
    desk.clerk.start()

    parked = desk.park(wait_s=0.05)

    assert desk.leased(parked).job is None


def test_a_lease_that_nobody_took_is_void_and_goes_to_the_next(desk: Desk) -> None:
    desk.clerk.start()
    first = desk.park()
    desk.wait(desk.submit(), first)
    assert first.on_undelivered is not None

    first.on_undelivered()
    job = desk.leased(desk.park(slot=1)).job

    assert job is not None
    assert (job.fence, job.attempt) == (3, 1)


def done_with_next(desk: Desk, slot: int = 0) -> tuple[Promise, JobEnd]:
    """The end of a job in the slot, which asks for the next one with it."""
    job = desk.leased(desk.park(slot=slot)).job
    assert job is not None
    promise = desk.promise()
    wish = LeaseJob(types=["mine"], worker="hands", incarnation=1, slot=slot)
    desk.clerk.put_done(JobDone(id=job.id, fence=job.fence, next=wish), promise)
    desk.wait(promise)
    ((_, body),) = desk.answers[promise.request_id]
    return promise, door.codec.decode_body(body, JobEnd)


def test_the_end_of_a_job_brings_the_next_with_the_same_commit(desk: Desk) -> None:
    desk.clerk.start()
    second = [desk.submit(), desk.submit()][-1]
    desk.wait(second)

    _, end = done_with_next(desk)

    assert end.state is JobState.SUCCEEDED
    assert end.lease is not None
    assert end.lease.id == second.request_id.hex()
    last = [(moved.view.id, moved.view.state) for moved in desk.moves[-2:]]
    assert last == [(end.id, JobState.SUCCEEDED), (end.lease.id, JobState.RUNNING)]


def test_the_end_of_the_last_job_is_answered_at_once_without_a_next(desk: Desk) -> None:
    desk.clerk.start()
    desk.wait(desk.submit())

    _, end = done_with_next(desk)

    assert (end.state, end.lease) == (JobState.SUCCEEDED, None)


def test_a_next_job_that_nobody_took_is_void_and_goes_to_another(desk: Desk) -> None:
    desk.clerk.start()
    desk.wait(desk.submit(), desk.submit())
    promise, end = done_with_next(desk)
    assert promise.on_undelivered is not None
    assert end.lease is not None

    promise.on_undelivered()
    job = desk.leased(desk.park(slot=1)).job

    assert job is not None
    assert (job.id, job.fence, job.attempt) == (end.lease.id, 3, 1)


def test_a_worker_that_hands_a_job_back_is_about_to_end_and_gets_no_other(desk: Desk) -> None:
    desk.clerk.start()
    desk.wait(desk.submit())
    job = desk.leased(desk.park(slot=0)).job
    assert job is not None
    ending = desk.park(slot=1)

    desk.clerk.put_release(ReleaseJob(id=job.id, fence=job.fence), desk.promise())
    again = desk.leased(desk.park(slot=2)).job

    assert again is not None
    assert again.id == job.id
    assert not ending.is_settled


def test_a_worker_that_died_gets_no_more_jobs(desk: Desk) -> None:
    desk.clerk.start()
    dead = desk.park()
    desk.clerk.forget_worker("hands", 1)
    desk.wait(desk.submit())

    job = desk.leased(desk.park(slot=1)).job

    assert job is not None
    assert not dead.is_settled


def hand_in(desk: Desk, *finals: str) -> tuple[str, Promise]:
    """A job whose files are whole; the answer comes when they have their names."""
    desk.clerk.start()
    desk.wait(desk.submit())
    job = desk.leased(desk.park()).job
    assert job is not None
    promise = desk.promise()
    desk.clerk.put_prepared(desk.world.write(job, *finals), promise)
    return job.id, promise


def test_who_hands_in_files_is_answered_when_they_have_their_names(desk: Desk) -> None:
    job_id, promise = hand_in(desk, "a.jpg", "a.mp4")

    assert desk.wait(promise) == [None]
    assert sorted(desk.world.files()) == ["a.jpg", "a.mp4"]
    states = [moved.view.state for moved in desk.moves if moved.view.id == job_id]
    assert states == [JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING, JobState.SUCCEEDED]


@pytest.mark.usefixtures("full_of_names")
def test_a_job_whose_files_cannot_get_their_names_is_tried_again(desk: Desk) -> None:
    _, promise = hand_in(desk, "a.mp4")

    assert [code(one) for one in desk.wait(promise)] == [ErrorCode.NO_SPACE]
    assert desk.moves[-1].view.state is JobState.RETRYING


def test_files_that_have_their_names_are_told_when_the_ledger_can_be_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clerk_module, "AGAIN_S", 0.05)
    tries: list[str] = []
    publish = clerk_module.Publisher.publish

    def fail_once(publisher: clerk_module.Publisher, job_id: str) -> object:
        desk.store.faults = [] if tries else [full()]
        tries.append(job_id)
        return publish(publisher, job_id)

    monkeypatch.setattr(clerk_module.Publisher, "publish", fail_once)
    _, promise = hand_in(desk, "a.mp4")

    assert desk.wait(promise) == [None]
    assert len(tries) == 2
    assert list(desk.world.files()) == ["a.mp4"]


def test_a_stopping_clerk_does_what_waits(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    promises = [desk.submit() for _ in range(3)]
    desk.clerk.start()

    desk.clerk.stop()

    assert desk.wait(*promises) == [None] * 3
    desk.world.close()


def test_a_clerk_is_healthy_while_its_thread_lives_and_its_batches_end(desk: Desk) -> None:
    assert not desk.clerk.is_healthy()
    desk.clerk.start()
    assert desk.clerk.is_healthy()

    desk.clerk.stop()

    assert not desk.clerk.is_healthy()


def test_an_end_of_a_lease_that_could_not_be_written_is_written_when_it_is_told_again(desk: Desk) -> None:
    desk.clerk.start()
    desk.wait(desk.submit())
    job = desk.leased(desk.park()).job
    assert job is not None
    end = desk.promise
    workers = desk.world.workers
    desk.store.fault = full()
    refused = end()
    desk.clerk.put(lambda: workers.end_lease(job.id, job.fence, JobEvent.VOID, "over"), refused)
    desk.wait(refused)
    desk.store.fault = None

    desk.clerk.put(lambda: workers.end_lease(job.id, job.fence, JobEvent.VOID, "over"))

    desk.turn_until(lambda: desk.moves[-1].view.state is JobState.QUEUED)


def test_a_job_whose_files_meet_a_broken_disk_is_tried_again_and_the_others_get_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clerk_module, "AGAIN_S", 0.3)
    desk = Desk(tmp_path)
    broken, fine = whole(desk, "a.mp4"), whole(desk, "b.mp4")
    publish, tries_s = clerk_module.Publisher.publish, list[float]()

    def fail_once(publisher: clerk_module.Publisher, job_id: str) -> object:
        if job_id == broken.id:
            tries_s.append(time.monotonic())
            if len(tries_s) == 1:
                raise OSError(5, "Input/output error")
        return publish(publisher, job_id)

    monkeypatch.setattr(clerk_module.Publisher, "publish", fail_once)
    promises = [desk.promise(), desk.promise()]
    for request, promise in zip((broken, fine), promises, strict=True):
        desk.clerk.put_prepared(request, promise)

    desk.clerk.start()

    assert desk.wait(promises[1]) == [None]
    assert not promises[0].is_settled
    again = desk.promise()
    desk.clerk.put_prepared(broken, again)
    assert desk.wait(again) == [None]
    assert len(tries_s) == 2
    assert tries_s[1] - tries_s[0] >= 0.3
    assert "Input/output error" in caplog.text
    assert "Traceback" in caplog.text
    desk.close()


def whole(desk: Desk, *finals: str) -> JobPrepared:
    """The request of a worker whose files are whole; the clerk is not at work yet."""
    return desk.world.write(desk.world.running(), *finals)


def test_what_is_due_and_cannot_be_written_refuses_nobody_and_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clerk_module, "AGAIN_S", 0.05)
    desk = Desk(tmp_path, QueuePolicy(backoff_s=0.01, backoff_limit_s=0.01))
    job = desk.world.running()
    desk.world.fail(job)
    run_due, tried, is_mended = clerk_module.Ledger.run_due, threading.Semaphore(0), threading.Event()

    def fail(ledger: clerk_module.Ledger) -> None:
        run_due(ledger)
        if not is_mended.is_set():
            tried.release()
            raise full()

    monkeypatch.setattr(clerk_module.Ledger, "run_due", fail)
    desk.clerk.start()
    assert tried.acquire(timeout=LIMIT_S)

    outcomes = desk.wait(desk.submit())
    assert tried.acquire(timeout=LIMIT_S)
    is_mended.set()

    assert outcomes == [None]
    desk.turn_until(lambda: [moved.view.state for moved in desk.moves if moved.view.id == job.id] == [JobState.QUEUED])
    assert caplog.text.count("what is due could not be written") == 1
    desk.clerk.stop()
    assert desk.store.counts() == {"mine": {JobState.QUEUED: 2}}
    desk.world.close()


def test_a_full_disk_refuses_no_reads_even_of_the_same_batch(desk: Desk) -> None:
    job_id = desk.world.submit().id
    desk.store.fault = full()
    writing, reading = desk.submit(), desk.promise()
    desk.clerk.put_read(lambda: desk.world.users.get(job_id), reading)

    desk.clerk.start()

    assert [code(one) for one in desk.wait(writing, reading)] == [ErrorCode.NO_SPACE, None]


def test_a_read_sees_what_was_asked_before_it(desk: Desk) -> None:
    writing, reading = desk.submit(), desk.promise()
    desk.clerk.put_read(lambda: desk.world.users.get(writing.request_id.hex()), reading)

    desk.clerk.start()

    assert desk.wait(writing, reading) == [None, None]


def test_in_idle_time_jobs_that_ended_long_ago_are_forgotten_bit_by_bit_and_the_counts_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clerk_module, "IDLE_S", 0.01)
    for name, value in {"FIRST_S": 0.0, "KEPT_S": 0.0, "MAX_FORGOTTEN": 2}.items():
        monkeypatch.setattr(housekeeping, name, value)
    desk = Desk(tmp_path)
    for _ in range(3):
        desk.world.cancel(desk.world.submit().id)
    desk.world.submit()

    desk.clerk.start()
    desk.turn_until(lambda: len(desk.counts) == 2)

    assert desk.counts == [
        {"mine": {JobState.CANCELLED: 1, JobState.QUEUED: 1}},
        {"mine": {JobState.QUEUED: 1}},
    ]
    desk.clerk.stop()
    assert desk.world.ledger.counts == desk.store.counts()
    desk.world.close()


def test_jobs_that_ended_long_ago_are_forgotten_though_somebody_asks_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FIRST_S": 0.5, "KEPT_S": 0.0}.items():
        monkeypatch.setattr(housekeeping, name, value)
    desk = Desk(tmp_path)
    desk.world.cancel(desk.world.submit().id)

    def ask() -> bool:
        promise = desk.promise()
        desk.clerk.put_read(lambda: desk.world.users.queue("mine"), promise)
        desk.wait(promise)
        return bool(desk.counts)

    desk.clerk.start()
    end_s = time.monotonic() + LIMIT_S
    while not ask() and time.monotonic() < end_s:
        pass

    assert desk.counts == [{}]
    desk.clerk.stop()
    desk.world.close()


def test_a_batch_that_could_not_be_written_is_counted(desk: Desk) -> None:
    desk.clerk.start()
    desk.store.faults = [full()]

    desk.wait(desk.submit())

    assert desk.failed == ["ledger.failed"]


def test_a_full_disk_gets_the_reserve_and_nobody_who_asks_hears_of_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.world.room._reserve_bytes = 1 << 20
    desk.world.room.keep()
    desk.world.room._reserve_bytes = 2**50
    desk.store.faults = [full()]
    promises = [desk.park(), desk.submit(), desk.submit()]
    desk.clerk.start()

    outcomes = desk.wait(*promises)

    assert outcomes == [None] * 3
    assert not desk.world.room.has_reserve
    assert desk.failed == []
    assert desk.world.ledger.counts == desk.store.counts() == {"mine": {JobState.RUNNING: 1, JobState.QUEUED: 1}}
    desk.clerk.stop()
    desk.world.close()


def test_a_parked_worker_gets_a_job_when_the_rest_of_its_type_is_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path, QueuePolicy())
    job = desk.world.running()
    desk.world.submit()
    desk.world.fail(job, FailKind.RATE_LIMITED, retry_after_s=0.3)
    desk.clerk.start()
    began_s = time.monotonic()

    lease = desk.leased(desk.park())

    assert lease.job is not None
    assert time.monotonic() - began_s > 0.2
    desk.clerk.stop()
    desk.world.close()
