"""A processor whose work waits in a lane for a worker, and the care for that worker.

| what is seen | what is done |
| --- | --- |
| its thread hangs for longer than `task_limit_s`, or has died | the thread is abandoned; a new instance gets the line |
| its process hangs or has died | the process is killed and replaced (`WorkerProcess`) |
| either, with work in hand | the work is `lost`; the third time with the same object that object is left out |
| a new instance or process | gets the newest section of each topic first |
| a new instance can't be made | another attempt, after longer and longer rests |
| too many abandoned threads that have not ended | said so; the process ends in good order and is started again |
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial

from msgspec import Raw

from framebus.errors import ErrorCode
from framebus_services.enrich.deferred_thread import Life, Performer
from framebus_services.enrich.guard import Reply, Result, Told
from framebus_services.enrich.lane import Ask, Configure, Expire, Item, Lane, Reason, Work
from framebus_services.enrich.line import Drained, Ended, InHand, Line
from framebus_services.enrich.orders import Order
from framebus_services.enrich.seat import Floor, Outcome, Seat
from framebus_services.enrich.strikes import Strikes

log = logging.getLogger(__name__)

MAKE_LIMIT_S = 60.0
"""a constructor may load a model"""
REST_S, REST_LIMIT_S = 0.5, 30.0
"""before the next attempt to make an instance; doubles with each"""


class DeferredSeat(Seat):
    """What threads and processes have in common; see the table."""

    def __init__(self, order: Order, floor: Floor) -> None:
        super().__init__(order, floor)
        options = order.options
        max_age_s = None if options.max_age_ms is None else options.max_age_ms / 1_000.0
        lane = Lane(limit=options.queue, policy=options.policy, max_age_s=max_age_s)
        self._line = Line(lane, floor.bus.clock, partial(floor.bus.call_soon, self.drain))
        self._task_limit_s = options.task_limit_s
        self._configures: dict[str, Configure] = {}
        self._topic_strikes = Strikes()
        self._life: Life | None = None
        self._failed_makes = 0
        self._next_life_s = 0.0
        self._outcome = Outcome()
        self._left = 0
        """of the work that was there when the stop began"""
        self._is_stopping = False

    # What the loop says ----------------------------------------------------------------------------------------------

    def keep(self, looked: Sequence[Told | Work]) -> None:
        for work in looked:
            if isinstance(work, Work):
                self._floor.bus.stats.count(f"{self._stat}.tasks")
                self._line.put(work)

    def expire(self, expire: Expire) -> None:
        if not self._line.expire(expire):
            self._line.forget()
            self._replace("lets too many objects wait for their end")

    def configure(self, topic: str, value: Raw) -> None:
        if not self._topic_strikes.is_out(topic):
            self._configures[topic] = Configure(topic, value)
            self._line.configure(self._configures[topic])

    def ask(self, ask: Ask) -> bool:
        return self._line.ask(ask)

    def start(self) -> None:
        self._begin_life()

    def step(self) -> None:
        self.drain()
        life = self._life
        now_s = self._floor.bus.clock.boot_s()
        if life is None:
            if now_s >= self._next_life_s and not self._is_stopping:
                self._begin_life()
        elif life.error is not None:
            self._note_not_made(life, now_s)
        elif life.performer is not None and self._failed_makes:
            self._failed_makes, self.complaint = 0, ""
        elif not life.is_alive and not life.has_stopped:
            self._replace("died")
        elif (in_hand := self._line.in_hand) is not None and now_s - in_hand.begun_s > self._limit_s(in_hand):
            self._replace(f"hangs in {_named(in_hand.item)} for {now_s - in_hand.begun_s:.1f} s")

    def drain(self) -> None:
        """Publish and count what the worker has done."""
        self._take(self._line.drain())

    def _take(self, drained: Drained) -> None:
        for (reason, camera), count in drained.drops.items():
            self._count_drop(reason, camera, count)
        for ask in drained.late:
            self._floor.bus.stats.count(f"{self._stat}.asked_too_late")
            self._floor.answered(ask.id, self.name, Reply(code=ErrorCode.DEADLINE, text="its turn came too late"))
        for ended in drained.ended:
            self._settle(ended)
        if not self._is_stopping:
            self._floor.bus.stats.gauge(f"{self._stat}.queued", drained.queued)

    def stop(self) -> None:
        self._left, pending, drained = self._line.stop()
        self._take(drained)
        self._is_stopping = True
        self._floor.bus.stats.forget(f"{self._stat}.queued")  # or it would stand there for ever
        self._outcome = Outcome(pending=pending)

    @property
    def has_stopped(self) -> bool:
        return self._life is None or self._life.has_stopped or not self._life.is_alive

    def cut(self) -> None:
        self._line.cut()

    def end(self) -> Outcome:
        if self._life is not None and not self.has_stopped:
            log.error("processor %s did not end in time; it is left behind", self.name)
            left = self._line.hand_over(self)
            self._life.abandon()
            if left is not None and isinstance(left.item, Work):
                self._count_drop(Reason.SHUTDOWN, left.item.camera)
        self.drain()
        return self._outcome + Outcome(dropped=self._left)

    # The worker ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def _make_performer(self) -> Performer: ...

    def _limit_s(self, in_hand: InHand) -> float:
        """How long it may be at this."""
        return MAKE_LIMIT_S if in_hand.item is None else self._task_limit_s

    def _begin_life(self) -> None:
        for configure in self._configures.values():
            self._line.configure(configure)
        self._life = Life(self.name, self._line, self._floor.bus.clock, self._make_performer)
        self._life.start()

    def _replace(self, why: str) -> None:
        life = self._life
        self._life = None
        left = self._line.hand_over(self)  # from here on what it gives is ignored
        if life is not None:
            self._floor.abandon(life, self.name)
        item = None if left is None else left.item
        said = "a new one starts" if not self._is_stopping else "it was to end"
        log.error("processor %s: its worker %s; %s", self.name, why, said)
        self._floor.bus.stats.count(f"{self._stat}.restarts")
        if item is not None:
            ended = Ended(item=item, dropped=Reason.LOST, cost_worker=True, result=_unanswered(item, why))
            self._settle(self._line.strike(ended))
        if not self._is_stopping:
            self._begin_life()

    def _note_not_made(self, life: Life, now_s: float) -> None:
        assert life.error is not None
        rest_s = min(REST_LIMIT_S, REST_S * 2.0 ** min(self._failed_makes, 10))
        self._failed_makes += 1
        self._life = None
        self._next_life_s = now_s + rest_s
        self.complaint = f"processor {self.name} can't be made again: {type(life.error).__name__}: {life.error}"
        log.error("%s; next attempt in %.1f s", self.complaint, rest_s)

    def _settle(self, ended: Ended) -> None:
        item, stats = ended.item, self._floor.bus.stats
        self._floor.settle(self.name, ended.result)
        if isinstance(item, Ask):
            self._floor.answered(item.id, self.name, ended.result.reply or Reply())
        if ended.dropped is not None and isinstance(item, Work):
            self._count_drop(ended.dropped, item.camera)
        elif isinstance(item, Work):
            self._count_done(ended)
        if ended.why:
            log.error("processor %s: %s in %s", self.name, ended.why, _named(item))
            stats.count(f"{self._stat}.errors")
        if ended.is_third:
            log.error("processor %s: %s: this object has cost three workers, and is left out", self.name, _named(item))
        if ended.cost_worker and isinstance(item, Configure) and self._topic_strikes.note(item.topic):
            self._configures.pop(item.topic, None)
            log.error("processor %s: %s has cost three workers, and is not told any more", self.name, item.topic)

    def _count_done(self, ended: Ended) -> None:
        stats = self._floor.bus.stats
        if ended.result.failure is None:
            stats.count(f"{self._stat}.done")
        stats.observe(f"{self._stat}.task", ended.took_s)
        stats.observe(f"{self._stat}.age", ended.age_s)
        if self._is_stopping and self._left:
            self._left -= 1
            self._outcome += Outcome(done=1)

    def _count_drop(self, reason: Reason, camera: str, count: int = 1) -> None:
        self._floor.bus.stats.count(f"{self._stat}.dropped.{reason.value}.{camera}", count)


def _unanswered(item: Item, why: str) -> Result:
    if isinstance(item, Ask):
        return Result(reply=Reply(code=ErrorCode.UNAVAILABLE, text=f"its worker {why}"))
    return Result()


def _named(item: Item | None) -> str:
    if isinstance(item, Work):
        what = f"frame {item.number} of camera {item.camera}"
        return f"object {item.object_id} in {what}" if item.object_id is not None else what
    if isinstance(item, Expire):
        return f"expire_object of {item.id}"
    if isinstance(item, Configure):
        return f"update_config of {item.topic}"
    if isinstance(item, Ask):
        return f"handle_request of {item.topic}"
    return "its constructor" if item is None else "shutdown"
