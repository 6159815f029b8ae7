"""A ledger over a real file and a clock of its own, and the words its tests speak to it in."""

import itertools
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from msgspec import Raw, Struct

from framebus import codec
from framebus.clock import FakeClock
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import CheckContext, JobType
from framebus.messages import JobState, JobView
from framebus.requests import (
    FailKind,
    JobAccepted,
    JobDone,
    JobFailed,
    JobPrepared,
    LeasedJob,
    LeaseJob,
    PreparedFile,
    SubmitJob,
    WorkerLost,
)
from framebus.settings import JobSettings, QueuePolicy
from framebus_services.dispatcher.admission import Admission
from framebus_services.dispatcher.crashes import OomWatch
from framebus_services.dispatcher.hands import Hands
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.publisher import Publisher
from framebus_services.dispatcher.room import Room
from framebus_services.dispatcher.store import Store
from framebus_services.dispatcher.users import Users
from framebus_services.dispatcher.workers import Workers

T = TypeVar("T")

MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
"""where a sync costs nothing: for thousands of small ledgers that no power cut will meet"""

POLICY = QueuePolicy(max_queued=5, max_running=3, max_failures=3)


class ClipParams(Struct, kw_only=True, forbid_unknown_fields=True):
    camera: str
    seconds: float


def check_clip(params: ClipParams, context: CheckContext) -> None:
    if params.camera not in context.cameras:
        raise RefusedError(ErrorCode.NO_SOURCE, f"unknown camera {params.camera}")
    if params.seconds < 0:
        raise ZeroDivisionError  # a job type with a fault of its own


CLIP = JobType(name="clip", params=ClipParams, check=check_clip, policy=QueuePolicy(max_queued=2))


def raw(value: object) -> Raw:
    return Raw(codec.encode(value))


