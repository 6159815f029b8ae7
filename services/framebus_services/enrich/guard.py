"""The wall around a processor: whatever it raises or returns, what comes out is checked findings and a note of what
went wrong. Called on the loop, on a worker's thread, and in a worker's process."""

import logging
import math
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw, Struct

from framebus import codec
from framebus.clock import Clock
from framebus.errors import ErrorCode, MalformedError, RefusedError, sound
from framebus.messages import NIL, Finding
from framebus.own_code import find_line
from framebus.processor import BaseProcessor, Pictured

log = logging.getLogger(__name__)

MAX_FINDINGS = 100
"""of one call; a generator without end must not stop the frames"""
MAX_PICTURE_BYTES = 4 * 1_024 * 1_024
MAX_PICTURES_BYTES = 16 * 1_024 * 1_024
"""of one call"""
MAX_ANSWER_BYTES = codec.MAX_ANSWER_BYTES - 1_024
MAX_TEXT = 2_000
MAX_TRACE = 16_000
LOG_AGAIN_S = 60.0
MAX_KINDS = 1_000
"""of errors that are remembered as logged"""

JPEG_START = b"\xff\xd8"


class Told(Struct, frozen=True):
    """What a processor found, as it is published."""

    finding: Finding
    jpeg: bytes | None


class Failure(Struct, frozen=True):
    """What a processor raised."""

    kind: str
    where: str
    """file and line of the processor's own code"""
    raised: str
    """file and line where it was raised, in whosever code"""
    text: str
    trace: str
    """on lines of its own; empty where the text says all"""


class Reply(Struct, frozen=True):
    """What a processor answers to a question: data, a refusal, or neither: it is not for this one."""

    is_data: bool = False
    data: Raw = NIL
    code: ErrorCode | None = None
    text: str = ""
    retry_after_s: float | None = None


class Result(Struct, frozen=True):
    """What came out of one call."""

    told: list[Told] = []
    failure: Failure | None = None
    reply: Reply | None = None


class Scene(Struct, frozen=True):
    """What a call is about: its findings must be of this camera, and get the number and time of its frame."""

    camera: str | None = None
    number: int | None = None
    captured_at_s: float | None = None


def gather(processor: BaseProcessor, method: Callable[..., object], arguments: tuple[Any, ...], scene: Scene) -> Result:
    """Call a method of a processor that returns findings, and take them one by one."""
    told: list[Told] = []
    try:
        collect(method(*arguments), getattr(method, "__name__", "it"), scene, told)
    except BaseException as error:  # noqa: BLE001  a processor that calls sys.exit() must not end the others
        return Result(told, failure_of(processor, error, method))
    return Result(told)


def call(processor: BaseProcessor, method: Callable[..., object], arguments: tuple[Any, ...]) -> Result:
    """Call a method of a processor that returns nothing."""
    try:
        method(*arguments)
    except BaseException as error:  # noqa: BLE001  as above
        return Result(failure=failure_of(processor, error, method))
    return Result()


def question(processor: BaseProcessor, topic: str, data: Raw) -> Result:
    """Ask a processor; its answer as MessagePack."""
    try:
        answer = processor.handle_request(topic, msgspec.msgpack.decode(data) if bytes(data) else None)
        return Result(reply=Reply() if answer is None else Reply(is_data=True, data=Raw(_encoded(answer))))
    except RefusedError as error:
        return Result(reply=Reply(code=error.code, text=sound(error.message), retry_after_s=error.retry_after_s))
    except BaseException as error:  # noqa: BLE001  as above
        failure = failure_of(processor, error, processor.handle_request)
        text = f"it failed: {failure.kind}: {failure.text}"
        return Result(failure=failure, reply=Reply(code=ErrorCode.INTERNAL, text=text))


def failure_of(processor: BaseProcessor, error: BaseException, method: Callable[..., object]) -> Failure:
    """What is told of an error that this method raised, or that what it returned is: kind, place and text."""
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001  an error with a broken text is still one
        text = f"its text can't be told: {type(second).__name__}"
    raised = find_line(error)
    # What the wall itself refuses is told by its text: a trace would show this file alone.
    is_refused = raised.startswith(f"{__file__}:")
    return Failure(
        kind=type(error).__name__,
        where=place_of(processor, error, method),
        raised=raised,
        text=sound(text[:MAX_TEXT]),
        trace="" if is_refused else "\n" + sound("".join(traceback.format_exception(error)).rstrip()[-MAX_TRACE:]),
    )


