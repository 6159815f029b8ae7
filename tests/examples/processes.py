"""A private folder with real processes in it, for tests of examples: short paths, deadlines, nothing left running."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from framebus import client
from framebus.requests import Ping

LIMIT_S = 20.0
STOP_S = 8.0


class Program:
    """A running process whose output is read while it runs."""

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name = " ".join(command[1:])
        self.said: list[str] = []
        self._news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {self.name}")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._news.put(line.rstrip())
        self._news.put(None)

    def wait_for(self, text: str, limit_s: float = LIMIT_S) -> str:
        """The first line from now on with this text in it; fails when the process ends or is silent before."""
        while True:
            try:
                line = self._news.get(timeout=limit_s)
            except queue.Empty:
                raise AssertionError(f"{self.name}: no {text!r} within {limit_s} s, only {self.said}") from None
            assert line is not None, f"{self.name} ended without {text!r}: {self.said}"
            self.said.append(line)
            if text in line:
                return line

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Its exit code, when it has ended by itself; all that it said is in `said`."""
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {limit_s} s: {self.said}") from None
        self._reader.join()
        while (line := self._news.get()) is not None:
            self.said.append(line)
        return code

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.send(signal.SIGTERM)
        return self.wait(STOP_S)

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Leave nothing of it, whatever it is doing."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()


class Folder:
    """A folder of a test's own with the processes that were started in it. Use it in a `with` block."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ex"))
        self.run, self.data = self.path / "run", self.path / "data"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FRAMEBUS_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "FRAMEBUS_RUN": str(self.run),
            "FRAMEBUS_DATA": str(self.data),
            "FRAMEBUS_SHM": str(self.path / "shm"),
        }
        self._programs: list[Program] = []

    def start(self, *command: str | Path, **environment: str) -> Program:
        """Start a program."""
        program = Program([str(word) for word in command], self.path, {**self.environment, **environment})
        self._programs.append(program)
        return program

    def python(self, *arguments: str | Path, **environment: str) -> Program:
        """Start this Python."""
        return self.start(sys.executable, *arguments, **environment)

    def service(self, kind: str, **environment: str) -> Program:
        """Start a service of ours, and wait until it answers."""
        module = ["framebus.run_jobs", kind] if kind == "export" else [f"framebus_services.{kind}"]
        program = self.python("-m", *module, **environment)
        client.ask(kind, Ping(), run=self.run, deadline_s=LIMIT_S)
        return program

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for program in self._programs:
            program.kill()
        shutil.rmtree(self.path)
