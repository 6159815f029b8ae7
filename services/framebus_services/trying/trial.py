"""One processor at work as enrich has it, but all in order on one thread, so that a debugger can look in."""

import time
from bdb import BdbQuit
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from framebus.clock import FakeClock
from framebus.events import EndedObject, Ending
from framebus.frame import Frame
from framebus.messages import ObjectEvent, Phase
from framebus.processor import AnyProcessor, DeferredProcessor, Processor
from framebus.settings import EnrichedCamera, EnrichSettings
from framebus_services.enrich.archive import Archive
from framebus_services.enrich.expiry import Expiry
from framebus_services.enrich.guard import Scene, Told, collect
from framebus_services.enrich.motion import MotionGate
from framebus_services.enrich.objects import CameraObjects
from framebus_services.enrich.shots import Shot
from framebus_services.trying.pictures import BOOT_S, CAMERA


class Teller(Protocol):
    """What hears how it goes."""

    def tell_finding(self, told: Told, frame: Frame | None, video_s: float) -> None: ...

    def tell_error(
        self, error: BaseException, method: Callable[..., object], frame: Frame | None, video_s: float
    ) -> None: ...


@dataclass(kw_only=True)
class Figures:
    """What was counted and measured."""

    frames: int = 0
    errors: int = 0
    objects: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    calls_s: dict[str, list[float]] = field(default_factory=dict)
    """how long each call of a method took"""


class _Unkept(Archive):
    """Objects end here and leave nothing on disk."""

    def add(self, event: EndedObject, shot: Shot | None) -> None:
        pass

    def note_open(self, camera: str, objects: object) -> None:
        pass


class Trial:
    """Shows frames to one processor."""

    def __init__(self, name: str, processor: AnyProcessor, teller: Teller, *, start_at_s: float, stops: bool) -> None:
        """`stops`: what the processor raises is raised here, too."""
        self.figures = Figures()
        self._name = name
        self._processor = processor
        self._teller = teller
        self._stops = stops
        self._clock = FakeClock(wall_s=start_at_s, boot_s=BOOT_S)
        self._gate = MotionGate()
        self._ended: list[ObjectEvent] = []
        unkept = _Unkept(Path(), Expiry(Path(), {}, self._clock), lambda what: None)
        self._objects = CameraObjects(
            CAMERA,
            EnrichedCamera(),
            gone_s=EnrichSettings().gone_s,
            clock=self._clock,
            publish=self._note_object,
            archive=unkept,
        )
        self._frame: Frame | None = None

    def show(self, frame: Frame) -> None:
        """All that enrich does with a frame."""
        self._frame = frame
        self._clock.advance(frame.captured_boot_ns / 1e9 - self._clock.boot_s())
        motion = self._gate.find(frame.luma, frame.captured_boot_ns / 1e9)
        if isinstance(self._processor, Processor):
            self._call(self._processor.process_frame, frame)
        else:
            self._defer(self._processor.defer_frame, frame)
        for event in self._objects.see(frame, motion):
            if isinstance(self._processor, Processor):
                self._call(self._processor.process_object, event, frame)
            else:
                self._defer(self._processor.defer_object, event, frame)
        self._expire()
        self.figures.frames += 1

    def end(self) -> None:
        """The video is over: objects end, and the processor may tell what is left."""
        self._objects.end_all(Ending.STOPPED)
        self._expire()
        self._call(self._processor.shutdown)

    def _note_object(self, event: ObjectEvent) -> None:
        self.figures.objects += event.phase is Phase.START
        if event.phase is Phase.END:
            self._ended.append(event)

    def _expire(self) -> None:
        ended, self._ended = self._ended, []
        for event in ended:
            self._call(self._processor.expire_object, event.id, event.camera)

    def _defer(self, method: Callable[..., Any], *arguments: object) -> None:
        """What would wait in a queue is done at once."""
        tasks: list[Any] = []
        self._tell_error(self._guard(method, lambda: tasks.append(method(*arguments))), method)
        for task in tasks:
            if task is not None and not isinstance(self._processor, Processor):
                self._call(self._processor.process_task, task)

    def _call(self, method: Callable[..., object], *arguments: object) -> None:
        told: list[Told] = []
        error = self._guard(method, lambda: collect(method(*arguments), method.__name__, self._scene(), told))
        for one in told:
            self.figures.labels[one.finding.label] += 1
            finding = msgspec.structs.replace(one.finding, processor=self._name)
            self._teller.tell_finding(Told(finding, one.jpeg), self._frame, self._video_s)
        self._tell_error(error, method)

    def _guard(self, method: Callable[..., object], work: Callable[[], object]) -> BaseException | None:
        """Measure a call; what it raised."""
        start_s = time.perf_counter()
        try:
            work()
        except (Exception, SystemExit) as error:  # code that is tried may fail in any way
            if self._stops or isinstance(error, BdbQuit):
                raise
            return error
        finally:
            if _is_own(self._processor, method.__name__):
                self.figures.calls_s.setdefault(method.__name__, []).append(time.perf_counter() - start_s)
        return None

    def _tell_error(self, error: BaseException | None, method: Callable[..., object]) -> None:
        if error is not None:
            self.figures.errors += 1
            self._teller.tell_error(error, method, self._frame, self._video_s)

    @property
    def _video_s(self) -> float:
        return round(self._clock.boot_s() - BOOT_S, 3)

    def _scene(self) -> Scene:
        if self._frame is None:
            return Scene(camera=CAMERA)
        return Scene(camera=CAMERA, number=self._frame.number, captured_at_s=self._clock.wall_s())


def _is_own(processor: AnyProcessor, method: str) -> bool:
    """Whether it is not the method of the base class, which does nothing."""
    base = Processor if isinstance(processor, Processor) else DeferredProcessor
    return getattr(type(processor), method) is not getattr(base, method)
