"""Clips through real processes: a dispatcher and workers that are killed, stopped and told to stop."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw, msgpack

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.place import Place
from framebus.recordings import closed_name, hour_folder
from framebus.requests import CancelJob, GetJob, JobAccepted, Ping, SubmitJob, WorkerLost
from framebus.transport import SocketBus
from media import frames_of
from services.export.recorded import START_S, record

LIMIT_S = 20.0
LONG_SEGMENTS = 1_500
LONG_S = 2.0 * LONG_SEGMENTS


class Group:
    """A dispatcher, and workers as the test wants them."""

    def __init__(self, folder: Path) -> None:
        self.place = Place.at(folder / "run", data=folder / "data", shm=folder / "shm")
        self.views: dict[str, list[JobView]] = {}
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        settings = folder / "dispatcher.json"
        settings.write_text(json.dumps({"cameras": ["front"]}))
        self.place.run.mkdir(mode=0o700)
        self._start("dispatcher", FRAMEBUS_SETTINGS=str(settings))
        self.bus = SocketBus("test", place=self.place)
        self.bus.on(JobView, self._note, type="export")
        self.bus.ask("dispatcher", Ping(), LIMIT_S)

    def start_export(self, incarnation: int) -> subprocess.Popen[bytes]:
        process = self._start("export", FRAMEBUS_INCARNATION=str(incarnation))
        self.bus.ask("export", Ping(), LIMIT_S)
        return process

    def submit(self, start_s: float, end_s: float, **more: Any) -> JobAccepted:
        params = {"camera": "front", "start": start_s, "end": end_s, **more}
        return self.bus.ask("dispatcher", SubmitJob(type="export", name="My clip", params=Raw(codec.encode(params))))

    def get(self, job_id: str) -> JobView:
        return self.bus.ask("dispatcher", GetJob(id=job_id))

    def wait(self, job_id: str, holds: Callable[[JobView], bool]) -> JobView:
        """The first news of the job for which it holds."""
        seen = self.views.setdefault(job_id, [])
        end_s = time.monotonic() + LIMIT_S
        while True:
            for view in seen:
                if holds(view):
                    return view
            seen.clear()
            assert time.monotonic() < end_s, f"not within {LIMIT_S:.0f} s; now it is {self.get(job_id)}"
            self.bus.turn(0.05)

    def ask_until(self, job_id: str, holds: Callable[[JobView], bool]) -> JobView:
        """The job, asked for again until it holds: progress is no news of its own."""
        end_s = time.monotonic() + LIMIT_S
        while not holds(view := self.get(job_id)):
            assert view.state not in FINAL, f"it ended too early: {view}"
            assert time.monotonic() < end_s, f"not within {LIMIT_S:.0f} s: {view}"
            self.bus.turn(0.05)
        return view

    def exports(self) -> list[str]:
        folder = self.place.data / "exports"
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def close(self) -> None:
        self.bus.close()
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
                assert process.wait(LIMIT_S) == 0, self.log()

    def kill(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _note(self, view: JobView) -> None:
        self.views.setdefault(view.id, []).append(view)

    def _start(self, service: str, **more: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.place.to_environment(), **more}
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"framebus_services.{service}"], env=environment, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process


@pytest.fixture
def group() -> Iterator[Group]:
    folder = Path(tempfile.mkdtemp(prefix="fb"))
    group = Group(folder)
    try:
        yield group
        group.close()
        assert not re.search("ERROR|Traceback", group.log()), group.log()
    finally:
        group.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def long_recordings(tmp_path_factory: pytest.TempPathFactory, rich_video: Path) -> Path:
    """Most of an hour in many small segments: work for some seconds."""
    data = tmp_path_factory.mktemp("long")
    one = record(data / "one", rich_video)[0]
    for number in range(LONG_SEGMENTS):
        start_s = START_S + 2.0 * number
        folder = hour_folder(data, "front", start_s)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(one.path, folder / closed_name(round(start_s * 1_000), 2_000))
    return data


@pytest.fixture
def long_group(group: Group, long_recordings: Path) -> Group:
    """A group that finds the long recordings."""
    (group.place.data / "recordings").symlink_to(long_recordings / "recordings")
    return group


def is_copied(view: JobView) -> bool:
    return view.step == "copying"


def has_ended(view: JobView) -> bool:
    return view.state in FINAL


def is_in(state: JobState, view: JobView) -> bool:
    return view.state is state


def succeeded_whole(group: Group, job_id: str) -> JobView:
    """The end of a long job, which is a whole clip, the only file, and no leftovers."""
    view = group.wait(job_id, has_ended)
    assert view.state is JobState.SUCCEEDED, (view, group.log())
    result = msgpack.decode(view.result)
    assert result["frames"] == 20 * LONG_SEGMENTS
    assert group.exports() == result["files"]
    return view


def test_a_clip_that_is_asked_for_is_made_and_plays(group: Group, rich_video: Path) -> None:
    record(group.place.data, rich_video)
    group.start_export(1)

    accepted = group.submit(START_S + 3.3, START_S + 9.0)
    view = group.wait(accepted.id, has_ended)

    assert view.state is JobState.SUCCEEDED
    assert (view.step, view.percent, view.error) == ("done", 100.0, None)
    picture, clip = group.exports()
    assert clip.startswith("front/front_2026-09-21_")
    assert clip.endswith("_my-clip.mp4")
    assert msgpack.decode(view.result)["files"] == [picture, clip]
    assert frames_of(group.place.data / "exports" / clip)[:60] == list(range(30, 90))


def test_a_clip_that_cannot_be_made_is_refused_at_once(group: Group) -> None:
    with pytest.raises(RefusedError, match="front has no recording from") as caught:
        group.submit(START_S + 3.3, START_S + 9.0)

    assert caught.value.code is ErrorCode.NO_SOURCE


def kill_at_work(group: Group, job_id: str, worker: subprocess.Popen[bytes]) -> None:
    group.ask_until(job_id, is_copied)
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def test_the_next_worker_makes_the_clip_of_one_whose_death_was_told(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S, thumbnail=False)
    kill_at_work(long_group, accepted.id, worker)

    long_group.bus.ask("dispatcher", WorkerLost(worker="export", incarnation=1, signal=signal.SIGKILL))
    long_group.start_export(2)

    assert succeeded_whole(long_group, accepted.id).attempt == 1  # SIGKILL tells not by whom


def test_the_next_worker_makes_the_clip_of_one_that_died_unnoticed(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S, thumbnail=False)
    kill_at_work(long_group, accepted.id, worker)

    long_group.start_export(2)

    assert succeeded_whole(long_group, accepted.id).attempt == 1  # nobody says that the clip was to blame


def test_a_worker_that_is_stopped_hands_its_clip_to_the_next(long_group: Group) -> None:
    worker = long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S, thumbnail=False)
    long_group.ask_until(accepted.id, is_copied)

    worker.terminate()
    assert worker.wait(5.0) == 0
    handed_back = long_group.ask_until(accepted.id, partial(is_in, JobState.QUEUED))
    files = long_group.exports()
    long_group.start_export(2)

    assert (handed_back.attempt, files) == (0, [])
    assert succeeded_whole(long_group, accepted.id).attempt == 1


def test_a_clip_that_is_cancelled_while_it_is_copied_leaves_nothing(long_group: Group) -> None:
    long_group.start_export(1)
    accepted = long_group.submit(START_S, START_S + LONG_S)
    long_group.ask_until(accepted.id, is_copied)

    asked_s = time.monotonic()
    long_group.bus.ask("dispatcher", CancelJob(id=accepted.id))
    view = long_group.wait(accepted.id, partial(is_in, JobState.CANCELLED))
    took_s = time.monotonic() - asked_s

    assert view.error is not None
    assert view.error.code == ErrorCode.CANCELLED
    assert long_group.exports() == []
    assert took_s < 1.0
