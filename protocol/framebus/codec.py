"""Messages to frames of bytes and back: versioned, limited, strictly decoded. No sockets here.

News is `[topic, head, body]` or `[topic, head, body, blob]`; a request `[head, body]`; an answer `[head, body]` or
`[head, body, blob]`. Heads and bodies are MessagePack maps (SPEC, "Frames").
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from framebus.errors import MalformedError
from framebus.messages import AtS, Count, Instance, Message, Seconds, UpS
from framebus.names import Named
from framebus.topics import Topic, find_topic

VERSION = 1
MAX_FRAMES = 8
MAX_TOPIC_BYTES = 200
MAX_HEAD_BYTES = 1_024
MAX_NEWS_BYTES = 64 * 1_024
MAX_RETAINED_BYTES = 1_024 * 1_024
MAX_NEWS_MESSAGE_BYTES = 8 * 1_024 * 1_024
MAX_REQUEST_BYTES = 1_024 * 1_024
MAX_ANSWER_BYTES = 8 * 1_024 * 1_024
MAX_DEADLINE_S = 3_600.0
KNOWN_TOPICS = 1_024
"""topics that are not looked up again"""


class Head(Named, frozen=True, kw_only=True, omit_defaults=True):
    """Who said it, and where it stands in the row of what they said."""

    v: Count
    src: Instance
    epoch: Count
    seq: Count
    at_s: AtS
    up_s: UpS
    host: Annotated[str, Meta(max_length=8)]
    trace: Annotated[str, Meta(max_length=64)] | None = None


class RequestHead(Struct, frozen=True, kw_only=True):
    """What is asked, by whom, and how long they wait."""

    v: Count
    id: Annotated[bytes, Meta(min_length=16, max_length=16)]
    method: Annotated[str, Meta(max_length=64)]
    deadline_s: Annotated[float, Meta(ge=0.0, le=MAX_DEADLINE_S)]
    src: Annotated[str, Meta(max_length=80)]


class AnswerHead(Struct, frozen=True, kw_only=True):
    """Which request this answers, and whether it was done."""

    v: Count
    id: Annotated[bytes, Meta(max_length=16)]
    ok: bool


class ErrorBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an answer that is not ok."""

    code: Annotated[str, Meta(max_length=32)]
    message: Annotated[str, Meta(max_length=4_096)]
    retry_after_s: Seconds | None = None
    details: dict[str, Any] = {}


class News(Struct, frozen=True, kw_only=True):
    """A message as it came: its topic, its row in the table, its head, and the body still as bytes."""

    topic: str
    row: Topic
    head: Head
    body: bytes
    blob: bytes | None = None

    def decode(self) -> Message:
        """The body as the type that the topic table names; raises MalformedError."""
        return decode_body(self.body, self.row.body)


encode = msgspec.msgpack.Encoder().encode
"""any Struct or plain value as MessagePack"""
_head_decoder = msgspec.msgpack.Decoder(Head)
_decoders: dict[type[Struct], msgspec.msgpack.Decoder[Any]] = {}

S = TypeVar("S", bound=Struct)


def decode_body(data: bytes, kind: type[S]) -> S:
    """A body as `kind`; raises MalformedError with the path of the wrong field."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        body: S = decoder.decode(data)
        return body
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedError("body", str(error)) from None


def encode_news(topic: str, head: Head, body: Message | bytes, blob: bytes | None = None) -> list[bytes]:
    """The frames of one piece of news; raises MalformedError when it is larger than readers accept."""
    data = body if isinstance(body, bytes) else encode(body)
    row = find_topic(topic)
    limit = MAX_RETAINED_BYTES if row is not None and row.is_retained else MAX_NEWS_BYTES
    if len(data) > limit:
        raise MalformedError("too_large", f"body of {topic} has {len(data)} bytes; at most {limit} are allowed")
    frames = [topic.encode(), encode(head), data]
    if blob is not None:
        frames.append(blob)
    return frames


def decode_news(frames: Sequence[bytes]) -> News:
    """One piece of news, its body still as bytes; raises MalformedError with the reason."""
    if not 3 <= len(frames) <= 4:
        raise MalformedError("frames", f"news has 3 or 4 frames, not {len(frames)}")
    topic, row = _decode_topic(frames[0])
    head = decode_head(frames[1])
    if len(frames[2]) > (MAX_RETAINED_BYTES if row.is_retained else MAX_NEWS_BYTES):
        raise MalformedError("too_large", f"body of {topic} has {len(frames[2])} bytes")
    return News(topic=topic, row=row, head=head, body=frames[2], blob=frames[3] if len(frames) == 4 else None)


@lru_cache(KNOWN_TOPICS)
def _decode_topic(data: bytes) -> tuple[str, Topic]:
    try:
        topic = data.decode() if len(data) <= MAX_TOPIC_BYTES else ""
    except UnicodeDecodeError:
        topic = ""
    row = find_topic(topic)
    if row is None or "//" in topic or not topic.endswith("/") or topic.count("/") != row.pattern.count("/"):
        raise MalformedError("topic", f"unknown topic {data[:40]!r}")
    return topic, row


def decode_head(data: bytes) -> Head:
    """The head of news; raises MalformedError."""
    if len(data) > MAX_HEAD_BYTES:
        raise MalformedError("head", f"head has {len(data)} bytes; at most {MAX_HEAD_BYTES} are allowed")
    try:
        head = _head_decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedError("head", str(error)) from None
    if head.v != VERSION:
        raise MalformedError("version", f"version {head.v} is not supported; this is version {VERSION}")
    return head
