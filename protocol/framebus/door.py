"""The answering side of requests: each is done once, however often it is sent. No sockets here."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framebus import codec
from framebus.codec import AnswerHead, ErrorBody, RequestHead
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.messages import Message
from framebus.redact import redact

KEEP_S = 30.0
MAX_KEPT = 4_096
LARGE_BYTES = 64 * 1_024
MAX_SMALL_BYTES = 4 * 1_024 * 1_024
MAX_LARGE_BYTES = 8 * 1_024 * 1_024
"""of answers above LARGE_BYTES; pictures come ten times a second and must not drive out what tells of work done"""
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


class Shelf:
    """Answers for 30 s, the oldest going first where there are too many, or too many bytes; the newest always stays."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._answers: OrderedDict[bytes, tuple[float, Frames, int]] = OrderedDict()
        self.size_bytes = 0

    def put(self, request_id: bytes, frames: Frames, size_bytes: int, now_s: float) -> None:
        self._answers[request_id] = (now_s + KEEP_S, frames, size_bytes)
        self.size_bytes += size_bytes
        while len(self._answers) > 1 and (self.size_bytes > self._max_bytes or len(self._answers) > MAX_KEPT):
            self._drop_oldest()

    def find(self, request_id: bytes) -> Frames | None:
        kept = self._answers.get(request_id)
        return None if kept is None else kept[1]

    def forget(self, now_s: float) -> None:
        """Drop what is past its time."""
        while self._answers and next(iter(self._answers.values()))[0] <= now_s:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, (_, _, size_bytes) = self._answers.popitem(last=False)
        self.size_bytes -= size_bytes


class KeptAnswers:
    """Remembers requests in flight, and answers for 30 s: a repeat gets the same answer and nothing runs twice."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, list[bytes]] = OrderedDict()
        self._small = Shelf(MAX_SMALL_BYTES)
        self._large = Shelf(MAX_LARGE_BYTES)

    @property
    def size_bytes(self) -> int:
        return self._small.size_bytes + self._large.size_bytes

    def begin(self, request_id: bytes, peer: bytes, now_s: float) -> Frames | bool:
        """The kept answer of a repeat; True for a request that is new; False for one that is in flight."""
        self._forget(now_s)
        for shelf in (self._small, self._large):
            if (frames := shelf.find(request_id)) is not None:
                return frames
        if request_id in self._waiting:
            self._waiting[request_id].append(peer)
            return False
        self._waiting[request_id] = [peer]
        while len(self._waiting) > MAX_KEPT:  # promises that nobody ever settled
            self._waiting.popitem(last=False)
        return True

    def finish(self, request_id: bytes, frames: Frames, now_s: float) -> list[bytes]:
        """Keep the answer; returns the peers that wait for it."""
        peers = self._waiting.pop(request_id, [])
        if peers:
            size_bytes = sum(map(len, frames))
            shelf = self._large if size_bytes > LARGE_BYTES else self._small
            shelf.put(request_id, frames, size_bytes, now_s)
        return peers

    def _forget(self, now_s: float) -> None:
        self._small.forget(now_s)
        self._large.forget(now_s)


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
