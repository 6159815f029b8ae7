"""What processes of the group left behind: it is the launcher's, since that adopts orphans for the zygote's sake."""

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

LIMIT_S = 1.0
"""who does not die within so long of SIGKILL is left to the kernel"""
LOOK_S = 0.005


class Orphans:
    """Our children whom nobody waits for. Those that we had before count not, nor those of our own session."""

    def __init__(self) -> None:
        self._not_meant = set(_children())

    def bury(self, known: Collection[int]) -> None:
        """Take the dead among them; `known` are the children that somebody waits for."""
        for pid in self._find(known):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def kill(self, known: Collection[int] = ()) -> None:
        """The same at the end: none outlives the group."""
        end_s = time.monotonic() + LIMIT_S
        while (orphans := self._find(known)) and time.monotonic() < end_s:  # the children of one become ours, too
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.bury(known)
            time.sleep(LOOK_S)

    def _find(self, known: Collection[int]) -> list[int]:
        found = []
        for pid in _children():
            with suppress(ProcessLookupError):
                if pid not in known and pid not in self._not_meant and os.getsid(pid) != os.getsid(0):
                    found.append(pid)
        return found


def _children() -> list[int]:
    own = os.getpid()
    try:
        return [int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
    except OSError:  # a kernel without that list
        return []
