"""A whole group for a test: `framebus up` in folders of its own, and proof that nothing is left of it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import yaml
from msgspec import Raw

from framebus import codec
from framebus.errors import RefusedError
from framebus.jobs import FINAL
from framebus.messages import CameraState, CameraStatus, JobState, JobView, ServiceState, ServiceStatus
from framebus.place import Place
from framebus.requests import JobAccepted, ListJobs, ListServices, SubmitJob
from framebus.transport import Listener
from framebus_launcher.client import GroupClient
from framebus_launcher.observer import Observer

T = TypeVar("T")
FRAMEBUS = str(Path(sys.executable).with_name("framebus"))
SELDOM = ("ingest", "analysis")
SYNTHETIC: dict[str, Any] = {
    "source": "synthetic://?width=320&height=240&fps=10",
    "detect": {"fps": 10},
    "record": {"segment_s": 2},
}


def wait_until(find: Callable[[], T | None], what: str, limit_s: float = 60.0) -> T:
    """What `find` returns as soon as it is true; fails the test after `limit_s`."""
    end_s = time.monotonic() + limit_s
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < end_s, f"{what}: not within {limit_s:.0f} s"
        time.sleep(0.02)


NO_PAGE = {"http": False}
"""most tests need none: a process less to wait for"""


class RunningGroup:
    """A group that runs in a process of its own, as a user would start it."""

    def __init__(self, folder: Path, config: dict[str, Any], *options: str) -> None:
        """`options` are further ones of `framebus up`."""
        self.folder = folder
        self._options = options
        self.place = Place.at(folder / "run", data=folder / "data")
        self.file = folder / "framebus.yml"
        self.log = folder / "log"
        self.file.write_text(
            yaml.safe_dump({"data": str(folder / "data"), "run": str(folder / "run"), **NO_PAGE, **config})
        )
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [FRAMEBUS, "up", "-c", str(self.file), "--plain", *self._options],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def start_again(self) -> None:
        self.process = self._start()

    def await_ready(self, *names: str, limit_s: float = 60.0) -> dict[str, ServiceStatus]:
        """All services ready, or those named."""

        def find() -> dict[str, ServiceStatus] | None:
            assert self.process.poll() is None, f"the launcher ended: {self.log.read_text()}"
            try:
                services = self.services()
            except RefusedError:  # the door of a launcher that was killed stands there until the next one opens its own
                return None
            wanted = names or tuple(services)
            states = [services[name].state if name in services else None for name in wanted]
            return services if services and all(state is ServiceState.READY for state in states) else None

        try:
            return wait_until(find, "all ready", limit_s)
        except AssertionError:
            raise AssertionError(f"not all ready: {self.log.read_text()[-4_000:]}") from None

    def services(self) -> dict[str, ServiceStatus]:
        if not (self.place.run / "req.launcher").exists() or not (self.place.run / "sub").exists():
            return {}
        with GroupClient(self.place.run) as client:
            return {status.name: status for status in client.ask("launcher", ListServices()).services}

    def submit(self, start_s: float, end_s: float, camera: str = "front", **more: Any) -> JobAccepted:
        params = {"camera": camera, "start": start_s, "end": end_s, "allow_gaps": True, **more}
        with GroupClient(self.place.run) as client:
            return client.ask("dispatcher", SubmitJob(type="export", params=Raw(codec.encode(params))), 10.0)

    def jobs(self) -> dict[str, JobView]:
        with GroupClient(self.place.run) as client:
            return {job.id: job for job in client.ask("dispatcher", ListJobs(limit=500), 10.0).jobs}

    def await_ends(self, ids: list[str], limit_s: float = 60.0) -> list[JobView]:
        """The jobs, when all of them have ended."""

        def find() -> list[JobView] | None:
            try:
                jobs = self.jobs()
            except RefusedError:  # the dispatcher is not back yet
                return None
            ended = [jobs[job_id] for job_id in ids if job_id in jobs and jobs[job_id].state in FINAL]
            return ended if len(ended) == len(ids) else None

        return wait_until(find, "all jobs ended", limit_s)

    def await_online(self, camera: str = "front", limit_s: float = 20.0) -> None:
        with self.observer() as news:

            def is_online() -> bool | None:
                status = news.newest(f"camera/{camera}/", CameraStatus)
                return True if status is not None and status.state is CameraState.ONLINE else None

            assert news.wait_for(is_online, limit_s), f"{camera} is not online"

    def await_segments(self, number: int, camera: str = "front") -> None:
        """That many are closed."""
        folder = self.place.data / "recordings" / camera
        wait_until(lambda: len(list(folder.rglob("*_*.mp4"))) >= number, f"{number} closed segments of {camera}")

    def all_said(self, wanted: set[str]) -> bytes:
        """All news, retained values included, until these topics were heard."""
        said = b""
        topics: set[str] = set()
        with Listener(self.place, "") as listener:

            def hear() -> bool:
                nonlocal said
                for news in listener.wait(0.2):
                    topics.add(news.topic)
                    said += news.topic.encode() + news.body
                return topics >= wanted

            wait_until(hear, "everybody was heard")
        return said

    def clips(self) -> list[Path]:
        return sorted((self.place.data / "exports").rglob("*.mp4"))

    def files_holding(self, text: bytes) -> list[Path]:
        """All below the group's folder whose content has `text`, without the configuration."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path != self.file]
        return [path for path in files if text in _content_of(path)]

    def observer(self) -> Observer:
        return Observer(self.place)

    def stop(self, limit_s: float = 12.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(limit_s)

    def kill(self, name: str, number: int = signal.SIGKILL) -> ServiceStatus:
        status = self.services()[name]
        assert status.pid is not None
        os.kill(status.pid, number)
        return status

    def await_back(self, name: str, old: ServiceStatus, limit_s: float = 45.0) -> ServiceStatus:
        """The service, when it is ready in a life after `old`."""

        def find() -> ServiceStatus | None:
            status = self.services().get(name)
            is_new = status is not None and status.incarnation > old.incarnation
            return status if is_new and status is not None and status.state is ServiceState.READY else None

        return wait_until(find, f"{name} is back", limit_s)


def _content_of(path: Path) -> bytes:
    """Of a file that a process may rename or remove meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@contextmanager
def running_group(
    config: dict[str, Any], *options: str, files: Mapping[str, str] | None = None
) -> Iterator[RunningGroup]:
    """A group with this configuration and these files beside it; at the end it is stopped, and nothing may be left.

    What a test does not name of the services that wait for uploads is off: it would cost each test its start.
    """
    config = {**config, "services": {**dict.fromkeys(SELDOM, False), **config.get("services", {})}}
    folder = Path(tempfile.mkdtemp(prefix="fb-"))
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    group = RunningGroup(folder, config, *options)
    try:
        yield group
        if group.process.poll() is None:
            assert group.stop() == 0, group.log.read_text()[-4_000:]
        assert_nothing_left(group.place)
    finally:
        if group.process.poll() is None:
            group.process.kill()
            group.process.wait()
        for process in processes_of(group.place):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(group.place.shm, ignore_errors=True)


def processes_of(place: Place) -> list[psutil.Process]:
    """The processes that were started for this group."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("FRAMEBUS_RUN") == str(place.run):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def assert_nothing_left(place: Place) -> None:
    assert processes_of(place) == []
    assert [path for path in place.run.rglob("*") if path.is_socket()] == []
    assert not place.shm.exists() or list(place.shm.iterdir()) == []
    assert list(place.data.rglob(".*.part")) == []


def history_of(place: Place) -> dict[str, list[tuple[JobState, float, str]]]:
    """What happened to each job, by the ledger's own history: state, seconds since 1970, and why."""
    with closing(sqlite3.connect(f"file:{place.data / 'ledger.db'}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute("SELECT job, state, at, detail FROM event ORDER BY seq").fetchall()
    history: dict[str, list[tuple[JobState, float, str]]] = {}
    for job, state, at_s, detail in rows:
        history.setdefault(job, []).append((JobState(state), at_s, detail))
    return history


def count_by_state(jobs: list[JobView]) -> dict[JobState, int]:
    return {state: sum(job.state is state for job in jobs) for state in {job.state for job in jobs}}
