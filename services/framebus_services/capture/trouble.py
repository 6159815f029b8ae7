"""Why a camera gives no video, in one word and one sentence, from what its connection raised."""

import errno
import socket
from dataclasses import dataclass

import av

from framebus.messages import Cause
from framebus.redact import redact


@dataclass(frozen=True)
class Trouble:
    """What is wrong, for a status."""

    cause: Cause
    detail: str


class NoVideoError(Exception):
    """The source can be opened, but holds no video."""


class EndedError(Exception):
    """The source gave all that it had."""


# The first row that fits decides; the classes of av come before the built-in ones they are derived from.
_CAUSES: tuple[tuple[type[BaseException], Cause], ...] = (
    (EndedError, Cause.ENDED),
    (NoVideoError, Cause.CODEC),
    (socket.gaierror, Cause.DNS),
    (av.error.HTTPUnauthorizedError, Cause.AUTH),
    (av.error.HTTPForbiddenError, Cause.AUTH),
    (av.error.HTTPNotFoundError, Cause.NOT_FOUND),
    (av.error.InvalidDataError, Cause.CODEC),
    (av.error.LookupError, Cause.CODEC),
    (av.error.PatchWelcomeError, Cause.CODEC),
    (ConnectionRefusedError, Cause.REFUSED),
    (ConnectionError, Cause.ENDED),
    (EOFError, Cause.ENDED),
    (TimeoutError, Cause.TIMEOUT),
    (FileNotFoundError, Cause.NOT_FOUND),
    (NotADirectoryError, Cause.NOT_FOUND),
    (IsADirectoryError, Cause.NOT_FOUND),
    (PermissionError, Cause.AUTH),
)
_ERRNOS = {
    errno.EHOSTUNREACH: Cause.TIMEOUT,
    errno.ENETUNREACH: Cause.TIMEOUT,
    errno.EIO: Cause.ENDED,  # what FFmpeg says when the peer hangs up
}


def trouble_of(error: Exception, *, was_connected: bool) -> Trouble:
    """The cause of an error while connecting, or while reading where `was_connected`; without any password."""
    text = redact(getattr(error, "strerror", None) or str(error))
    if isinstance(error, av.error.ExitError):  # our own limit was reached
        if was_connected:
            return Trouble(Cause.STALLED, "connected, but no packet came for 5 s")
        return Trouble(Cause.TIMEOUT, "no answer within 5 s")
    for kind, cause in _CAUSES:
        if isinstance(error, kind):
            return Trouble(cause, text)
    return Trouble(_ERRNOS.get(getattr(error, "errno", 0) or 0, Cause.UNKNOWN), text)
