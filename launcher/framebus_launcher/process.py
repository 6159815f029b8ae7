"""One child: how it is started, its pid and its pidfd, and what it prints. It is started here, and only here."""

import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import psutil

from framebus_launcher import child
from framebus_launcher.zygote import Zygote
from framebus_launcher.zygote_process import Order

log = logging.getLogger(__name__)

READ_BYTES = 65_536
MAX_READS = 64
"""at a death: 4 MiB of last words are enough"""


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
    """A process of the group, leader of its own session; or one that the zygote has yet to fork."""

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
        self.pid = 0
        """0: the zygote has yet to say it"""
        self._order = Order(argv=argv, environment=dict(environment), nice=nice)
        self._owed: list[int] = []
        """signals that came before it was there"""
        self._on_birth: Callable[[OSError | None], None] = lambda error: None
        self.out, self._output = os.pipe()
        os.set_blocking(self.out, False)
        try:
            if zygote is None or not self._ask(zygote):
                self._spawn()
        except OSError:
            os.close(self.out)
            raise

    def when_born(self, call: Callable[[OSError | None], None]) -> None:
        """Call as soon as it has a pid, at once if it has; with an error when it cannot be started after all."""
        if self.pid:
            call(None)
        else:
            self._on_birth = call

    def send(self, number: int) -> None:
        """Send a signal to the child alone."""
        if not self.pid:
            self._owed.append(number)
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def send_group(self, number: int) -> None:
        """Send a signal to the child and to what it started."""
        if not self.pid:
            self._owed.append(number)
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)  # the pid is ours until it is reaped, and so is the group

    def forget(self) -> None:
        """It will never be: give its pipe back."""
        os.close(self.out)
        if self._output >= 0:
            os.close(self._output)

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
        if not self.pid:
            return Usage()
        try:
            return Usage(cpu_percent=self._usage.cpu_percent(), rss_bytes=self._usage.memory_info().rss)
        except psutil.Error:
            return Usage()

    # Inside -----------------------------------------------------------------------------------------------------------

    def _ask(self, zygote: Zygote) -> bool:
        """Have it made the warm way; False where that is closed."""
        try:
            zygote.order(self._order, self._output, self._be_forked)
        except (OSError, UnicodeEncodeError) as error:
            log.warning("no fork of the zygote: %s", error)
            return False
        return True

    def _be_forked(self, pid: int | None) -> None:
        try:
            if pid is None:
                self._spawn()
            else:
                self._be_born(pid)
        except OSError as error:
            self._on_birth(error)
            return
        self._on_birth(None)
        for number in self._owed:
            self.send_group(number)

    def _spawn(self) -> None:
        """Make it the plain way: an interpreter that turns into the program."""
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-ISs", child.__file__, str(os.getpid()), str(self._order.nice), *self._order.argv],
                self._order.environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, self._output, 1),
                    (os.POSIX_SPAWN_DUP2, self._output, 2),
                ],
                setsid=True,
            )
        finally:
            self._close_output()
        self._be_born(pid)

    def _be_born(self, pid: int) -> None:
        self._close_output()
        try:
            self._usage = psutil.Process(pid)
            self.pidfd = os.pidfd_open(pid)
        except (OSError, psutil.Error) as error:  # no child that nobody watches
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise OSError(f"{self._order.argv[0]} cannot be watched: {error}") from None
        self.pid = pid
        with suppress(psutil.Error):
            self._usage.cpu_percent()  # the first reading is only where the next counts from

    def _close_output(self) -> None:
        """Once the child has it: else its end would not be seen."""
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
