"""What the workers of the tests do: ordinary functions at the top of a module, as any user's."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from msgspec import Struct

from framebus.worker_child import Side


class Sum(Struct):
    numbers: list[int]


class Total(Struct):
    total: int


def echo(task: Any) -> Any:
    return task


def add(task: Sum) -> Total:
    return Total(total=sum(task.numbers))


def lie(task: int) -> int:
    return "no number"  # type: ignore[return-value]


def my_pid(task: object) -> int:
    return os.getpid()


def do(task: Any) -> Any:
    """What its first word says."""
    what, *words = task if isinstance(task, list) else [task]
    match what:
        case "segfault":
            return ctypes.string_at(0)
        case "exit":
            os._exit(int(words[0]))
        case "signal":
            os.kill(os.getpid(), int(words[0]))
            return None
        case "raise":
            raise {"ValueError": ValueError, "SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[
                words[0]
            ]("why")
        case "hang":
            time.sleep(600.0)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "eat":
            return len(bytearray(int(words[0])))
        case "large":
            return b"x" * int(words[0])
        case "object":
            return object()
        case "until":
            while not Path(words[0]).exists():
                time.sleep(0.01)
        case "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            Path(words[0]).write_text(str(child.pid))
            time.sleep(600.0)
        case "deaf":
            os.close(2)
        case "say":
            print(words[0], file=sys.stderr, flush=True)
            os._exit(9)
        case "once":
            path = Path(words[0])
            is_first = not path.exists()
            path.touch()
            if is_first:
                os.kill(os.getpid(), signal.SIGKILL)
    return what


class Counter:
    """State of one process."""

    def __init__(self, side: Side) -> None:
        self.number = int(side.setup())
        self.side = side
        self.notes: list[Any] = []
        side.on_note = self.notes.append


def count(counter: Counter, task: int) -> int:
    counter.number += task
    return counter.number


def talk(counter: Counter, task: str) -> list[Any]:
    """Tell, then wait for a note."""
    counter.side.tell({"heard": task})
    while not counter.notes:
        time.sleep(0.005)
    return counter.notes


def cannot(side: Side) -> None:
    raise RuntimeError("no model here")


def begin_once(side: Side) -> None:
    """Fails until its file is there."""
    path = Path(side.setup(str))
    if not path.exists():
        path.touch()
        raise RuntimeError("not yet")


def tell_and_die(counter: Counter, task: int) -> None:
    """Its last words are not lost."""
    counter.side.tell(task)
    os.kill(os.getpid(), signal.SIGKILL)
