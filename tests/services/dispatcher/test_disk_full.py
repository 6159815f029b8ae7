"""A disk that is really full, in each phase of a job's life: refused in words, ended all the same, whole afterwards."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobState
from framebus.requests import (
    FailKind,
    JobDone,
    JobFailed,
    JobPrepared,
    LeasedJob,
    LeaseJob,
    PreparedFile,
)
from framebus_services.dispatcher.room import FLOOR_BYTES, RESERVE_BYTES, Room
from services.dispatcher.ledgers import raw
from services.dispatcher.processes import Group, wait_until

DISK_BYTES = 32 * 1024 * 1024
BACK_S = 5.0


class SmallDisk:
    """A group whose data folder is a tmpfs of 32 MB."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.data = group.place.data
        self.filler = self.data / "filler"

    def fill(self, but_bytes: int = 0) -> None:
        """Write until nothing more fits, then give some back."""
        with self.filler.open("ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError:
                    pass
        if but_bytes:
            os.truncate(self.filler, max(0, self.filler.stat().st_size - but_bytes))

    def tidy_up(self) -> float:
        self.filler.unlink()
        return time.monotonic()

    def leased(self) -> LeasedJob:
        self.group.submit()
        job = self.group.ask(LeaseJob(types=["mine"], worker="hands", incarnation=1)).job
        assert job is not None
        return job

    def prepared(self, job: LeasedJob) -> JobPrepared:
        temp = self.group.exports / f".{job.id}.{job.fence}.0.part"
        temp.write_text(f"clip of {job.id}")
        found = os.stat(temp)
        file = PreparedFile(
            temp=temp.name, final="clip.mp4", size_bytes=found.st_size, dev=found.st_dev, ino=found.st_ino
        )
        return JobPrepared(id=job.id, fence=job.fence, files=[file])

    def submits_again_within(self, since_s: float) -> float:
        """How long it took until a job was accepted again, in seconds."""

        def is_accepted() -> bool:
            try:
                return self.group.submit().created
            except RefusedError as error:
                if error.code is not ErrorCode.NO_SPACE:
                    raise
                return False

        wait_until(is_accepted, lambda: self.group.log)
        return time.monotonic() - since_s

    def check(self) -> None:
        """The database is whole, as its next owner finds it."""
        self.group.kill()
        with sqlite3.connect(self.data / "ledger.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    group = Group({"mine": {"max_running": 3, "max_queued": 1_000, "backoff_s": 0.1}})
    group.place.data.mkdir(parents=True)
    size = f"size={DISK_BYTES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "fb-test", group.place.data], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        group.close()
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        group.start()
        group.wait_ready()
        yield SmallDisk(group)
    finally:
        for process in group.processes:
            process.kill()
            process.wait()
        subprocess.run(["umount", group.place.data], check=True)
        group.close()


def reserve_of(disk: SmallDisk) -> int:
    try:
        return os.stat(disk.data / "ledger.reserve").st_blocks * 512
    except FileNotFoundError:
        return 0


def test_a_reserve_is_kept_from_the_start(disk: SmallDisk) -> None:
    assert reserve_of(disk) == RESERVE_BYTES


def test_before_submit_new_jobs_are_refused_in_words_and_accepted_soon_after_there_is_space(disk: SmallDisk) -> None:
    known = disk.group.submit(job_id="0" * 32)
    disk.fill(but_bytes=FLOOR_BYTES // 2)

    with pytest.raises(RefusedError, match=r"MB left; new jobs need 4\.0 MB") as caught:
        disk.group.submit()
    lease = disk.group.ask(LeaseJob(types=["mine"], worker="hands", incarnation=1, wait_s=0.2))
    again = disk.group.submit(job_id=known.id)
    back_s = disk.submits_again_within(disk.tidy_up())

    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.NO_SPACE, 5.0)
    assert lease.job is None
    assert again.created is False
    assert back_s < BACK_S
    disk.check()


def test_while_running_a_job_that_hits_the_full_disk_is_told_of_and_counts_no_failure(disk: SmallDisk) -> None:
    job = disk.leased()
    disk.fill()

    view = disk.group.ask(JobFailed(id=job.id, fence=job.fence, kind=FailKind.NO_SPACE, message="disk full"))

    assert view.state is JobState.RETRYING
    assert view.error is not None
    assert view.error.code == ErrorCode.NO_SPACE
    assert disk.submits_again_within(disk.tidy_up()) < BACK_S
    disk.check()


def test_jobs_at_work_end_on_a_full_disk_and_the_reserve_is_made_again(disk: SmallDisk) -> None:
    jobs = [disk.leased() for _ in range(3)]
    disk.fill()

    views = [disk.group.ask(JobDone(id=job.id, fence=job.fence, result=raw({"text": "x" * 4_000}))) for job in jobs]
    kept = reserve_of(disk)
    disk.tidy_up()

    assert [view.state for view in views] == [JobState.SUCCEEDED] * 3
    assert kept == 0
    assert "given back to end what has begun" in disk.group.log
    wait_until(lambda: reserve_of(disk) == RESERVE_BYTES, lambda: disk.group.log, BACK_S)
    disk.check()


def test_files_are_published_on_a_full_disk_and_are_whole(disk: SmallDisk) -> None:
    job = disk.leased()
    request = disk.prepared(job)
    disk.fill()

    view = disk.group.ask(request)

    assert view.state is JobState.SUCCEEDED
    assert (disk.group.exports / "clip.mp4").read_text() == f"clip of {job.id}"
    assert disk.submits_again_within(disk.tidy_up()) < BACK_S
    disk.check()


def test_a_dispatcher_that_starts_on_a_full_disk_gives_its_reserve_back_and_ends_what_has_begun(
    disk: SmallDisk,
) -> None:
    job = disk.leased()
    disk.group.kill()
    disk.fill()

    disk.group.start()
    view = disk.group.ask(JobDone(id=job.id, fence=job.fence))

    assert view.state is JobState.SUCCEEDED
    assert reserve_of(disk) == 0
    assert disk.submits_again_within(disk.tidy_up()) < BACK_S
    wait_until(lambda: reserve_of(disk) == RESERVE_BYTES, lambda: disk.group.log, BACK_S)
    disk.check()


def test_a_reserve_that_was_never_whole_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "ledger.reserve").write_bytes(b"x")

    room = Room(tmp_path, reserve_bytes=1 << 20, floor_bytes=0)
    before = room.has_reserve
    room.keep()

    assert (before, room.has_reserve) == (False, True)
    assert os.stat(tmp_path / "ledger.reserve").st_blocks * 512 >= 1 << 20
    assert room.give_back()
    assert not room.give_back()
    assert not (tmp_path / "ledger.reserve").exists()


def test_no_reserve_is_made_where_there_is_no_room_for_it(tmp_path: Path) -> None:
    room = Room(tmp_path, reserve_bytes=shutil.disk_usage(tempfile.gettempdir()).free * 2)

    room.keep()

    assert not room.has_reserve
    assert not (tmp_path / "ledger.reserve").exists()
