"""The launcher's end of sd_notify(3): one datagram socket, whose senders the kernel vouches for.

A language without such sockets says the same words as lines of its output, where its row says `notify: stdout`.
"""

import os
import re
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from framebus.redact import redact

MAX_BYTES = 4_096
MAX_STATUS = 300
PRINTED = re.compile(rb"(READY|WATCHDOG|STOPPING)=1|STATUS=.*")
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a process said of itself."""

    pid: int
    is_ready: bool = False
    is_beat: bool = False
    is_stopping: bool = False
    status: str | None = None


class Notices:
    """Hears the children. A socket takes only ten datagrams (net.unix.max_dgram_qlen), so take them soon."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)  # a launcher that was killed left it; the lock says that none is running
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket.bind(str(path))

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> Iterator[Notice]:
        """All that waits."""
        while True:
            try:
                data, extra, flags, _ = self._socket.recvmsg(MAX_BYTES, socket.CMSG_SPACE(CREDENTIALS.size))
            except BlockingIOError:
                return
            for level, kind, value in extra:
                is_whole = not flags & socket.MSG_TRUNC and len(value) == CREDENTIALS.size
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and is_whole:
                    yield read_notice(CREDENTIALS.unpack(value)[0], data)

    def close(self) -> None:
        """Give the socket and its file back."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


def read_notice(pid: int, data: bytes) -> Notice:
    """The notice in a datagram; what it says beyond the words that a launcher needs is passed over.

    >>> read_notice(7, b"READY=1\\nSTATUS=connected\\nMAINPID=1").status
    'connected'
    """
    words = dict(line.partition("=")[::2] for line in data.decode(errors="replace").splitlines())
    return Notice(
        pid=pid,
        is_ready=words.get("READY") == "1",
        is_beat=words.get("WATCHDOG") == "1",
        is_stopping=words.get("STOPPING") == "1",
        status=redact(words["STATUS"])[:MAX_STATUS] if "STATUS" in words else None,
    )


def is_notice(line: bytes) -> bool:
    """Whether a printed line is for the launcher, not for the log.

    >>> is_notice(b"WATCHDOG=1"), is_notice(b"INFO WATCHDOG=1 was sent")
    (True, False)
    """
    return PRINTED.fullmatch(line) is not None


def leader_of(pid: int, leaders: Collection[int]) -> int | None:
    """Which child a process belongs to: itself, or the leader of its session or group; None for a stranger."""
    if pid in leaders:
        return pid
    for find in (os.getsid, os.getpgid):
        try:
            found = find(pid) if pid > 0 else 0
        except OSError:  # it is gone: a stranger can't be told from a child's child any more
            continue
        if found in leaders:
            return found
    return None
