"""What processes of the group left behind: it is the launcher's, since that adopts orphans for the zygote's sake."""

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path


def bury_orphans(known: Collection[int]) -> None:
    """Take the dead among those whom nobody else waits for; `known` are the children that somebody does."""
    for pid in _orphans(known):
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def kill_orphans(known: Collection[int]) -> None:
    """The same at the end: none outlives the group."""
    while orphans := _orphans(known):  # the children of one become ours when it dies
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _orphans(known: Collection[int]) -> list[int]:
    """Our children that neither are known nor were started by us: those live in our session."""
    own = os.getpid()
    try:
        children = [int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
    except OSError:  # a kernel without that list
        return []
    found = []
    for pid in children:
        with suppress(ProcessLookupError):
            if pid not in known and os.getsid(pid) != os.getsid(0):
                found.append(pid)
    return found