class World:
    """A dispatcher's ledger, its folder, and its clock."""

    def __init__(
        self, data: Path, policy: QueuePolicy = POLICY, clock: FakeClock | None = None, store: Store | None = None
    ) -> None:
        self.data = data
        self.exports = data / "exports"
        self.clock = clock or FakeClock()
        self.policy = policy
        self.boot_id = "boot-1"
        self._slots = itertools.count(1_000)
        self.oom_kills = 0
        self.disk = {"reserve_bytes": 2**50}
        """none is so large: a reserve is made where a test asks for it"""
        self.progress: dict[str, tuple[str, float]] = {}
        self.moves: list[tuple[JobState | None, JobView]] = []
        self.exports.mkdir(parents=True, exist_ok=True)
        self.ledger = self._open(store)

    def restart(self, boot_id: str | None = None) -> None:
        """The dispatcher dies and comes back, on the same boot unless another is given."""
        self.ledger.store.close()
        self.boot_id = boot_id or self.boot_id
        self.progress.clear()
        self.ledger = self._open()
        self.publisher.recover()

    def close(self) -> None:
        self.ledger.store.close()

    def submit(self, job_id: str | None = None, kind: str = "mine", **fields: object) -> JobAccepted:
        params = fields.pop("params", {"camera": "front"})
        request = SubmitJob(type=kind, params=raw(params), id=job_id, **fields)
        return self.commit(lambda: self.users.submit(request, secrets.token_bytes(16)))

    def lease(self, worker: str = "hands", incarnation: int = 1, slot: int = 0, **fields: object) -> LeasedJob | None:
        request = LeaseJob(
            types=fields.pop("types", ["mine"]), worker=worker, incarnation=incarnation, slot=slot, **fields
        )
        return self.commit(lambda: self.workers.lease(request)).job

    def running(self, **fields: object) -> LeasedJob:
        """A job that was just submitted and leased."""
        job_id = self.submit(**fields).id
        leased = self.lease(slot=next(self._slots))
        assert leased is not None
        assert leased.id == job_id
        return leased

    def publishing(self, *finals: str, result: object = None) -> tuple[LeasedJob, JobPrepared]:
        """A job whose files are whole and have no names yet."""
        job = self.running()
        request = self.write(job, *finals, result=result)
        self.commit(lambda: self.workers.prepared(request))
        return job, request

    def write(self, job: LeasedJob, *finals: str, result: object = None) -> JobPrepared:
        """Files as a worker writes them, and the request that hands them in."""
        files = [self.write_temp(job, number, final) for number, final in enumerate(finals)]
        return JobPrepared(id=job.id, fence=job.fence, files=files, result=raw(result))

    def write_temp(self, job: LeasedJob, number: int, final: str) -> PreparedFile:
        temp = (self.exports / final).parent / f".{job.id}.{job.fence}.{number}.part"
        temp.parent.mkdir(parents=True, exist_ok=True)
        temp.write_bytes(f"{final} of {job.id}".encode())
        return described(self.exports, temp, final)

    def prepared(self, request: JobPrepared) -> JobView | RefusedError | None:
        return self.commit(lambda: self.workers.prepared(request))

    def publish(self, job_id: str) -> JobView | RefusedError:
        return self.after_commit(self.publisher.publish(job_id))

    def done(self, job: LeasedJob, result: object = None, fence: int | None = None) -> JobView | RefusedError:
        request = JobDone(id=job.id, fence=job.fence if fence is None else fence, result=raw(result))
        return self.commit(lambda: self.workers.done(request))

    def fail(self, job: LeasedJob, kind: FailKind = FailKind.TRANSIENT, message: str = "no", **more: object) -> JobView:
        request = JobFailed(id=job.id, fence=job.fence, kind=kind, message=message, **more)
        return self.commit(lambda: self.workers.fail(request))

    def stopped(self, job: LeasedJob) -> JobView:
        return self.commit(lambda: self.workers.stopped(job.id, job.fence))

    def release(self, job: LeasedJob) -> JobView:
        return self.commit(lambda: self.workers.release(job.id, job.fence))

    def cancel(self, job_id: str) -> JobView:
        return self.commit(lambda: self.users.cancel(job_id))

    def lose(self, worker: str = "hands", incarnation: int = 1, **how: object) -> None:
        self.commit(lambda: self.workers.lost(WorkerLost(worker=worker, incarnation=incarnation, **how)))

    def run_due(self) -> None:
        self.commit(self.ledger.run_due)

    def advance(self, seconds: float) -> None:
        """Time passes, and what has become due is done."""
        self.clock.advance(seconds)
        self.run_due()

    def row(self, job_id: str) -> Job:
        job = self.ledger.store.get(job_id)
        assert job is not None
        return job

    def state(self, job_id: str) -> JobState:
        return self.row(job_id).state

    def files(self) -> dict[str, str]:
        """What stands in the exports folder, by its path."""
        return {
            str(path.relative_to(self.exports)): path.read_text()
            for path in sorted(self.exports.rglob("*"))
            if path.is_file()
        }

    def commit(self, work: Callable[[], T]) -> T:
        """One transaction, as the clerk opens it: all of it, or nothing."""
        try:
            with self.ledger.store.transaction():
                outcome = work()
        except BaseException:
            self.ledger.undo()
            raise
        return self.after_commit(outcome)

    def after_commit(self, outcome: T) -> T:
        self.moves += [(moved.was, moved.view) for moved in self.ledger.take_moves()]
        return outcome

    def _open(self, store: Store | None = None) -> Ledger:
        self.admission = Admission(
            {"clip": CLIP},
            {"mine": JobSettings(**msgspec.structs.asdict(self.policy))},
            self.data,
            frozenset({"front"}),
            self.clock,
        )
        ledger = Ledger(
            store or Store(self.data / "ledger.db"),
            self.admission.policy_of,
            clock=self.clock,
            boot_id=self.boot_id,
            progress_of=self.progress.get,
        )
        self.room = Room(self.data, **self.disk)
        self.hands = Hands()
        self.publisher = Publisher(ledger, self.exports)
        self.users = Users(ledger, self.admission, self.room, self.hands)
        self.workers = Workers(ledger, self.publisher, self.room, OomWatch(lambda: self.oom_kills))
        return ledger


def described(exports: Path, temp: Path, final: str) -> PreparedFile:
    """What a worker says of a file."""
    found = os.stat(temp)
    return PreparedFile(
        temp=str(temp.relative_to(exports)),
        final=final,
        size_bytes=found.st_size,
        dev=found.st_dev,
        ino=found.st_ino,
    )


def result_of(view: object) -> object:
    assert isinstance(view, JobView)
    return msgspec.msgpack.decode(view.result)


def refused(outcome: object) -> ErrorCode:
    assert isinstance(outcome, RefusedError)
    return outcome.code


def code_of(caught: pytest.ExceptionInfo[RefusedError]) -> ErrorCode:
    return caught.value.code
