"""What went wrong as one line with its mend, and the exit code; the command line shows it instead of a traceback."""

import errno
from typing import NamedTuple

import typer

from framebus.errors import ConfigError, DeadlineError, ErrorCode, ExitCode, FramebusError, RefusedError
from framebus.redact import redact
from framebus_launcher.words import plain

USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""click's UsageError, which newer versions of typer carry inside themselves"""
MISTAKES: tuple[type[Exception], ...] = (FramebusError, USAGE_ERROR, OSError, UnicodeEncodeError)
"""what a user can mend; anything else is ours, and shall be seen with its traceback"""
INTERRUPTED = 130
"""exit code: as shells have it, 128 and the number of SIGINT"""
_WRONG_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG)
_AWAY = (ErrorCode.DEADLINE, ErrorCode.UNAVAILABLE)


class Mistake(NamedTuple):
    """What to print, a line each, and how to end."""

    lines: list[str]
    code: int


def explain(error: Exception) -> Mistake:
    """What to tell about one of `MISTAKES`."""
    if isinstance(error, ConfigError):
        return Mistake(error.problems, ExitCode.CONFIGURATION)
    if isinstance(error, RefusedError):
        return Mistake([refusal(error)], ExitCode.UNAVAILABLE if error.code in _AWAY else ExitCode.FAILED)
    if isinstance(error, FramebusError):
        return Mistake([plain(redact(str(error)))], ExitCode.FAILED)
    if isinstance(error, USAGE_ERROR):
        return Mistake([said] if (said := usage(error)) else [], ExitCode.USAGE)
    if isinstance(error, OSError):
        return _of_system(error)
    return Mistake(["what you typed holds bytes that are no UTF-8 text"], ExitCode.USAGE)


def refusal(error: RefusedError) -> str:
    """A refusal in plain words, with its code, and when to try again."""
    again = f"; try again in {error.retry_after_s:.0f} s" if error.retry_after_s else ""
    mend = "" if not isinstance(error, DeadlineError) else "; `framebus status` tells how it is"
    return f"{error.code}: {plain(error.message.removesuffix('; is the group running?'))}{mend}{again}"


def usage(error: Exception) -> str:
    """What was wrong with the command, and where its help is; empty when nothing was asked and the help is shown."""
    said = error.format_message() if hasattr(error, "format_message") else str(error)
    if not said:
        return ""
    said = said.removeprefix("Invalid value: ").replace(": Value error, ", ": ")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "framebus"
    return f"{' '.join(plain(said).split()).rstrip('.')}  (help: {command} --help)"


def _of_system(error: OSError) -> Mistake:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Mistake([f"the disk is full{where}: make room, or choose another folder"], ExitCode.TRY_AGAIN)
    if error.errno in (errno.EACCES, errno.EPERM):
        text = str(error) if error.strerror is None or error.filename is None else f"no permission for {error.filename}"
        mend = "" if error.filename is None else ": choose another folder (--data, --run), or give yourself the right"
        return Mistake([text + mend], ExitCode.PERMISSION)
    if error.errno == errno.EROFS:
        return Mistake([f"the file system is read-only{where}: choose another folder"], ExitCode.PERMISSION)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Mistake([f"too many files are open{where}: raise the limit with ulimit -n"], ExitCode.TRY_AGAIN)
    mend = ": choose another path" if error.errno in _WRONG_PATH else ""
    return Mistake([f"{error.strerror or error}{where}{mend}"], ExitCode.FAILED)
