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


class SourceError(Exception):
    """A source gives nothing, or no more; and it is not the network or a file that says so."""


class NoVideoError(SourceError):
    """The source can be opened, but holds no video."""


class EndedError(SourceError):
    """The source gave all that it had."""


class ForbiddenError(SourceError):
    """The source leads to where no camera is to be asked for."""


class PluginError(SourceError):
    """A source of the user's own went wrong; the text names its file and line."""


# The first row that fits decides; the classes of av come before the built-in ones they are derived from.
_CAUSES: tuple[tuple[type[BaseException], Cause], ...] = (
    (EndedError, Cause.ENDED),
    (NoVideoError, Cause.CODEC),
    (ForbiddenError, Cause.REFUSED),
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
    errno.EBUSY: Cause.REFUSED,  # a device that another program has
    errno.ENODEV: Cause.NOT_FOUND,  # pulled out
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
