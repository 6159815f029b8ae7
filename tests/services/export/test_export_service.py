"""The service export on a bus: leases a job, hands in the files, and ends what must end."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, msgpack

from framebus import codec
from framebus.errors import ConfigError
from framebus.messages import JobState, JobView, Message
from framebus.requests import (
    BeatAnswer,
    BeatJob,
    FailKind,
    JobFailed,
    JobPrepared,
    JobStopped,
    Lease,
    LeasedJob,
    LeaseJob,
    Request,
)
from framebus.run_jobs import JobService
from framebus.testing import FakeBus
from services.export.clipping import JOB_ID, LATER_S
from services.export.recorded import START_S, record

LIMIT_S = 10.0


class Dispatcher:
    """Gives out one job, and hears what becomes of it."""

    def __init__(self, data: Path, **params: Any) -> None:
        self.bus = FakeBus("export", data=data, settings=b'{"slots": 1, "timezone": "UTC"}')
        self.end: Request[Message] | None = None
        self.is_cancelled = False
        self._is_over = threading.Event()
        body = codec.encode({"camera": "front", **params})
        self._jobs = [LeasedJob(id=JOB_ID, type="export", params=Raw(body), attempt=1, fence=3, lease_s=5.0)]
        self.bus.when_asked(LeaseJob, lambda _: Lease(job=self._jobs.pop() if self._jobs else None))
        self.bus.when_asked(BeatJob, lambda _: BeatAnswer(cancel=self.is_cancelled))
        for kind in (JobPrepared, JobFailed, JobStopped):
            self.bus.when_asked(kind, self._note_end)

    def await_end(self) -> Request[Message]:
        assert self._is_over.wait(LIMIT_S), "the job did not end"
        assert self.end is not None
        return self.end

    def _note_end(self, request: Request[Message]) -> JobView:
        self.end = request
        self._is_over.set()
        return JobView(id=JOB_ID, type="export", state=JobState.SUCCEEDED, created_at_s=LATER_S)


@pytest.fixture
def exports() -> Iterator[list[JobService]]:
    """Services that are stopped at the end."""
    started: list[JobService] = []
    yield started
    for export in started:
        export.stop()


def test_a_leased_job_is_made_and_its_files_are_handed_in_the_clip_last(
    data: Path, video: Path, exports: list[JobService]
) -> None:
    record(data, video)
    dispatcher = Dispatcher(data, start=START_S + 3.0, end=START_S + 5.0)

    exports.append(JobService(dispatcher.bus, "export"))
    end = dispatcher.await_end()

    assert isinstance(end, JobPrepared)
    assert (end.id, end.fence) == (JOB_ID, 3)
    assert [file.final for file in end.files] == [
        "front/front_2026-09-21_14-13-23_14-13-25.jpg",
        "front/front_2026-09-21_14-13-23_14-13-25.mp4",
    ]
    assert msgpack.decode(end.result)["frames"] == 20


def test_a_job_whose_recordings_are_gone_by_now_fails_for_good(data: Path, exports: list[JobService]) -> None:
    dispatcher = Dispatcher(data, start=START_S + 3.0, end=START_S + 5.0)

    exports.append(JobService(dispatcher.bus, "export"))
    end = dispatcher.await_end()

    assert isinstance(end, JobFailed)
    assert (end.kind, end.message) == (FailKind.NO_SOURCE, "front has nothing in the range")


def test_a_service_that_has_been_stopped_is_healthy_to_its_end(data: Path) -> None:
    export = JobService(Dispatcher(data, start=START_S, end=START_S + 5.0).bus, "export")

    export.stop()

    assert export.is_healthy()


def test_a_time_zone_that_does_not_exist_is_an_error_of_the_configuration(data: Path) -> None:
    with pytest.raises(ConfigError, match="timezone: 'Mars/Base' is not known; write one like Europe/Berlin"):
        JobService(FakeBus("export", data=data, settings=b'{"timezone": "Mars/Base"}'), "export")
