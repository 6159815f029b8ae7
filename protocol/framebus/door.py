"""Requests and answers as the frames that pass a door, and answers that come later. No sockets here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framebus import codec
from framebus.codec import AnswerHead, ErrorBody, RequestHead
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.messages import Message
from framebus.redact import redact

Frames = list[bytes]


@dataclass(frozen=True)
class Reply:
    """An answer that has a blob."""

    answer: Message
    blob: bytes


@dataclass(eq=False)
class Promise:
    """An answer that comes later. Settle it once, on the loop's thread.

    `until_s` is the caller's deadline in boot time: work that has not begun by then must not begin.
    """

    request_id: bytes
    src: str
    until_s: float
    on_undelivered: Callable[[], None] | None = None
    """called when the answer found nobody to take it"""
    is_settled: bool = False
    _settle: Callable[["Promise", Frames], None] | None = None

    def resolve(self, answer: Message | Reply) -> None:
        """Answer that it is done."""
        self._finish(answer)

    def refuse(self, error: RefusedError) -> None:
        """Answer why it is not done."""
        self._finish(error)

    def _finish(self, outcome: Message | Reply | RefusedError) -> None:
        if self.is_settled:
            raise RuntimeError("a promise is settled once")
        frames = answer_frames(self.request_id, outcome)  # what cannot be encoded raises while it may still be refused
        self.is_settled = True
        if self._settle is not None:
            self._settle(self, frames)


def answer_frames(request_id: bytes, outcome: Message | Reply | RefusedError) -> Frames:
    """The frames of an answer; one that is larger than clients accept becomes the error `too_large`."""
    if isinstance(outcome, RefusedError):
        error = ErrorBody(
            code=outcome.code,
            message=redact(outcome.message)[:4_000],  # before it is cut: half an address would not be known as one
            retry_after_s=outcome.retry_after_s,
            details=outcome.details,
        )
        return [_answer_head(request_id, ok=False), codec.encode(error)]
    body = codec.encode(outcome.answer if isinstance(outcome, Reply) else outcome)
    blobs = [outcome.blob] if isinstance(outcome, Reply) else []
    size_bytes = len(body) + sum(map(len, blobs))
    if size_bytes > codec.MAX_ANSWER_BYTES:
        text = f"the answer has {size_bytes} bytes; at most {codec.MAX_ANSWER_BYTES} are allowed: ask for less at once"
        return answer_frames(request_id, RefusedError(ErrorCode.TOO_LARGE, text))
    return [_answer_head(request_id, ok=True), body, *blobs]


def _answer_head(request_id: bytes, *, ok: bool) -> bytes:
    return codec.encode(AnswerHead(v=codec.VERSION, id=request_id, ok=ok))


def decode_request(frames: Sequence[bytes]) -> tuple[RequestHead, bytes]:
    """Head and body of a request; raises MalformedError with the reason."""
    if len(frames) != 2:
        raise MalformedError("frames", f"a request has 2 frames, not {len(frames)}")
    if len(frames[0]) > codec.MAX_HEAD_BYTES or len(frames[1]) > codec.MAX_REQUEST_BYTES:
        raise MalformedError("too_large", f"a request has at most {codec.MAX_REQUEST_BYTES} bytes")
    try:
        head = codec.decode_body(frames[0], RequestHead)
    except MalformedError as error:
        raise MalformedError("head", str(error)) from None
    if head.v != codec.VERSION:
        raise MalformedError("version", f"version {head.v} is not supported; this is version {codec.VERSION}")
    return head, frames[1]


_CODES = {"version": ErrorCode.UNSUPPORTED_VERSION, "too_large": ErrorCode.TOO_LARGE}


def refusal_of(error: MalformedError) -> RefusedError:
    """The answer to bytes that are no request."""
    return RefusedError(_CODES.get(error.reason, ErrorCode.BAD_REQUEST), str(error))


def decode_answer(frames: Sequence[bytes], request_id: bytes) -> tuple[bytes, bytes | None]:
    """Body and blob of the answer to `request_id`.

    Raises RefusedError when it is an error, MalformedError when it is no answer or another's.
    """
    if not 2 <= len(frames) <= 3:
        raise MalformedError("frames", f"an answer has 2 or 3 frames, not {len(frames)}")
    head = codec.decode_body(frames[0], AnswerHead)
    if head.id not in (request_id, b""):
        raise MalformedError("id", "the answer is to another request")
    if head.v != codec.VERSION:
        text = f"the answer has version {head.v}; this is version {codec.VERSION}"
        raise RefusedError(ErrorCode.UNSUPPORTED_VERSION, text)
    if head.ok:
        return frames[1], frames[2] if len(frames) == 3 else None
    error = codec.decode_body(frames[1], ErrorBody)
    try:
        code = ErrorCode(error.code)
    except ValueError:
        code = ErrorCode.INTERNAL
    raise RefusedError(code, error.message, retry_after_s=error.retry_after_s, details=error.details)
