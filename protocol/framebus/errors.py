"""The errors of framebus, and the closed set of codes that cross the wire."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Why a request was refused or a job failed; the set is closed (SPEC, "Error codes")."""

    BAD_REQUEST = "bad_request"
    UNKNOWN_METHOD = "unknown_method"
    UNKNOWN_TYPE = "unknown_type"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    QUEUE_FULL = "queue_full"
    BUSY = "busy"
    NO_SPACE = "no_space"
    NO_SOURCE = "no_source"
    LOST = "lost"
    CRASHED = "crashed"
    CANCELLED = "cancelled"
    TOO_LATE = "too_late"
    DEADLINE = "deadline"
    UNAVAILABLE = "unavailable"
    DENIED = "denied"
    UNSUPPORTED_VERSION = "unsupported_version"
    TOO_LARGE = "too_large"
    INTERNAL = "internal"


class ExitCode(IntEnum):
    """How a process of the group ends; the numbers are those of sysexits.h."""

    OK = 0
    FAILED = 1
    USAGE = 64
    UNAVAILABLE = 69
    INTERNAL = 70
    TRY_AGAIN = 75
    PERMISSION = 77
    CONFIGURATION = 78


class FramebusError(Exception):
    """Anything that framebus raises on purpose."""


class MalformedError(FramebusError):
    """Bytes that are no message of this protocol; `reason` is what the counters name it by."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(FramebusError):
    """The configuration is wrong; `problems` holds every error found, each with its path."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class RefusedError(FramebusError):
    """A request was refused: `code` says why in one word, the text says what would be right.

    `retry_after_s` is set when the same request may succeed later.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retry_after_s: float | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.details = details or {}


class DeadlineError(RefusedError):
    """No answer came within the deadline: whether the work was done is unknown; ask again with the same id."""

    def __init__(self, service: str, method: str, deadline_s: float) -> None:
        super().__init__(
            ErrorCode.DEADLINE, f"no answer from {service} to {method} within {deadline_s:.1f} s; is the group running?"
        )


def sound(text: str) -> str:
    """The text as it can be sent: names of files may hold halves of characters."""
    return text.encode(errors="replace").decode()
