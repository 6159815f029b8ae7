"""A real dispatcher, and what talks to it, in folders of their own: for benchmarks of messages, calls and jobs."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import psutil

from framebus import client
from framebus.errors import RefusedError
from framebus.messages import Message
from framebus.place import Place
from framebus.requests import Ping, Request

A = TypeVar("A", bound=Message)

ROOT = Path(__file__).parents[1]
READY_S = 60.0
STOP_S = 8.0
INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "FRAMEBUS_NAME", "FRAMEBUS_INCARNATION")


class PrivateGroup:
    """Processes of one group; use it in a `with` block, which ends them and removes their folder."""

    def __init__(
        self,
        settings: Mapping[str, object] | None = None,
        entry_points: str = "",
        prepare: Callable[[Path], None] = lambda _: None,
    ) -> None:
        """`settings` are the dispatcher's; `entry_points` those of a package that is installed for this group alone.

        `prepare` may put something into the data folder before the dispatcher starts.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="fbb"))
        self.place = Place.at(self.folder / "run", data=self.folder / "data", shm=self.folder / "shm")
        self._processes: list[psutil.Popen] = []
        self._packages = self.folder / "packages"
        _install(self._packages, entry_points)
        self.place.data.mkdir()
        prepare(self.place.data)
        self.dispatcher = self.start("framebus_services.dispatcher", settings=settings or {})
        self.wait_for("dispatcher")

    def start(self, module: str, *arguments: str, settings: Mapping[str, object], name: str = "") -> psutil.Popen:
        """Run a module as a process of the group; `settings` are its section of the configuration."""
        file = self.folder / f"settings-{len(self._processes)}.json"
        file.write_text(json.dumps(settings))
        surroundings = {
            **{key: value for key, value in os.environ.items() if key not in INHERITED},
            **self.place.to_environment(),
            "FRAMEBUS_SETTINGS": str(file),
            "PYTHONPATH": f"{self._packages}:{ROOT}",
            **({"FRAMEBUS_NAME": name} if name else {}),
        }
        with (self.folder / "log").open("ab") as log:
            process = psutil.Popen([sys.executable, "-m", module, *arguments], env=surroundings, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def ask(self, request: Request[A], service: str = "dispatcher", deadline_s: float = 30.0) -> A:
        return client.ask(service, request, run=self.place.run, deadline_s=deadline_s)

    def wait_for(self, service: str) -> None:
        """Until a service answers; raises RuntimeError with its log when it does not."""
        try:
            self.ask(Ping(), service, READY_S)
        except RefusedError as error:
            raise RuntimeError(f"{service}: {error}\n{(self.folder / 'log').read_text()}") from None

    def close(self) -> None:
        for process in reversed(self._processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "PrivateGroup":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _install(packages: Path, entry_points: str) -> None:
    info = packages / "benchmarked-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmarked\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
