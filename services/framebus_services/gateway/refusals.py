"""What is refused, as HTTP says it: one body for all, and the status of each code."""

import math
import re

import msgspec
from msgspec import Struct
from starlette.responses import Response

from framebus.codec import ErrorBody
from framebus.errors import ErrorCode, RefusedError

STATUS = {
    ErrorCode.BAD_REQUEST: 422,
    ErrorCode.UNKNOWN_METHOD: 502,
    ErrorCode.UNKNOWN_TYPE: 422,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.QUEUE_FULL: 429,
    ErrorCode.BUSY: 429,
    ErrorCode.NO_SPACE: 507,
    ErrorCode.NO_SOURCE: 422,
    ErrorCode.LOST: 409,
    ErrorCode.CRASHED: 500,
    ErrorCode.CANCELLED: 409,
    ErrorCode.TOO_LATE: 409,
    ErrorCode.DEADLINE: 504,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.DENIED: 403,
    ErrorCode.UNSUPPORTED_VERSION: 502,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.INTERNAL: 500,
}
_PATH = re.compile(r" - at `\$?\.?([^`]*)`$")


class HttpError(Exception):
    """A refusal whose status is not that of its code."""

    def __init__(self, status: int, code: ErrorCode, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = RefusedError(code, message, retry_after_s=retry_after_s)


class FieldError(HttpError):
    """A field of a request is wrong."""

    def __init__(self, said: str, inside: str = "") -> None:
        found = _PATH.search(said)
        path = ".".join(part for part in (inside, found[1] if found else "") if part)
        super().__init__(422, ErrorCode.BAD_REQUEST, _PATH.sub("", said) + (f" at {path}" if path else ""))
        if path:
            self.error.details["path"] = path


def body_of(error: RefusedError) -> ErrorBody:
    """What a client reads of a refusal."""
    details = dict(error.details)
    found = _PATH.search(error.message)
    if found and found[1]:
        details.setdefault("path", found[1])
    elif isinstance(field := details.get("field"), str):  # of a job's parameters, as its type names it
        details.setdefault("path", f"params.{field}")
    return ErrorBody(code=error.code.value, message=error.message, retry_after_s=error.retry_after_s, details=details)


def refusal(error: RefusedError | HttpError) -> Response:
    """The response to a request that was refused."""
    status, refused = (error.status, error.error) if isinstance(error, HttpError) else (STATUS[error.code], error)
    headers = {}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(refused.retry_after_s)))
    elif status == 503:
        headers["Retry-After"] = "1"
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(to_json(body_of(refused)), status, headers, "application/json")


def to_json(value: object) -> bytes:
    """Any struct as JSON; MessagePack inside it becomes JSON, too. What JSON can't say raises ValueError."""
    try:
        if isinstance(value, Struct):
            value = msgspec.msgpack.decode(msgspec.msgpack.encode(value))
        return msgspec.json.encode(value)
    except (TypeError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from None
