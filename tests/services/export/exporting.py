"""A dispatcher and export workers as real processes, for tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Raw

from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import JobView
from framebus.place import Place
from framebus.requests import GetJob, JobAccepted, Ping, SubmitJob
from framebus.transport import SocketBus

LIMIT_S = 90.0
"""export gives way to whatever else the machine does"""
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

    def submit(self, start_s: float, end_s: float, name: str = "My clip", **more: Any) -> JobAccepted:
        params = {"camera": "front", "start": start_s, "end": end_s, **more}
        return self.bus.ask("dispatcher", SubmitJob(type="export", name=name, params=Raw(codec.encode(params))))

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
        program = ["framebus.run_jobs", service] if service == "export" else [f"framebus_services.{service}"]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", *program], env=environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process
