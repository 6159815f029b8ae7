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
_FIELD = re.compile(r"^Object (?:missing required|contains unknown) field `([^`]+)`")


class HttpError(Exception):
    """A refusal whose status is not that of its code."""

    def __init__(self, status: int, code: ErrorCode, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = RefusedError(code, message, retry_after_s=retry_after_s)


class FieldError(HttpError):
    """A field of a request is wrong."""

    def __init__(self, said: str) -> None:
        path = path_of(said)
        super().__init__(422, ErrorCode.BAD_REQUEST, _PATH.sub("", said) + (f" at {path}" if path else ""))
        if path:
            self.error.details["path"] = path


def path_of(said: str, inside: str = "") -> str:
    """The field that these words blame, as its path from the top of what was sent; empty where they blame none."""
    found, field = _PATH.search(said), _FIELD.search(said)
    return ".".join(part for part in (inside, found[1] if found else "", field[1] if field else "") if part)


def in_params(error: RefusedError) -> RefusedError:
    """What a service said of a job's parameters, with the path in the body that the parameters came in."""
    field = error.details.get("field")
    path = f"params.{field}" if isinstance(field, str) else ""
    if error.code is ErrorCode.BAD_REQUEST:
        path = path or path_of(error.message, "params")
    if not path:
        return error
    message = _PATH.sub(lambda _: f" at {path}", error.message)
    details = {**error.details, "path": path}
    return RefusedError(error.code, message, retry_after_s=error.retry_after_s, details=details)


def in_section(error: RefusedError, section: str, field: str) -> RefusedError:
    """What the launcher said of a section of the configuration, with the path in the body that it came in."""
    if error.code is not ErrorCode.BAD_REQUEST:
        return error
    found = re.search(rf"{re.escape(section)}\.([a-z_][a-z_.]*[a-z_])", error.message)
    details = {**error.details, "path": found[1] if found else field}
    return RefusedError(error.code, error.message, details=details)


def body_of(error: RefusedError) -> ErrorBody:
    """What a client reads of a refusal."""
    details = dict(error.details)
    if path := path_of(error.message):
        details.setdefault("path", path)
    return ErrorBody(code=error.code.value, message=error.message, retry_after_s=error.retry_after_s, details=details)


def status_of(error: RefusedError | HttpError) -> tuple[int, RefusedError]:
    """The status of a refusal, and what was refused."""
    return (error.status, error.error) if isinstance(error, HttpError) else (STATUS[error.code], error)


def refusal(error: RefusedError | HttpError) -> Response:
    """The response to a request that was refused."""
    status, refused = status_of(error)
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
