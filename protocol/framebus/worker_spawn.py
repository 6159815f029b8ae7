"""One background process of a WorkerProcess, as its parent sees it: started, spoken to, killed, buried."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import deque

from framebus.redact import redact
from framebus.worker_line import FromChild, Inbox, Setup, ToChild, frame, from_child

# A fresh interpreter, never a fork: threads, locks and ZeroMQ contexts don't survive one.
PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; from framebus.worker_child import main; main(*map(int, sys.argv[1:3]))"
)
NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""a child's beats are not its parent's"""
READ_BYTES = 1_024 * 1_024
TAIL_LINES = 50
MAX_LINE_CHARACTERS = 500
BURY_S = 5.0
LOOK_S = 0.002


class Child:
    """A process and the two ends that we hold of it: the line, and its stderr."""

    def __init__(self, setup: Setup) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.line = ours
        self.is_ready = False
        self.is_killed = False
        """by us"""
        self.is_own_end = True
        """its end is due to what it did itself: we did not kill it for the sake of its task"""
        self.has_stderr = True
        """until it closes it"""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        """its last lines on stderr"""
        self._inbox = Inbox()
        self._outbox = bytearray()
        self._rest = b""
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", PROGRAM, str(theirs.fileno()), str(os.getpid()), *sys.path],
                    pass_fds=[theirs.fileno()],
                    env={name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is the parent's; and what the work starts dies with the work
                )
        except OSError:
            ours.close()
            raise
        assert self._process.stderr is not None
        self.stderr = self._process.stderr
        os.set_blocking(self.stderr.fileno(), False)
        self.send(setup)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs; does not bury it: until then its number is no other's."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    @property
    def unsent_bytes(self) -> int:
        return len(self._outbox)

    @property
    def has_unread(self) -> bool:
        poll = select.poll()
        poll.register(self.line, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, message: ToChild) -> None:
        """Send as much as goes; the rest goes with `flush()`."""
        self._outbox += frame(message)
        self.flush()

    def flush(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):  # its end is seen by reading
            while self._outbox:
                del self._outbox[: self.line.send(memoryview(self._outbox)[:READ_BYTES])]

    def read(self) -> list[FromChild] | None:
        """What it said; None when it has closed its end. Raises BrokenLineError or MsgspecError for nonsense."""
        try:
            data = self.line.recv(READ_BYTES)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            return None
        return [from_child.decode(body) for body in self._inbox.feed(data)] if data else None

    def read_stderr(self) -> bool:
        """Take up its log lines and hand them on; False when there are none now, or will be no more."""
        try:
            data = os.read(self.stderr.fileno(), READ_BYTES)
        except BlockingIOError:
            return False
        self.has_stderr = bool(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > READ_BYTES):
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode(errors="replace")
            self.tail.append(redact(text)[:MAX_LINE_CHARACTERS])
            _hand_on(text)
        return bool(data)

    def kill(self) -> None:
        """SIGKILL it, and what it has started; its end is seen by reading."""
        self.is_killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def bury(self, limit_s: float) -> int:
        """Wait for its end, kill it after `limit_s`, and close all; returns the code of subprocess: -9 for SIGKILL."""
        end_s = time.monotonic() + limit_s
        while self.is_alive and time.monotonic() < end_s:
            time.sleep(LOOK_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # also what it has left behind
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # unkillable in the kernel: its parent goes on
            self._process.wait(BURY_S)
        end_s = time.monotonic() + BURY_S
        while self.read_stderr() and time.monotonic() < end_s:
            pass
        self.line.close()
        self.stderr.close()
        return self._process.returncode if self._process.returncode is not None else -signal.SIGKILL


def how_it_ended(code: int) -> str:
    """A code of subprocess in words, as in `died of signal 9 (SIGKILL)`."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"died of signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died of signal {-code}"


def _hand_on(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # no stderr here: its lines are still in the tail
        sys.stderr.write(line + "\n")
