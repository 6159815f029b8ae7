"""The launcher's end of the zygote: starts it, hears what it has loaded, has services forked by it.

Whatever becomes of the zygote, a service can always be started the plain way.
"""

import contextlib
import ctypes
import logging
import os
import select
import signal
import socket
import sys
import time

import msgspec

from framebus_launcher.zygote_process import FAILED, FORKED, LOADED, READ_BYTES, REFUSED, Order

log = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36
FORK_S = 5.0
"""what it has to answer, the import that it is at included"""
LOAD_S = 15.0
"""what it has to load everything; whoever waited then starts the plain way"""
LIVES = 5
"""it is not made again more often than that"""
TITLE_BYTES, SURROUNDINGS_BYTES = 512, 4_096
"""room that its children have for what /proc tells of them"""
MODULES = (
    "framebus.run_jobs",
    "framebus.run_service",
    "framebus_services.export.contract",
    "framebus_services.analysis.contract",
    "framebus_services.dispatcher.service",
    "framebus_services.enrich.service",
    "framebus_services.capture.service",
    "framebus_services.export.clip",
    "framebus_services.gateway.service",
    "framebus_services.ingest.service",
    "framebus_services.analysis.runner",
)
"""what the services of a whole group are made of, in the order of loading: what all need comes first, as each that
loads it after its fork has a copy of its own"""


class Zygote:
    """One process that is made again when it dies. On the main thread only."""

    def __init__(self) -> None:
        """Start it; raises OSError."""
        self._lives = 0
        self._start()

    def _start(self) -> None:
        _adopt_orphans(is_wanted=True)
        self._lives += 1
        self._loaded: set[str] = set()
        self._missing: set[str] = set()
        self._began_s = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.set_inheritable(True)
        words = ("-m", "framebus_launcher.zygote_process", str(theirs.fileno()), str(os.getpid()), ",".join(MODULES))
        # Threads of a library would not survive the fork, and it is refused then.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment["FRAMEBUS_ROOM"] = "." * SURROUNDINGS_BYTES
        nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        with theirs:
            try:
                self.pid: int | None = os.posix_spawn(
                    sys.executable,
                    [sys.executable, *words, "." * TITLE_BYTES],
                    environment,
                    file_actions=nothing,
                    setsid=True,
                )
            except OSError:
                ours.close()
                raise
        self._line = ours

    def fileno(self) -> int:
        """What is readable when there is something to `hear()`."""
        return self._line.fileno()

    def is_loading(self, module: str) -> bool:
        """Whether who needs it had better wait a moment."""
        is_due = module in MODULES and module not in self._loaded | self._missing
        return self.pid is not None and is_due and time.monotonic() < self._began_s + LOAD_S

    def can_fork(self, module: str) -> bool:
        """Whether a service made of this module comes from here."""
        return self.pid is not None and module in self._loaded

    def fork(self, order: Order, output: int) -> int:
        """The pid of a new child of ours; raises OSError when there is none, and the plain way is left."""
        if self.pid is None:
            raise OSError("there is no zygote")
        try:
            socket.send_fds(self._line, [msgspec.json.encode(order)], [output])
            return self._forked()
        except (ConnectionError, TimeoutError) as error:
            self._end(f"is replaced: {error or 'it has died'}")
            if pid := self._last_fork():
                return pid
            raise

    def hear(self) -> bool:
        """Take what it says; False when it is dead, and its line closed."""
        try:
            while self.pid is not None and self._has_word(0.0):
                self._take()
        except ConnectionError:
            self._end("has died")
        if self.pid is None:
            self._line.close()
        return self.pid is not None

    def revive(self) -> bool:
        """Make it again when it is dead, a few times; whether there is a new one."""
        is_over = self.pid is None and self._line.fileno() < 0  # who watches the line has heard of it
        if not is_over or self._lives >= LIVES:
            return False
        with contextlib.suppress(OSError):
            self._start()
        return self.pid is not None

    def close(self) -> None:
        """End it; its children live on."""
        if self.pid is not None:
            self._kill()
        self._line.close()
        _adopt_orphans(is_wanted=False)

    def _forked(self) -> int:
        end_s = time.monotonic() + FORK_S
        while self._has_word(max(0.0, end_s - time.monotonic())):
            word, text = self._take()
            if word == FORKED:
                return int(text)
            if word == REFUSED:
                raise OSError(text)
        raise TimeoutError("it does not answer")

    def _last_fork(self) -> int | None:
        """What it told before it was killed: no child that nobody knows of."""
        with contextlib.suppress(ConnectionError):
            while self._has_word(0.0):
                word, text = self._take()
                if word == FORKED:
                    return int(text)
        return None

    def _has_word(self, limit_s: float) -> bool:
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        return bool(poll.poll(limit_s * 1_000))

    def _take(self) -> tuple[str, str]:
        data = self._line.recv(READ_BYTES)
        if not data:
            raise ConnectionError
        word, _, text = data.decode().partition(" ")
        if word == LOADED:
            self._loaded.add(text)
        elif word == FAILED:
            self._missing.add(text.partition(" ")[0])
        return word, text

    def _end(self, what: str) -> None:
        log.warning("the zygote, pid %d, %s; services are started the plain way meanwhile", self.pid, what)
        self._kill()

    def _kill(self) -> None:
        assert self.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = None


_begun: list[Zygote] = []


def begin() -> None:
    """Start it before all else: it needs as long as the launcher's own imports."""
    with contextlib.suppress(OSError):
        _begun.append(Zygote())


def take_zygote() -> Zygote | None:
    """The one that was begun, or a new one; None where the machine has no process to give."""
    if not _begun:
        begin()
    return _begun.pop() if _begun else None


def _adopt_orphans(*, is_wanted: bool) -> None:
    """Be the parent of whom a process below us leaves behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(is_wanted), 0, 0, 0)
