"""A processor that works on the loop: each call is written down before, in case that it is the last."""

from collections.abc import Sequence

from msgspec import Raw

from framebus.processor import Processor
from framebus_services.enrich.deferred_thread import perform_control
from framebus_services.enrich.guard import Reply, Result, Scene, Told, gather
from framebus_services.enrich.lane import Ask, Configure, Expire, Stop, Work
from framebus_services.enrich.orders import Order
from framebus_services.enrich.seat import Floor, Outcome, Seat, Sight, overrides


class SameThreadSeat(Seat):
    """A processor that works on the loop. Before each call it is written down who is called for what."""

    def __init__(self, order: Order, floor: Floor, processor: Processor, number: int) -> None:
        """`number` names it in the blame file."""
        super().__init__(order, floor)
        self._processor = processor
        self._number = number
        self._wants_frames = overrides(order.kind, Processor, "process_frame")
        self._wants_objects = overrides(order.kind, Processor, "process_object")

    def look(self, sight: Sight) -> list[Told | Work]:
        floor, frame, processor = self._floor, sight.frame, self._processor
        start_s = floor.bus.clock.boot_s()
        scene = Scene(frame.camera, frame.number, frame.captured_at_s)
        floor.blame.enter(self._number, frame.camera, frame.number)
        results = []
        if self._wants_frames:
            results.append(gather(processor, processor.process_frame, (frame,), scene))
        if self._wants_objects:
            for event in sight.objects:
                results.append(gather(processor, processor.process_object, (event, frame), scene))
        floor.blame.leave()
        stats = floor.bus.stats
        stats.count(f"{self._stat}.tasks", len(results))
        looked: list[Told | Work] = []
        for result in results:
            looked += result.told
            if result.failure is not None:
                floor.settle(self.name, Result(failure=result.failure))
            else:
                stats.count(f"{self._stat}.done")
        stats.observe(self._stat, floor.bus.clock.boot_s() - start_s)
        return looked

    def keep(self, looked: Sequence[Told | Work]) -> None:
        if looked:
            self._floor.settle(self.name, Result([told for told in looked if isinstance(told, Told)]))

    def expire(self, expire: Expire) -> None:
        self._settle(expire, expire.camera)

    def configure(self, topic: str, value: Raw) -> None:
        self._settle(Configure(topic, value), "")

    def ask(self, ask: Ask) -> bool:
        result = self._settle(ask, "")
        self._floor.answered(ask.id, self.name, result.reply or Reply())
        return True

    def stop(self) -> None:
        self._settle(Stop(), "")

    def start(self) -> None:
        """It has no worker."""

    def step(self) -> None:
        """It has no worker."""

    @property
    def has_stopped(self) -> bool:
        return True

    def cut(self) -> None:
        """Nothing waits."""

    def end(self) -> Outcome:
        self._floor.blame.take_back(self._number)
        return Outcome()

    def _settle(self, item: Expire | Configure | Ask | Stop, camera: str) -> Result:
        self._floor.blame.enter(self._number, camera, 0)
        result = perform_control(self._processor, item)
        self._floor.blame.leave()
        self._floor.settle(self.name, result)
        return result
