"""A sample of every message, request, answer and head: one with all its fields, one with the required ones only."""

import enum
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Raw, Struct

from framebus import codec, door, requests, topics
from framebus.codec import Head, RequestHead
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import Gone, Message
from framebus.names import pattern_of
from spec.tables import head_kinds

REQUEST_ID = bytes(range(16))

# What a field of this name holds; the type decides the rest.
VALUES: dict[str, object] = {
    "v": 1,
    "at_s": 1_790_000_000.25,
    "up_s": 1_000.5,
    "host": "0123abcd",
    "trace": "t-1",
    "src": "capture@front",
    "worker": "export",
    "camera": "front",
    "processor": "counter",
    "type": "export",
    "prefix": "camera/",
    "topic": "camera/front/",
    "section": "cameras",
    "ring": "/dev/shm/framebus-1000-0123abcd/front.7.ring",
    "path": "recordings/front/2026-09-21/13/1790000000250_10000.mp4",
    "temp": "front/.00112233445566778899aabbccddeeff.1.0.part",
    "final": "front/clip.mp4",
    "method": "job.submit",
    "detail": "the camera closed the connection: Grüße, 世界",
    "pts_us": -40_000,
    "exit_code": -1,
    "codec": "avc1.640028",
}
RAW = Raw(msgspec.msgpack.encode({"camera": "front", "n": [1, -2, 0.5, None, True]}))


def sample(kind: Any, *, is_full: bool) -> Any:
    """A value of a Struct; `is_full` fills its optional fields too."""
    chosen = [field for field in msgspec.structs.fields(kind) if is_full or field.required]
    return kind(**{field.name: _value(field.name, field.type, is_full=is_full) for field in chosen})


def _value(name: str, kind: Any, *, is_full: bool) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(option for option in get_args(kind) if option is not type(None))
    metas: list[Any] = []
    if get_origin(kind) is Annotated:
        kind, *metas = get_args(kind)
    if get_origin(kind) is list:
        return [_value(name, get_args(kind)[0], is_full=is_full)]
    if get_origin(kind) is dict:
        return {"camera/front/": _value("", get_args(kind)[1], is_full=is_full)}
    if isinstance(kind, type) and issubclass(kind, Struct):
        return sample(kind, is_full=is_full)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    if kind is Raw:
        return RAW
    if name in VALUES and type(VALUES[name]) is kind:
        return VALUES[name]
    return _plain(name, kind, metas)


def _plain(name: str, kind: Any, metas: list[Any]) -> Any:
    meta = metas[0] if metas else Meta()
    if kind is bool:
        return True
    if kind is int:
        return min(7, meta.le) if meta.le is not None else 2**53 - 1 if name == "epoch" else 300
    if kind is float:
        return 0.5
    if kind is bytes:
        return REQUEST_ID
    if (pattern := pattern_of(meta)) is not None:
        return "00112233445566778899aabbccddeeff" if "{32}" in pattern else "export"
    return name or "counted"


def structs() -> Iterator[tuple[str, type[Struct]]]:
    """Every Struct that is a head or a body on the wire, by name."""
    kinds: list[Any] = [*head_kinds(), *(row.body for row in topics.TOPICS)]
    for method in requests.METHODS:
        kinds += [method.request, method.answer]
    for kind in dict.fromkeys(kinds):
        yield kind.__name__, kind


def whole_messages() -> dict[str, list[bytes]]:
    """One complete message of each form: news with and without blob, request, answers, an error, junk's answer."""
    head = sample(Head, is_full=False)
    gone: Message = sample(Gone, is_full=True)
    finding = sample(topics.TOPICS[4].body, is_full=True)
    ask = sample(RequestHead, is_full=True)
    done = requests.Done()
    picture = sample(requests.Snapshot, is_full=True)
    refused = RefusedError(ErrorCode.QUEUE_FULL, "the queue is full", retry_after_s=1.5, details={"limit": 100})
    return {
        "news": codec.encode_news("gone/export/", head, gone),
        "news with blob": codec.encode_news("finding/counter/front/", head, finding, b"\xff\xd8\xff\xd9"),
        "request": [codec.encode(ask), codec.encode(sample(requests.SubmitJob, is_full=True))],
        "answer": door.answer_frames(REQUEST_ID, done),
        "answer with blob": door.answer_frames(REQUEST_ID, door.Reply(picture, b"\xff")),
        "error": door.answer_frames(REQUEST_ID, refused),
        "error to junk": door.answer_frames(b"", RefusedError(ErrorCode.BAD_REQUEST, "a request has 2 frames, not 1")),
    }
