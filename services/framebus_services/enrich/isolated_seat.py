"""A processor of either kind in a process of its own: the loop only puts down where the frame stands."""

import time

from framebus.processor import DeferredProcessor, Processor
from framebus_services.enrich.deferred_seat import DeferredSeat
from framebus_services.enrich.deferred_thread import Performer
from framebus_services.enrich.isolated import RemotePerformer
from framebus_services.enrich.isolated_child import Look
from framebus_services.enrich.lane import Work
from framebus_services.enrich.line import InHand
from framebus_services.enrich.orders import Load, Order
from framebus_services.enrich.seat import Floor, Sight, overrides, work_of


class IsolatedSeat(DeferredSeat):
    """A processor of either kind in a process of its own."""

    def __init__(self, order: Order, floor: Floor, load: Load, first: RemotePerformer | None) -> None:
        """`first`: its process, if there is one already."""
        super().__init__(order, floor)
        self._first = first
        self._order = order
        self._load = load
        self._starts = 1
        deferred = order.is_deferred
        base: type = DeferredProcessor if deferred else Processor
        verb = "defer" if deferred else "process"
        self._wants_frames = overrides(order.kind, base, f"{verb}_frame")
        self._wants_objects = overrides(order.kind, base, f"{verb}_object")

    @property
    def pid(self) -> int | None:
        """Of its process, if there is one."""
        performer = self._life.performer if self._life is not None else None
        return performer.pid if isinstance(performer, RemotePerformer) else None

    def look(self, sight: Sight) -> list[Work]:
        camera, number, ring = sight.frame.camera, sight.frame.number, sight.ring
        works = [work_of(sight, None, Look(camera, ring, number, None))] if self._wants_frames else []
        if self._wants_objects:
            works += [work_of(sight, event.id, Look(camera, ring, number, event)) for event in sight.objects]
        return works

    def step(self) -> None:
        super().step()
        performer = self._life.performer if self._life is not None else None
        if not isinstance(performer, RemotePerformer):
            return
        error = performer.start_error
        self.complaint = f"processor {self.name} does not start: {error}" if error else ""
        if performer.starts > self._starts:
            self._floor.bus.stats.count(f"{self._stat}.restarts", performer.starts - self._starts)
            self._starts = performer.starts

    def bury(self, end_s: float) -> None:
        performer = self._life.performer if self._life is not None else None
        if isinstance(performer, RemotePerformer):
            performer.close(max(0.0, end_s - time.monotonic()))

    def _make_performer(self) -> Performer:
        first, self._first = self._first, None
        return first if first is not None else RemotePerformer(self._order, self._load)

    def _limit_s(self, in_hand: InHand) -> float:
        return float("inf")  # its process has the limit