class FailureLog:
    """Logs what processors raise, each kind once a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged_s: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def note(self, name: str, failure: Failure) -> None:
        kind = (name, failure.kind, failure.raised)
        now_s = self._clock.boot_s()
        if now_s - self._logged_s.get(kind, float("-inf")) < LOG_AGAIN_S:
            return
        self._logged_s[kind] = now_s
        self._logged_s.move_to_end(kind)
        if len(self._logged_s) > MAX_KINDS:
            self._logged_s.popitem(last=False)
        log.error("processor %s: %s at %s: %s%s", name, failure.kind, failure.where, failure.text, failure.trace)


def collect(findings: object, name: str, scene: Scene, told: list[Told]) -> None:
    """Take what the method of this name returned into `told`, one by one; raises where it is wrong."""
    if findings is None and name in ("expire_object", "shutdown"):
        return
    if not isinstance(findings, Iterable):
        raise TypeError(f"{name} returned {type(findings).__name__}: yield each Finding, or return a list")
    size_bytes = 0
    for number, found in enumerate(islice(findings, MAX_FINDINGS + 1)):
        if number == MAX_FINDINGS:
            raise ValueError(f"more than {MAX_FINDINGS} findings of one call; the rest is left out")
        one = check(found, scene)
        size_bytes += len(one.jpeg or b"")
        if size_bytes > MAX_PICTURES_BYTES:
            raise ValueError(f"pictures of more than {MAX_PICTURES_BYTES} bytes of one call; the rest is left out")
        told.append(one)


def check(found: object, scene: Scene) -> Told:
    """A finding with its frame's number and time, unless it has its own; raises when readers would refuse it."""
    if isinstance(found, Pictured):
        return Told(_dated(found.finding, scene), _checked_jpeg(found.jpeg))
    return Told(_dated(found, scene), None)


def _checked_jpeg(jpeg: object) -> bytes:
    if not isinstance(jpeg, bytes | bytearray | memoryview):
        raise TypeError(f"jpeg: expected bytes, got {type(jpeg).__name__}")
    data = bytes(jpeg)
    if len(data) > MAX_PICTURE_BYTES:
        raise ValueError(f"jpeg: {len(data)} bytes; at most {MAX_PICTURE_BYTES} are allowed")
    if not data.startswith(JPEG_START):
        raise ValueError(f"jpeg: it begins with {data[:2].hex() or 'nothing'}, and a JPEG with {JPEG_START.hex()}")
    return data


def _dated(finding: object, scene: Scene) -> Finding:
    if not isinstance(finding, Finding):
        raise TypeError(f"a processor must give Finding objects, not {type(finding).__name__}")
    if scene.camera is not None and finding.camera != scene.camera:
        raise ValueError(f"a finding of camera {finding.camera!r} in a frame of {scene.camera!r}; use frame.camera")
    dated = msgspec.structs.replace(
        finding,
        number=scene.number if finding.number is None else finding.number,
        captured_at_s=scene.captured_at_s if finding.captured_at_s is None else finding.captured_at_s,
    )
    if dated.value is not None and not math.isfinite(dated.value):
        raise ValueError(f"value: {dated.value}; it must be a finite number, or None")
    data = _encoded(dated, codec.MAX_NEWS_BYTES)
    try:
        codec.decode_body(data, Finding)
    except MalformedError as error:
        raise ValueError(f"no reader would take this finding: {error}") from None
    return dated


def _encoded(value: object, limit_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    try:
        data = codec.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(f"{find_unsendable(value)}: {error}; give plain numbers, text, bytes, lists and maps") from None
    if len(data) > limit_bytes:
        raise ValueError(f"{len(data)} bytes; at most {limit_bytes} are allowed")
    return data


def find_unsendable(value: object, path: str = "", depth: int = 0) -> str:
    """The path of what MessagePack can't carry, as in `boxes[2].x`."""
    parts: Iterable[tuple[str, object]] = ()
    if isinstance(value, Struct):
        parts = [(f"{path}.{name}" if path else name, getattr(value, name)) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        parts = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = [(f"{path}[{number}]", item) for number, item in enumerate(value)]
    for place, part in parts if depth < 50 else ():
        try:
            codec.encode(part)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return find_unsendable(part, place, depth + 1)
    return path or "the answer"


def place_of(processor: BaseProcessor, error: BaseException, method: Callable[..., object]) -> str:
    """File and line of the processor's own code."""
    own = getattr(sys.modules.get(type(processor).__module__), "__file__", None)
    place = find_line(error, lambda file: file == own)
    code = getattr(method, "__code__", None)  # what it returned is wrong, and it has ended
    return place or (f"{code.co_filename}:{code.co_firstlineno}" if code else type(processor).__name__)
