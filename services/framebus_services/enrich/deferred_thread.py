"""One life of a worker: a processor on a thread, from its making to its end or until it is abandoned."""

import ctypes
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from framebus.clock import Clock
from framebus.processor import AnyProcessor, DeferredProcessor
from framebus_services.enrich.blame import Blame
from framebus_services.enrich.guard import Result, Scene, call, gather, question
from framebus_services.enrich.lane import Ask, Configure, Expire, Item, Stop, Work
from framebus_services.enrich.line import Ended, Line

log = logging.getLogger(__name__)


class AbandonedError(BaseException):
    """Raised in a thread that was replaced; not an Exception, so that a processor does not catch it by chance."""


class Performer(Protocol):
    """Does what the lane gives out; belongs to one thread, but for `close`."""

    def perform(self, item: Item) -> Ended:
        """Never raises what a processor raised."""

    def close(self) -> None:
        """Give up what is in hand, if that can be; from any thread, never for long."""


class LocalPerformer:
    """A deferred processor in this process."""

    def __init__(self, processor: DeferredProcessor[Any], blame: Blame, number: int) -> None:
        """`number` names it in the blame file."""
        self.processor = processor
        self._blame = blame
        self._number = number
        self._is_abandoned = False

    def perform(self, item: Item) -> Ended:
        if isinstance(item, Work):
            self._blame.enter_thread(self._number, item.camera, item.number)
        else:
            self._blame.enter_thread(self._number, "", 0)
        ended = self._perform(item)
        if not self._is_abandoned:  # or it would take the mark of its successor along
            self._blame.leave_thread(self._number)
        return ended

    def _perform(self, item: Item) -> Ended:
        processor = self.processor
        if not isinstance(item, Work):
            return Ended(item=item, result=perform_control(processor, item))
        return Ended(item=item, result=gather(processor, processor.process_task, (item.payload,), scene_of(item)))

    def close(self) -> None:
        """A thread can't be stopped; it is abandoned."""
        self._is_abandoned = True


class Life:
    """A thread that owns a line, and its performer."""

    def __init__(self, name: str, line: Line, clock: Clock, make: Callable[[], Performer]) -> None:
        self.performer: Performer | None = None
        """None: it is not made yet, or can't be"""
        self.error: BaseException | None = None
        """why it could not be made"""
        self.has_stopped = False
        """in good order"""
        self._is_performing = False
        self._line = line
        self._clock = clock
        self._make = make
        self._thread = threading.Thread(target=self._run, name=f"{name} worker", daemon=True)

    def start(self) -> None:
        self._line.hand_over(self)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def abandon(self) -> None:
        """Nobody waits for it any more. A loop of Python ends soon; a call that blocks ends when it returns."""
        # Only while it is with the processor: raised elsewhere, it could leave the line locked.
        if self._is_performing and self._thread.ident is not None and self.is_alive:
            thread = ctypes.c_ulong(self._thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(AbandonedError))
        if self.performer is not None:
            self.performer.close()

    def _run(self) -> None:
        try:
            try:
                self.performer = self._make()
            except BaseException as error:  # noqa: BLE001  a constructor may raise anything; the loop tells
                self.error = error
                return
            while (item := self._line.take(self)) is not None:
                self._do(self.performer, item)
                if isinstance(item, Stop):
                    self.has_stopped = True
                    return
        except AbandonedError:
            return

    def _do(self, performer: Performer, item: Item) -> None:
        begun_s = self._clock.boot_s()
        self._is_performing = True
        ended = performer.perform(item)
        self._is_performing = False
        age_s = max(0.0, begun_s - item.captured_up_s) if isinstance(item, Work) else 0.0
        self._line.give(self, replace(ended, age_s=age_s, took_s=self._clock.boot_s() - begun_s))


def perform_control(processor: AnyProcessor, item: Expire | Configure | Ask | Stop) -> Result:
    """What is not work, done by a processor of either kind."""
    if isinstance(item, Expire):
        return gather(processor, processor.expire_object, (item.id, item.camera), Scene(item.camera))
    if isinstance(item, Configure):
        return call(processor, processor.update_config, (item.topic, msgspec.msgpack.decode(item.value)))
    if isinstance(item, Ask):
        return question(processor, item.topic, item.data)
    return gather(processor, processor.shutdown, (), Scene())


def scene_of(work: Work) -> Scene:
    return Scene(work.camera, work.number, work.captured_at_s)
