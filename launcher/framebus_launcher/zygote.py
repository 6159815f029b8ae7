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
from collections import deque
from collections.abc import Callable

import msgspec

from framebus_launcher.zygote_process import FAILED, FORKED, LOADED, READ_BYTES, Order

log = logging.getLogger(__name__)

PR_SET_CHILD_SUBREAPER = 36
FORK_S = 2.0
"""what it has to answer; a fork takes milliseconds"""
IMPORT_S = 5.0
"""the same while it loads: the import that it is at included"""
LOAD_S = 15.0
"""what it has to load everything; whoever waited then starts the plain way"""
END_S = 0.5
"""what it has to die of SIGKILL; the kernel may hold it for as long as a disk is away"""
LIVES = 5
"""it is not made again more often than that"""
SURROUNDINGS_BYTES = 4_096
"""room that its children have for what /proc tells of their environment"""
MODULES = (
    "framebus.run_jobs",
    "framebus.run_service",
    "framebus_services.export.contract",
    "framebus_services.analysis.contract",
    "framebus_services.notify.contract",
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


Birth = Callable[[int | None], None]
"""hears the pid of a new child of ours; None: there will be none, and the plain way is left"""


class Zygote:
    """One process that is made again when it dies. On the main thread only."""

    def __init__(self) -> None:
        """Start it; raises OSError."""
        self._lives = 0
        self._start()

    def _start(self) -> None:
        self._lives += 1
        self._loaded: set[str] = set()
        self._missing: set[str] = set()
        self._began_s = time.monotonic()
        self._is_late = False
        """that it loads for too long was told"""
        self._births: deque[tuple[float, Birth]] = deque()
        """forks that were ordered and not answered yet, and when, in their order"""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.set_inheritable(True)
        ours.setblocking(False)
        words = ("-m", "framebus_launcher.zygote_process", str(theirs.fileno()), str(os.getpid()), ",".join(MODULES))
        # Threads of a library would not survive the fork, and it is refused then.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment["FRAMEBUS_ROOM"] = "." * SURROUNDINGS_BYTES
        nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        with theirs:
            try:
                self.pid: int | None = os.posix_spawn(
                    sys.executable,
                    [sys.executable, *words],
                    environment,
                    file_actions=nothing,
                    setsid=True,
                )
            except OSError:
                ours.close()
                raise
        _adopt_orphans(is_wanted=True)  # before the first order: a fork's parent ends at once
        self._line = ours

    def fileno(self) -> int:
        """What is readable when there is something to `hear()`."""
        return self._line.fileno()

    def is_loading(self, module: str) -> bool:
        """Whether who needs it had better wait a moment."""
        return self.pid is not None and module in self._to_load() and time.monotonic() < self._began_s + LOAD_S

    def can_fork(self, module: str) -> bool:
        """Whether a service made of this module comes from here."""
        return self.pid is not None and module in self._loaded

    def order(self, order: Order, output: int, birth: Birth) -> None:
        """Have a child made, and never wait: `birth` hears of it, from `hear()` or `mind()`; after `end()` it doesn't.

        Raises OSError when there is nobody to make it. `output` is to stay open until then.
        """
        if self.pid is None:
            raise OSError("there is no zygote")
        socket.send_fds(self._line, [msgspec.json.encode(order)], [output])
        self._births.append((time.monotonic(), birth))

    def hear(self) -> bool:
        """Take what it says; False when it is dead, and its line closed."""
        try:
            while self.pid is not None and self._has_word(0.0):
                self._take()
        except ConnectionError:
            self._replace("has died")
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

    def mind(self) -> None:
        """See to what takes it too long; each second."""
        if self.pid is None:
            return
        now_s, left = time.monotonic(), self._to_load()
        if self._births and now_s > self._births[0][0] + (IMPORT_S if left else FORK_S) and not self._has_word(0.0):
            self._replace("does not answer, and is killed")
        elif left and not self._is_late and now_s > self._began_s + LOAD_S:
            self._is_late = True
            log.warning(
                "the zygote, pid %d, has not loaded %s within %.0f s; until then services are started the plain way, "
                "which takes longer and more memory. A slow disk? This shows: %s -X importtime -c 'import %s'",
                *(self.pid, left[0], LOAD_S, sys.executable, left[0]),
            )

    def end(self) -> None:
        """End it, with what it was told and has not done; its children live on."""
        if self.pid is not None:
            self._kill()
            self._hear_last_words()
        self._births.clear()

    def close(self) -> None:
        """The same, and forget its children's children."""
        self.end()
        self._line.close()
        _adopt_orphans(is_wanted=False)

    def _to_load(self) -> list[str]:
        return [module for module in MODULES if module not in self._loaded and module not in self._missing]

    def _has_word(self, limit_s: float) -> bool:
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        return bool(poll.poll(limit_s * 1_000))

    def _take(self) -> None:
        data = self._line.recv(READ_BYTES)
        if not data:
            raise ConnectionError
        word, _, text = data.decode().partition(" ")
        if word == LOADED:
            self._loaded.add(text)
        elif word == FAILED:
            self._missing.add(text.partition(" ")[0])
        elif word == FORKED:
            self._births.popleft()[1](int(text))
        else:
            log.warning("no fork of the zygote: %s", text)
            self._births.popleft()[1](None)

    def _replace(self, what: str) -> None:
        """It is dead or as good as dead: who waits for it goes the plain way."""
        again = "it is made again" if self._lives < LIVES else f"it was made {LIVES} times, and is not made again"
        log.warning(
            "the zygote, pid %d, %s; services are started the plain way meanwhile, and %s", self.pid, what, again
        )
        self._kill()
        self._hear_last_words()
        while self._births:
            self._births.popleft()[1](None)

    def _hear_last_words(self) -> None:
        """What it told before it was killed: no child that nobody knows of."""
        with contextlib.suppress(ConnectionError):
            while self._has_word(0.0):
                self._take()

    def _kill(self) -> None:
        pid, self.pid = self.pid, None
        assert pid is not None
        death = os.pidfd_open(pid)  # it is ours until we have waited for it
        os.kill(pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(death, select.POLLIN)
        poll.poll(END_S * 1_000)
        os.close(death)
        os.waitpid(pid, os.WNOHANG)  # one that does not die is an orphan of ours


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
