"""A group of tiny real processes for tests of the launcher, in a short folder of its own."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psutil
import yaml

from framebus.messages import Message, ServiceState, ServiceStatus
from framebus.place import Place
from framebus.requests import Request
from framebus.settings import LauncherSettings, Restart, Settings
from framebus_launcher.config_file import ConfigFile
from framebus_launcher.group import Group
from framebus_launcher.table import Row

A = TypeVar("A", bound=Message)


class Ask(Protocol):
    """Asks the launcher from another thread, while its loop turns."""

    def __call__(self, request: Request[A]) -> A: ...


SPEAKER = """
import os, sys, time
from framebus.notify import Notifier
notifier = Notifier()
def beat_for_ever():
    while True:
        time.sleep(0.3)
        notifier.send("WATCHDOG=1")
"""
READY = SPEAKER + 'notifier.send("READY=1", "WATCHDOG=1")\n'
GOOD = READY + "beat_for_ever()\n"
"""ready at once, and beats"""
MUTE = "import time\ntime.sleep(600)\n"
"""knows nothing of sd_notify"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + GOOD
QUICK = Settings(launcher=LauncherSettings(restart=Restart(base_s=0.01, factor=1.0)))


class Trial:
    """Makes rows and runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = Place.at(folder / "run", data=folder / "data", shm=folder / "shm")
        self.statuses: list[ServiceStatus] = []
        self.lines: list[tuple[str, str]] = []
        self.group: Group | None = None

    def row(self, name: str, code: str, *, tier: int = 1, notify: bool = True, ready_s: float = 15.0) -> Row:
        """A row whose process runs this Python code."""
        path = self.folder / f"{name}.py"
        path.write_text(code)
        return Row(name=name, tier=tier, argv=(sys.executable, str(path)), notify=notify, ready_s=ready_s)

    def make(self, *rows: Row) -> Group:
        """A group of these rows, for a test that runs and so closes it."""
        return Group(
            QUICK,
            self.place,
            rows=rows,
            on_change=self.statuses.append,
            on_line=lambda name, line: self.lines.append((name, line)),
        )

    def start(self, *rows: Row) -> Group:
        """Open a group of these rows."""
        self.group = self.make(*rows)
        self.group.open()
        return self.group

    def write(self, config: dict[str, Any]) -> Path:
        """The configuration file of this group, with a dispatcher and plug-ins only."""
        path = self.folder / "framebus.yml"
        services = {"enrich": False, "export": False, "ingest": False, "analysis": False, **config.get("services", {})}
        folders = {"data": "data", "run": "run", "shm": "shm", "http": False}
        path.write_text(yaml.safe_dump({**folders, **config, "services": services}, sort_keys=False))
        return path

    def plugin(self, name: str, code: str, **settings: Any) -> dict[str, Any]:
        """A plug-in that runs this Python code."""
        (self.folder / f"{name}.py").write_text(code)
        return {"command": [sys.executable, f"{name}.py"], "settings": settings}

    def start_file(self, config: dict[str, Any]) -> Group:
        """Open the group of a configuration file."""
        file = ConfigFile(self.write(config))
        self.group = Group(
            file.first.settings,
            file.first.place,
            rows=file.first.rows,
            file=file,
            on_change=self.statuses.append,
            on_line=lambda name, line: self.lines.append((name, line)),
        )
        self.group.open()
        return self.group

    def until(self, condition: Callable[[], bool], within_s: float = 30.0) -> float:
        """Turn until the condition holds; how long that took, in seconds. Fails after `within_s`."""
        assert self.group is not None
        began_s = time.monotonic()
        while not condition():
            assert time.monotonic() < began_s + within_s, [(s.name, s.state, s.reason) for s in self.group.services()]
            self.group.turn()
        took_s = time.monotonic() - began_s
        self.group.bus.turn(0.0)  # what on_change and on_line have yet to hear
        return took_s

    def until_ready(self, *names: str, within_s: float = 30.0) -> float:
        """Turn until these services are ready."""
        return self.until(lambda: all(self.state(name) is ServiceState.READY for name in names), within_s)

    def until_over(self, within_s: float = 8.5) -> float:
        """Stop, and turn until all has ended."""
        assert self.group is not None
        self.group.stop()
        return self.until(lambda: bool(self.group and self.group.is_over), within_s)

    def status(self, name: str) -> ServiceStatus:
        assert self.group is not None
        return self.group.members[name].status

    def state(self, name: str) -> ServiceState:
        return self.status(name).state

    def pid(self, name: str) -> int:
        pid = self.status(name).pid
        assert pid is not None
        return pid

    def history(self, name: str) -> list[ServiceState]:
        """The states that were told of a service, repeats left out."""
        states = [status.state for status in self.statuses if status.name == name]
        return [state for number, state in enumerate(states) if number == 0 or states[number - 1] is not state]

    def lines_of(self, name: str) -> list[str]:
        return [line for of, line in self.lines if of == name]

    def close(self) -> None:
        if self.group is not None:
            self.group.close()


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is not only a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], within_s: float) -> None:
    """For what happens in other processes."""
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, f"not within {within_s} s"
        os.sched_yield()
