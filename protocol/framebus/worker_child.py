"""The child's side of a WorkerProcess: asks to die with its parent, then does one task after the other.

Started by `worker_spawn` as `main(DESCRIPTOR, PARENT_PID)` in a fresh interpreter. The main thread works; a second one
listens, so that the child also ends when its parent closes the line in the midst of a task.
"""

import ctypes
import faulthandler
import inspect
import logging
import os
import queue
import resource
import signal
import socket
import sys
import threading
import traceback
import typing
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from framebus.errors import ExitCode, sound
from framebus.importable import load_importable
from framebus.worker_line import (
    Begin,
    Bye,
    Done,
    FromChild,
    Inbox,
    Note,
    Raised,
    Ready,
    Setup,
    Told,
    encode_value,
    frame,
    to_child,
)

log = logging.getLogger(__name__)

PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1
READ_BYTES = 1_024 * 1_024
MAX_TRACEBACK_CHARACTERS = 16_000
MAX_MESSAGE_CHARACTERS = 4_000


class Side:
    """What `initialize` gets: its value, and a line to the parent for the task in hand."""

    def __init__(self, value: Raw, line: "Line") -> None:
        self._value = value
        self._line = line
        self.on_note: Callable[[Any], None] | None = None
        """called with what the parent sends to the task in hand, on a thread of its own"""

    def setup(self, kind: Any = Any) -> Any:
        """The value that was given to the WorkerProcess as `setup`, as this type."""
        return msgspec.msgpack.decode(self._value, type=kind)

    def tell(self, value: object) -> None:
        """Tell the parent something about the task in hand; from any thread."""
        number = self._line.number
        if number:
            self._line.send(Told(number, Raw(encode_value(value, "what is told"))))


class Line:
    """The line to the parent. When it breaks, the parent is gone, and this process ends."""

    def __init__(self, connection: socket.socket) -> None:
        self.number = 0
        """of the task in hand"""
        self.tasks: queue.SimpleQueue[Begin | None] = queue.SimpleQueue()
        self.side: Side | None = None
        self._socket = connection
        self._inbox = Inbox()
        self._lock = threading.Lock()

    def send(self, message: FromChild) -> None:
        try:
            with self._lock:
                self._socket.sendall(frame(message))
        except OSError:
            os._exit(ExitCode.OK)

    def read_setup(self) -> Setup:
        while True:
            for body in self._read():
                message = to_child.decode(body)
                assert isinstance(message, Setup)
                return message

    def listen(self) -> None:
        """Sort what the parent says; a thread of its own."""
        while True:
            for body in self._read():
                message = to_child.decode(body)
                if isinstance(message, Begin):
                    self.tasks.put(message)
                elif isinstance(message, Bye):
                    self.tasks.put(None)
                elif isinstance(message, Note) and message.number == self.number:
                    self._hand_on(message)

    def _hand_on(self, note: Note) -> None:
        if self.side is not None and self.side.on_note is not None:
            try:
                self.side.on_note(msgspec.msgpack.decode(note.value))
            except Exception:  # or nobody would listen any more; there are no counters here, the log is the parent's
                log.exception("a note could not be taken")

    def _read(self) -> list[bytes]:
        data = self._socket.recv(READ_BYTES)
        if not data:
            os._exit(ExitCode.OK)  # the parent closed its end: nobody wants the result any more
        return self._inbox.feed(data)


def main(descriptor: int, parent: int) -> None:
    """Serve until the parent says that it is enough, closes the line, or dies."""
    _die_with(parent)
    faulthandler.enable(all_threads=False)  # a segfault leaves its stack in the log
    line = Line(socket.socket(fileno=descriptor))
    setup = line.read_setup()
    threading.Thread(target=line.listen, name="line", daemon=True).start()
    try:
        work, kind = _prepare(setup, line)
    except BaseException as error:  # noqa: BLE001  the parent tells
        line.send(_raised(0, error))
        sys.exit(ExitCode.CONFIGURATION)
    line.send(Ready())
    while (begin := line.tasks.get()) is not None:
        line.number = begin.number
        answer = _do(begin, work, kind)
        line.number = 0
        line.send(answer)


def _die_with(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"a worker cannot ask to die with its parent: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # died before we asked to die with it
        sys.exit(ExitCode.OK)


def _prepare(setup: Setup, line: Line) -> tuple[Callable[[Any], Any], Any]:
    """What is called with each task, and the type that it declares for it."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NAME, setup.name.encode()[:15], 0, 0, 0)  # what `top` shows
    if setup.memory_limit_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (setup.memory_limit_bytes, setup.memory_limit_bytes))
    work = load_importable(setup.work)
    kind = task_type(work)
    if setup.initialize is None:
        return work, kind
    line.side = Side(setup.value, line)
    state = load_importable(setup.initialize)(line.side)
    return lambda task: work(state, task), kind


def _do(begin: Begin, work: Callable[[Any], Any], kind: Any) -> FromChild:
    """One task, whatever it raises: SystemExit and KeyboardInterrupt end the task, not the worker."""
    try:
        task = msgspec.msgpack.decode(begin.task, type=kind)
        return Done(begin.number, Raw(encode_value(work(task), "the result")))
    except BaseException as error:  # noqa: BLE001  it is the outcome of the task
        return _raised(begin.number, error)


def _raised(number: int, error: BaseException) -> Raised:
    try:
        message = str(error)
    except Exception as second:  # noqa: BLE001  an error with a broken text is still one
        message = f"its text can't be told: {type(second).__name__}"
    text = "".join(traceback.format_exception(error))[-MAX_TRACEBACK_CHARACTERS:]
    return Raised(number, type(error).__qualname__, sound(message[:MAX_MESSAGE_CHARACTERS]), sound(text))


def task_type(work: Callable[..., Any]) -> Any:
    """What `work` says that its task is: the annotation of its last parameter; anything when it does not say."""
    try:
        hints = typing.get_type_hints(work)
        parameters = [one for one in inspect.signature(work).parameters.values() if one.kind in _POSITIONAL]
        return hints.get(parameters[-1].name, Any) if parameters else Any
    except (NameError, TypeError, ValueError):
        return Any


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
