"""Asks the kernel whether somebody has a file open for writing, for the intake: events may be lost, this is not."""

import contextlib
import fcntl
import os
import signal
from pathlib import Path

from framebus_services.below import NotPlainError, open_below


def is_being_written(root: Path, path: str) -> bool:
    """Whether a process of this machine can write to the file at this moment.

    False also where nobody can tell: on file systems without leases (shares), for files of others (unless we may take
    leases on them: CAP_LEASE), for what is gone. By fcntl(2): a read lease is refused while a writer has it open.
    """
    try:
        descriptor = open_below(root, path)
    except (NotPlainError, OSError):
        return False
    try:
        # Who opens the file while we hold the lease has this signal sent to us: one that does nothing by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
