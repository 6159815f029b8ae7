"""Real processes of a group of its own: a dispatcher to start, kill and ask, and nothing of it left at the end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from framebus import requests
from framebus.codec import News, decode_body, encode
from framebus.messages import JobBoard, JobState, JobView, Message
from framebus.place import Place
from framebus.requests import GetJob, JobAccepted, Ping, Request, SubmitJob
from framebus.transport import Listener, ScriptCaller
from services.dispatcher.ledgers import raw

A = TypeVar("A", bound=Message)
LIMIT_S = 40.0


class Ear:
    """A subscriber that keeps all it hears."""

    def __init__(self, place: Place, *prefixes: str) -> None:
        self._listener = Listener(place, *prefixes)
        self.news: list[News] = []

    def hear_until(self, holds: Callable[[], object], limit_s: float = LIMIT_S) -> None:
        end_s = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < end_s, [news.topic for news in self.news]
            self.news += self._listener.wait(0.05)

    @property
    def boards(self) -> list[JobBoard]:
        return [body for news in self.news if isinstance(body := news.decode(), JobBoard)]

    @property
    def jobs(self) -> list[JobView]:
        return [body for news in self.news if isinstance(body := news.decode(), JobView)]

    def close(self) -> None:
        self._listener.close()


class Group:
    """One group in a short folder: its place, its processes, and a line to ask over."""

    def __init__(self, jobs: dict[str, object]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fb"))
        self.place = Place.at(self.folder / "run", data=self.folder / "data", shm=self.folder / "shm")
        self.settings = self.folder / "settings.json"
        self.settings.write_text(json.dumps({"jobs": jobs}))
        self.caller = ScriptCaller(self.place)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.dispatcher: subprocess.Popen[bytes] | None = None
        self._ears: list[Ear] = []

    @property
    def exports(self) -> Path:
        return self.place.data / "exports"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def run(self, *command: str, name: str | None = None, **environment: str) -> subprocess.Popen[bytes]:
        """Start a Python process of this group."""
        surroundings = {
            **os.environ,
            **self.place.to_environment(),
            "FRAMEBUS_SETTINGS": str(self.settings),
            **environment,
        }
        for inherited in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "FRAMEBUS_NAME", "FRAMEBUS_INCARNATION"):
            surroundings.pop(inherited, None)
        if name is not None:
            surroundings["FRAMEBUS_NAME"] = name
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([sys.executable, *command], env=surroundings, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start(self) -> subprocess.Popen[bytes]:
        self.dispatcher = self.run("-m", "framebus_services.dispatcher")
        return self.dispatcher

    def kill(self) -> None:
        """SIGKILL the dispatcher."""
        assert self.dispatcher is not None
        self.dispatcher.send_signal(signal.SIGKILL)
        self.dispatcher.wait()

    def ask(self, request: Request[A], deadline_s: float = LIMIT_S, *, is_long: bool = False) -> A:
        """Ask the dispatcher; raises RefusedError."""
        method = requests.method_of(type(request))
        body, _ = self.caller.call("dispatcher", method.name, encode(request), deadline_s, is_long=is_long)
        return decode_body(body, method.answer)  # type: ignore[return-value]

    def wait_ready(self) -> None:
        self.ask(Ping())

    def submit(self, params: object = None, job_id: str | None = None, kind: str = "mine") -> JobAccepted:
        return self.ask(SubmitJob(type=kind, params=raw(params or {}), id=job_id))

    def job(self, job_id: str) -> JobView:
        return self.ask(GetJob(id=job_id))

    def wait_for(self, job_id: str, *states: JobState) -> JobView:
        """The job once it is in one of these states."""
        views: list[JobView] = []

        def look() -> bool:
            views.append(self.job(job_id))
            return views[-1].state in states

        wait_until(look, lambda: f"{views[-1:]} {self.log}")
        return views[-1]

    def hear(self, *prefixes: str) -> Ear:
        """Subscribe until the group is closed."""
        self._ears.append(Ear(self.place, *prefixes))
        return self._ears[-1]

    def close(self) -> None:
        for ear in self._ears:
            ear.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.caller.close()
        shutil.rmtree(self.folder)


def wait_until(holds: Callable[[], bool], what: Callable[[], str] = str, limit_s: float = LIMIT_S) -> None:
    """Look again and again; for what tells of itself to nobody."""
    end_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end_s, f"did not come within {limit_s} s: {what()}"
        time.sleep(0.01)


def temps(exports: Path) -> list[str]:
    return [path.name for path in exports.rglob(".*.part")]


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group({"mine": {"max_running": 3, "max_queued": 1_000, "backoff_s": 0.1}})
    yield made
    made.close()
