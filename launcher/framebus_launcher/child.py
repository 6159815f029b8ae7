"""Becomes a child of the launcher: asks to die with it, takes its limits, and turns into the program of its row.

Started as `python -ISs child.py PARENT_PID NICE PROGRAM ARGUMENT...`; it runs before every start of a program, so it
imports little. The session and the null stdin are posix_spawn's work: the group can be killed from the first moment.
A service that the zygote forks joins here, too.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
MAX_FILES = 4_096
# As in framebus.errors.ExitCode, whose import would cost more than all of this file.
INTERNAL, PERMISSION, CONFIGURATION = 70, 77, 78


def main() -> int:
    parent, nice, *command = sys.argv[1:]
    os.closerange(3, MAX_FILES)  # what the launcher was given by its own parent
    if problem := join(int(parent), int(nice)):
        return _fail(INTERNAL, problem)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored stays so across execve
    try:
        os.execvp(command[0], command)
    except PermissionError as error:
        return _fail(PERMISSION, f"{command[0]} cannot be started: {error.strerror}")
    except OSError as error:
        return _fail(CONFIGURATION, f"{command[0]} cannot be started: {error.strerror}")


def join(parent: int, nice: int) -> str:
    """Live and die as a child of the launcher; what is wrong, or nothing."""
    if problem := die_with(parent):
        return problem
    _limit(resource.RLIMIT_NOFILE, MAX_FILES)
    _limit(resource.RLIMIT_CORE, 0)
    if nice:
        os.nice(nice)
    if "WATCHDOG_USEC" in os.environ:
        os.environ["WATCHDOG_PID"] = str(os.getpid())
    return ""


def die_with(parent: int) -> str:
    """Ask the kernel for SIGKILL when the parent dies; what is wrong, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        return f"cannot ask to die with the launcher: {os.strerror(ctypes.get_errno())}"
    if os.getppid() != parent:
        return "the launcher has died"  # before we asked to die with it
    return ""


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _fail(code: int, text: str) -> int:
    sys.stderr.write(f"ERROR {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
