"""A running group for a benchmark: started as its user starts it, and what its processes cost."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.load import cpu_s
from framebus.place import Place
from framebus.requests import Ping
from framebus.transport import SocketBus

FRAMEBUS = str(Path(sys.executable).with_name("framebus"))
LIMIT_S = 120.0
SERVICES = ("enrich", "export", "ingest", "analysis")


class Group:
    """`framebus up` in folders of its own. Use it in a `with` block."""

    def __init__(self, folder: Path, *services: str, **config: Any) -> None:
        """The built-in `services`, and what else stands in the configuration."""
        self.place = Place.at(folder / "run", data=folder / "data")
        chosen: dict[str, Any] = {name: name in services for name in SERVICES}
        chosen = {name: {} if wanted else False for name, wanted in chosen.items()} | config.pop("services", {})
        settings = {"data": str(folder / "data"), "run": str(folder / "run"), "http": False, "services": chosen}
        (folder / "framebus.yml").write_text(yaml.safe_dump({**settings, **config}))
        self._log = (folder / "log").open("wb")
        self._launcher = subprocess.Popen(
            [FRAMEBUS, "up", "-c", str(folder / "framebus.yml"), "--plain"],
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
        )
        try:
            names = ["dispatcher", *services, *(f"capture@{camera}" for camera in config.get("cameras", ()))]
            doors = ["sub", *(f"req.{name}" for name in names)]
            self._wait(lambda: all((self.place.run / door).exists() for door in doors))
            self.bus = SocketBus("benchmark", place=self.place)
            for name in names:
                self.bus.ask(name, Ping(), LIMIT_S)
        except BaseException:
            self._end()
            raise

    def turn_until(self, holds: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Hear the news until it holds; raises RuntimeError after `limit_s`."""
        end_s = time.monotonic() + limit_s
        while not holds():
            if time.monotonic() > end_s:
                raise RuntimeError(f"it did not come within {limit_s:.0f} s; the log ends with {self.log()}")
            self.bus.turn(0.2)

    def turn_for(self, seconds: float) -> None:
        """Hear the news for so long."""
        end_s = time.monotonic() + seconds
        while (rest_s := end_s - time.monotonic()) > 0:
            self.bus.turn(rest_s)

    def log(self) -> str:
        return Path(self._log.name).read_text()[-2_000:]

    def processes(self) -> Mapping[str, int]:
        """Their pids, by what they are."""
        children = psutil.Process(self._launcher.pid).children(recursive=True)
        return {"launcher": self._launcher.pid, **{_name_of(child): child.pid for child in children}}

    def cpu_s(self) -> float:
        """Of all its processes so far."""
        return cpu_s(*self.processes().values())

    def close(self) -> None:
        self.bus.close()
        self._end()

    def _end(self) -> None:
        self._launcher.terminate()
        self._launcher.wait(20)
        self._log.close()

    def _wait(self, holds: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not holds():
            if self._launcher.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"the group does not start; its log ends with {self.log()}")
            time.sleep(0.02)

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _name_of(process: psutil.Process) -> str:
    return f"{process.environ().get('FRAMEBUS_NAME', process.name())} {process.pid}"
