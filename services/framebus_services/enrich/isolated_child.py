"""The worker process of an isolated processor: it makes the processor, and reads the frames itself from their rings."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from framebus.errors import ExitCode
from framebus.frame import Frame
from framebus.importable import load_importable
from framebus.messages import ObjectEvent
from framebus.processor import AnyProcessor, DeferredProcessor
from framebus.ring import RingFormatError, RingReader
from framebus.worker_child import Side
from framebus_services.enrich.deferred_thread import perform_control
from framebus_services.enrich.guard import Result, Scene, failure_of, gather
from framebus_services.enrich.lane import Ask, Configure, Expire, Stop
from framebus_services.enrich.orders import make

MAX_RINGS = 64
"""that are kept open; more cameras than that are looked at in turn"""
NO_MEMORY = "MemoryError"


class Made(Struct, frozen=True):
    """What to make: `load` names the function that finds the class by its entry."""

    load: str
    entry: str
    settings: dict[str, Any]


class Look(Struct, frozen=True, tag="look"):
    """A frame to look at, or an object in it: where it stands, not its pixels."""

    camera: str
    ring: str
    number: int
    event: ObjectEvent | None


class Sections(Struct, frozen=True, tag="sections"):
    """The newest of every section of the configuration."""

    sections: list[Configure]


class Call(Struct, frozen=True):
    version: int
    """of the configuration; a process that has another asks for it first"""
    what: Look | Expire | Ask | Stop | Sections


class Answer(Struct, frozen=True):
    result: Result = Result()
    is_behind: bool = False
    """nothing was done: the configuration must come first"""
    is_stale: bool = False
    """the ring no longer held the frame, or it was overwritten meanwhile"""


class Child:
    """The processor and the rings of one process."""

    def __init__(self, processor: AnyProcessor) -> None:
        self._processor = processor
        self._version = 0
        self._rings: dict[str, RingReader] = {}

    def answer(self, call: Call) -> Answer:
        what = call.what
        if isinstance(what, Sections):
            self._version = call.version
            results = [perform_control(self._processor, section) for section in what.sections]
            return Answer(next((result for result in results if result.failure is not None), Result()))
        if call.version != self._version:
            return Answer(is_behind=True)
        return self._look(what) if isinstance(what, Look) else Answer(perform_control(self._processor, what))

    def _look(self, look: Look) -> Answer:
        ring = self._open(look)
        frame = ring.read(look.number, camera=look.camera) if ring is not None else None
        if frame is None:
            return Answer(is_stale=True)
        scene = Scene(look.camera, frame.number, frame.captured_at_s)
        processor = self._processor
        if isinstance(processor, DeferredProcessor):
            return self._defer(processor, frame, look.event, scene)
        if look.event is None:
            result = gather(processor, processor.process_frame, (frame,), scene)
        else:
            result = gather(processor, processor.process_object, (look.event, frame), scene)
        return Answer(result) if frame.still_valid() else Answer(is_stale=True)

    def _defer(
        self, processor: DeferredProcessor[Any], frame: Frame, event: ObjectEvent | None, scene: Scene
    ) -> Answer:
        method: Callable[..., Any] = processor.defer_frame if event is None else processor.defer_object
        try:
            task = method(frame) if event is None else method(event, frame)
        except BaseException as error:  # noqa: BLE001  the wall around a processor
            return Answer(Result(failure=failure_of(processor, error, method)))
        if not frame.still_valid():
            return Answer(is_stale=True)
        return Answer() if task is None else Answer(gather(processor, processor.process_task, (task,), scene))

    def _open(self, look: Look) -> RingReader | None:
        ring = self._rings.get(look.camera)
        if ring is not None and str(ring.path) == look.ring:
            return ring
        if ring is not None:
            self._rings.pop(look.camera).close()
        try:
            opened = RingReader.open(Path(look.ring))
        except (OSError, RingFormatError):
            return None
        while len(self._rings) >= MAX_RINGS:
            self._rings.pop(next(iter(self._rings))).close()
        self._rings[look.camera] = opened
        return opened


def begin(side: Side) -> Child:
    """Make the processor; what it raises is told by the parent."""
    made: Made = side.setup(Made)
    kind = load_importable(made.load)(made.entry)
    return Child(make(kind, made.settings))


def work(child: Child, call: Call) -> Answer:
    """Do one call."""
    answer = child.answer(call)
    if answer.result.failure is not None and answer.result.failure.kind == NO_MEMORY:
        # At its limit it would fail for ever: only a new process gives the memory back.
        os._exit(ExitCode.INTERNAL)
    return answer
