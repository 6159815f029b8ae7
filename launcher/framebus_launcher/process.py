"""One running child: its pid, its pidfd, and what it prints. It is started here, and only here."""

import logging
import os
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from framebus.redact import redact
from framebus_launcher import child
from framebus_launcher.notices import is_notice
from framebus_launcher.zygote import Zygote
from framebus_launcher.zygote_process import Order

log = logging.getLogger(__name__)

TAIL_LINES = 200
MAX_LINE = 1_000
READ_BYTES = 65_536
MAX_READS = 64
"""at a death: 4 MiB of last words are enough"""


class Tail:
    """The last lines of a child, without credentials. Lives as long as the row, so that a restart loses none."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._open = b""

    def feed(self, data: bytes, on_notice: Callable[[bytes], None] | None = None) -> list[str]:
        """The lines that these bytes complete; a line of more than 1,000 characters comes in pieces.

        With `on_notice`, lines that are words of sd_notify go there instead, and are not kept.
        """
        *whole, self._open = (self._open + data).split(b"\n")
        if len(self._open) > READ_BYTES:
            cut = self._open.rfind(b" ") + 1 or len(self._open)  # never within an address: its password would show
            whole.append(self._open[:cut])
            self._open = self._open[cut:]
        if on_notice is not None:
            for line in filter(is_notice, whole):
                on_notice(line)
            whole = [line for line in whole if not is_notice(line)]
        return self._keep(whole)

    def flush(self) -> list[str]:
        """The line that no line end completed."""
        rest, self._open = self._open, b""
        return self._keep([rest])

    def last_error(self) -> str:
        """What a child of ours said last of what went wrong; empty when it said nothing of the kind."""
        marks = ("ERROR ", "CRITICAL ")
        return next((line.partition(" ")[2] for line in reversed(self.lines) if line.startswith(marks)), "")

    def _keep(self, raw: list[bytes]) -> list[str]:
        texts = [redact(line.decode(errors="replace")).rstrip() for line in raw]
        pieces = [text[start : start + MAX_LINE] for text in texts for start in range(0, len(text), MAX_LINE)]
        self.lines.extend(pieces)
        return pieces


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How a process ended."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is None:
            return f"exit code {self.code}"
        known = self.signal in signal.valid_signals()
        return f"killed by {signal.Signals(self.signal).name if known else self.signal}"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process takes of the machine."""

    cpu_percent: float = 0.0
    """of one core, since the last look"""
    rss_bytes: int = 0


class Child(Protocol):
    """What a member of the group needs of its process."""

    pid: int
    incarnation: int

    def send(self, number: int) -> None: ...

    def send_group(self, number: int) -> None: ...


class RunningChild:
    """A process of the group, leader of its own session."""

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        environment: Mapping[str, str],
        nice: int,
        incarnation: int,
        zygote: Zygote | None = None,
    ) -> None:
        """Start it, by a fork of the zygote if there is one; raises OSError when the machine has no process to give.

        On the main thread only: PR_SET_PDEATHSIG fires when the thread that spawned ends, not the process.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("children are started from the main thread only")
        self.incarnation = incarnation
        self.out, output = os.pipe()
        try:
            self.pid = _fork(zygote, argv, environment, nice, output) or _spawn(argv, environment, nice, output)
        except OSError:
            os.close(self.out)
            raise
        finally:
            os.close(output)
        os.set_blocking(self.out, False)
        try:
            self._usage = psutil.Process(self.pid)
            self.pidfd = os.pidfd_open(self.pid)
        except (OSError, psutil.Error) as error:  # no child that nobody watches
            self.send_group(signal.SIGKILL)
            os.close(self.out)
            os.waitpid(self.pid, 0)
            raise OSError(f"{argv[0]} cannot be watched: {error}") from None
        with suppress(psutil.Error):
            self._usage.cpu_percent()  # the first reading is only where the next counts from

    def send(self, number: int) -> None:
        """Send a signal to the child alone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def send_group(self, number: int) -> None:
        """Send a signal to the child and to what it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)  # the pid is ours until it is reaped, and so is the group

    def read(self) -> bytes | None:
        """Some of what it printed; None when there is nothing now, empty when it will print no more."""
        try:
            return os.read(self.out, READ_BYTES)
        except BlockingIOError:
            return None

    def has_ended(self, limit_s: float) -> bool:
        """Whether it is dead, or dies within this time. After SIGKILL it is not when the kernel waits for a disk."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(limit_s * 1_000))

    def reap(self) -> tuple[Exit, bytes]:
        """After its death: what it left behind in its group dies too. How it ended, and its last words."""
        self.send_group(signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        words = []
        for _ in range(MAX_READS):
            data = self.read()
            if not data:
                break
            words.append(data)
        os.close(self.out)
        os.close(self.pidfd)
        return (Exit(code=code) if code >= 0 else Exit(signal=-code)), b"".join(words)

    def usage(self) -> Usage:
        """What it takes now; nothing when it has just died."""
        try:
            return Usage(cpu_percent=self._usage.cpu_percent(), rss_bytes=self._usage.memory_info().rss)
        except psutil.Error:
            return Usage()


def _fork(
    zygote: Zygote | None, argv: tuple[str, ...], environment: Mapping[str, str], nice: int, output: int
) -> int | None:
    """A new child by the warm way; None where that is closed."""
    if zygote is None:
        return None
    try:
        return zygote.fork(Order(argv=argv, environment=dict(environment), nice=nice), output)
    except (OSError, UnicodeEncodeError) as error:
        log.warning("no fork of the zygote: %s", error)
        return None


def _spawn(argv: tuple[str, ...], environment: Mapping[str, str], nice: int, output: int) -> int:
    """A new child by the plain way: an interpreter that turns into the program."""
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-ISs", child.__file__, str(os.getpid()), str(nice), *argv],
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
    )


def write_settings(folder: Path, name: str, section: bytes) -> Path:
    """Write a row's settings where only our user can read them: they hold passwords. Who reads meanwhile reads the old
    ones, or the new."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path, fresh = folder / f"{name}.json", folder / f"{name}.json.new"
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(section)
    fresh.rename(path)
    return path
