"""A deferred processor on a thread of this process: the loop asks it for tasks, the thread does them."""

from collections.abc import Callable
from typing import Any

from framebus.processor import DeferredProcessor
from framebus_services.enrich.deferred_seat import DeferredSeat
from framebus_services.enrich.deferred_thread import LocalPerformer, Performer
from framebus_services.enrich.guard import Result, failure_of
from framebus_services.enrich.lane import Work
from framebus_services.enrich.orders import Order
from framebus_services.enrich.seat import Floor, Outcome, Sight, overrides, work_of


class ThreadSeat(DeferredSeat):
    """A deferred processor on a thread of this process."""

    def __init__(self, order: Order, floor: Floor, processor: DeferredProcessor[Any], number: int) -> None:
        """`number` names it in the blame file."""
        super().__init__(order, floor)
        self._first: DeferredProcessor[Any] | None = processor
        self._order = order
        self._number = number
        self._wants_frames = overrides(order.kind, DeferredProcessor, "defer_frame")
        self._wants_objects = overrides(order.kind, DeferredProcessor, "defer_object")

    def look(self, sight: Sight) -> list[Work]:
        performer = self._life.performer if self._life is not None else None
        if not isinstance(performer, LocalPerformer):
            return []  # it is just being made again
        floor, frame, processor = self._floor, sight.frame, performer.processor
        start_s = floor.bus.clock.boot_s()
        floor.blame.enter(self._number, frame.camera, frame.number)
        works: list[Work] = []
        method: Callable[..., Any] = processor.defer_frame
        try:
            if self._wants_frames and (task := processor.defer_frame(frame)) is not None:
                works.append(work_of(sight, None, task))
            method = processor.defer_object
            for event in sight.objects if self._wants_objects else ():
                if (task := processor.defer_object(event, frame)) is not None:
                    works.append(work_of(sight, event.id, task))
        except BaseException as error:  # noqa: BLE001  the wall around a processor
            floor.settle(self.name, Result(failure=failure_of(processor, error, method)))
        floor.blame.leave()
        floor.bus.stats.observe(self._stat, floor.bus.clock.boot_s() - start_s)
        return works

    def end(self) -> Outcome:
        if self.has_stopped:  # else its thread may still be at work, and its mark stands
            self._floor.blame.take_back(self._number)
        return super().end()

    def _make_performer(self) -> Performer:
        processor, self._first = self._first, None
        made = processor if processor is not None else self._order.make()
        assert isinstance(made, DeferredProcessor)
        return LocalPerformer(made, self._floor.blame, self._number)
