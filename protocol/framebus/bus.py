"""What a service may do: hear news, tell news, ask, answer, and be called again later.

`Bus` holds everything but the sockets; `framebus.transport.SocketBus` and `framebus.testing.FakeBus` complete it.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar, cast

import msgspec

from framebus import codec, requests
from framebus.answering import Answering
from framebus.catching_up import CatchingUp
from framebus.clock import Clock, boot_id
from framebus.codec import Head, News
from framebus.convergence import Convergence
from framebus.door import Frames, Promise, Reply
from framebus.errors import MalformedError
from framebus.gaps import Gaps
from framebus.messages import Beacon, Gone, Message
from framebus.place import Place
from framebus.redact import redact
from framebus.requests import Request
from framebus.retained import Retained
from framebus.stats import Stats
from framebus.timers import Handler, Timer, Timers
from framebus.topics import TOPICS, WhenFull, topic_of

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)
A = TypeVar("A", bound=Message)
S = TypeVar("S", bound=msgspec.Struct)
Outcome = Message | Reply
NewsHandler = Callable[[News], None]

MAX_SEQS = 20_000


class Bus(ABC):
    """The bus as one service sees it. Everything but `call_soon`, `publish` and `ask` belongs to the loop's thread."""

    def __init__(self, name: str, *, place: Place, clock: Clock, epoch: int, settings: bytes = b"{}") -> None:
        self.name = name
        self.place = place
        self.clock = clock
        self.epoch = epoch
        """which life of this service this is; greater than in any life before"""
        self.stats = Stats(name)
        self.complaint = ""
        """what is not well, as a sentence, for `framebus status`; empty when all is well"""
        self._settings = settings
        self._host = boot_id()[:8]
        self._thread = threading.get_ident()
        self._handlers: list[tuple[str, NewsHandler]] = []
        self._answering = Answering(name, clock, self.stats, self._count_malformed, self._send_answer, self._leave)
        self._stale_handlers: list[Callable[[str], None]] = []
        self._watched_topics: dict[str, Callable[[bool], None]] = {}
        self._timers = Timers(clock, self._guard)
        self._retained = Retained(self._timers, self._send, self._send_beacon)
        self._seqs: dict[str, int] = {}
        self._beacons: set[str] = set()
        """which are subscribed to"""
        self._convergence = Convergence()
        self._catching_up = CatchingUp(self._timers, self._ask_again)
        self._gaps = Gaps()
        self._latest: dict[str, News] = {}
        self._values: dict[str, News] = {}
        """the newest of each retained topic, for handlers that come later"""

    # What a service calls --------------------------------------------------------------------------------------------

    @property
    def raw_settings(self) -> bytes:
        """This service's section of the configuration as JSON, for a process of its own."""
        return self._settings

    def settings(self, kind: type[S]) -> S:
        """This service's section of the configuration; raises msgspec.ValidationError, which ends it with exit 78."""
        return msgspec.json.decode(self._settings, type=kind)

    def on(self, body: type[M], handler: Callable[[M], None], **only: str) -> None:
        """Call `handler` with each message of this type, as in `on(FrameNotice, self._note, camera="front")`.

        Of a retained topic the last value comes at once, and nothing older than what was seen ever comes after.
        """

        if unknown := only.keys() - set(body.__struct_fields__):
            raise TypeError(
                f"{body.__name__} has no field {min(unknown)!r}; it has {', '.join(body.__struct_fields__)}"
            )

        def decode(news: News) -> None:
            message = cast(M, news.decode())
            if all(getattr(message, field) == value for field, value in only.items()):
                handler(message)

        self.on_news(_prefix(topic_of(body).pattern, only), decode)

    def on_news(self, prefix: str, handler: NewsHandler) -> None:
        """Call `handler` with all news whose topic starts with `prefix`: head, body as bytes, blob."""
        for beacons in _beacons_for(prefix) - self._beacons:
            if not self._beacons:
                self._subscribe("gone/")
            self._beacons.add(beacons)
            self._subscribe(beacons)
        self._handlers.append((prefix, handler))
        self._subscribe(prefix)
        if any(topic.startswith(prefix) for topic in self._values):  # their replay would be dropped as already seen
            self.call_soon(partial(self._hand_out_held, prefix, handler))

    def off_news(self, prefix: str, handler: NewsHandler) -> None:
        """Take back one `on_news`; who made the news for us alone stops making them."""
        self._handlers.remove((prefix, handler))
        self._unsubscribe(prefix)

    def on_watched(self, topic: str, handler: Callable[[bool], None]) -> None:
        """Call `handler` with True for each subscription to this very topic, with False when nobody has one any more.

        For news that are made only while somebody wants them; a subscription to all news does not count.
        """
        self._watched_topics[topic] = handler

    def on_stale(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with each retained topic whose publisher died, until it speaks again."""
        self._stale_handlers.append(handler)

    def every(self, period_s: float, handler: Handler) -> Timer:
        """Call `handler` each `period_s`, first after one period; one of a second or more begins at a whole second."""
        return self._timers.every(period_s, handler)

    def after(self, delay_s: float, handler: Handler) -> Timer:
        """Call `handler` once, `delay_s` from now."""
        return self._timers.after(delay_s, handler)

    def publish(self, message: Message, blob: bytes | None = None) -> None:
        """Tell everybody who listens. May be called from any thread; never blocks."""
        if threading.get_ident() != self._thread:
            self.call_soon(partial(self.publish, message, blob))
            return
        row = topic_of(type(message))
        topic = row.name(message)
        if not (row.is_retained or self._is_heard(topic)):
            return  # it would be encoded only to be dropped
        frames = codec.encode_news(topic, self._head(topic), message, blob)
        if row.is_retained:
            self._retained.keep(topic, self._seqs[topic], frames)
        self._send(frames)

    def answer(self, request: type[Request[A]], handler: Callable[..., A | Reply]) -> None:
        """Answer requests of this type with what `handler(request)` returns, or the RefusedError that it raises."""

        def at_once(body: Request[Message], promise: Promise) -> None:
            promise.resolve(handler(body))

        self.answer_later(request, at_once)

    def answer_later(self, request: type[Request[A]], handler: Callable[..., None]) -> None:
        """Answer requests of this type when `handler(request, promise)` settles the promise, then or later."""
        self._answering.set(request, handler)
        self._open_door()

    def ask(self, service: str, request: Request[A], deadline_s: float = 5.0, *, is_long: bool = False) -> A:
        """Ask `service` and wait for its answer. May be called from any thread.

        A lost answer is asked for again under the same id until `deadline_s` is over; `is_long` marks a request that
        is answered late by design, and is sent again only when the connection breaks.
        Raises RefusedError, or DeadlineError when nobody answered.
        """
        answer, _ = self.ask_blob(service, request, deadline_s, is_long=is_long)
        return answer

    def ask_blob(
        self, service: str, request: Request[A], deadline_s: float = 5.0, *, is_long: bool = False
    ) -> tuple[A, bytes | None]:
        """As `ask`; the answer's blob comes with it."""
        method = requests.method_of(type(request))
        body, blob = self._ask(service, method.name, codec.encode(request), deadline_s, is_long)
        return cast(A, codec.decode_body(body, method.answer)), blob

    @abstractmethod
    def call_soon(self, handler: Handler) -> None:
        """Call `handler` on the loop's thread. The one way in from other threads."""

    @abstractmethod
    def watch(self, file: int, handler: Handler) -> None:
        """Call `handler` whenever this file descriptor can be read."""

    @abstractmethod
    def unwatch(self, file: int) -> None:
        """Watch this file descriptor no more."""

    # What the sockets complete ---------------------------------------------------------------------------------------

    @abstractmethod
    def _send(self, frames: Frames) -> None: ...

    @abstractmethod
    def _subscribe(self, prefix: str) -> None: ...

    @abstractmethod
    def _unsubscribe(self, prefix: str) -> None: ...

    def _is_heard(self, topic: str) -> bool:
        """Whether anybody may have subscribed to this topic."""
        return True

    @abstractmethod
    def _refresh(self, topic: str) -> None: ...

    @abstractmethod
    def _open_door(self) -> None: ...

    @abstractmethod
    def _send_answer(self, peer: bytes, frames: Frames) -> bool: ...

    @abstractmethod
    def _ask(
        self, service: str, method: str, body: bytes, deadline_s: float, is_long: bool
    ) -> tuple[bytes, bytes | None]: ...

    # What the sockets call -------------------------------------------------------------------------------------------

    def receive(self, frames: Sequence[bytes]) -> None:
        """Take one message from the bus: refuse what is malformed, keep what is latest-wins, hand on the rest."""
        try:
            news = codec.decode_news(frames)
        except MalformedError as error:
            self._count_malformed("news", error)
            return
        if lost := self._gaps.note(news.topic, news.head):
            self.stats.count("dropped.on_the_way", lost)
        if news.row.when_full is WhenFull.LATEST and not news.row.is_retained and news.row.body is not Beacon:
            if news.topic in self._latest:
                self.stats.count("dropped.stale_notice")
            self._latest[news.topic] = news
            return
        self._hand_out(news)

    def flush_latest(self) -> None:
        """Hand out the newest message of each latest-wins topic, after everything that waited was received."""
        while self._latest:
            self._hand_out(self._latest.pop(next(iter(self._latest))))

    def receive_request(self, peer: bytes, frames: Sequence[bytes]) -> None:
        """Take one request from `peer`: it is answered exactly once, also when it can't be read."""
        self._answering.receive(peer, frames)

    def receive_subscription(self, prefix: str) -> None:
        """Somebody subscribed: send the retained topics under `prefix` again, soon."""
        self._retained.replay(prefix)
        self._tell_watched(prefix, True)

    def receive_unsubscription(self, prefix: str) -> None:
        """The last subscription to `prefix` ended."""
        self._tell_watched(prefix, False)

    def run_due(self) -> None:
        """Call the timers whose time has come."""
        self._timers.run_due()

    def wait_s(self, limit_s: float) -> float:
        """How long the loop may sleep before a timer is due, at most `limit_s`."""
        return self._timers.wait_s(limit_s)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _guard(self, what: str, work: Handler) -> None:
        """The error boundary of a service: a handler that raises is logged and counted, and the loop goes on."""
        try:
            work()
        except Exception:
            self.stats.count(f"errors.{what}")
            log.exception("%s handler failed", what)

    def _head(self, topic: str) -> Head:
        seq = self._seqs[topic] = self._seqs.get(topic, 0) + 1
        if len(self._seqs) > MAX_SEQS:
            self._forget_seqs()
        return Head(
            v=codec.VERSION,
            src=self.name,
            epoch=self.epoch,
            seq=seq,
            at_s=self.clock.wall_s(),
            up_s=self.clock.boot_s(),
            host=self._host,
        )

    def _count_malformed(self, what: str, error: MalformedError) -> None:
        counter = f"malformed.{what}.{error.reason}"
        self.stats.count(counter)
        if self.stats.counters[counter] == 1:
            log.warning("malformed %s: %s; more of them are only counted", what, redact(str(error)))

    def _wants(self, topic: str) -> bool:
        return any(topic.startswith(prefix) for prefix, _ in self._handlers)

    def _hand_out(self, news: News) -> None:
        if news.row.is_retained:
            if not self._convergence.accept(news.topic, news.head):
                return
            self._values[news.topic] = news
            self._catching_up.arrived(news.topic, news.head.epoch, news.head.seq)
        if news.row.body is Beacon:
            self._guard("beacon", partial(self._catch_up, news))
        elif news.row.body is Gone:
            self._guard("gone", partial(self._mark_gone, news))
        for prefix, handler in self._handlers:
            if news.topic.startswith(prefix):
                self._guard(news.row.prefix, partial(self._deliver, handler, news))

    def _hand_out_held(self, prefix: str, handler: NewsHandler) -> None:
        for topic, news in list(self._values.items()):
            if topic.startswith(prefix):
                self._guard(news.row.prefix, partial(self._deliver, handler, news))

    def _deliver(self, handler: NewsHandler, news: News) -> None:
        try:
            handler(news)
        except MalformedError as error:
            self._count_malformed("news", error)

    def _catch_up(self, news: News) -> None:
        beacon = codec.decode_body(news.body, Beacon)
        for topic in self._convergence.behind(beacon, self._wants):
            self._catching_up.need(topic, beacon.epoch, beacon.topics[topic])
        self._catching_up.go_on()

    def _ask_again(self, topic: str) -> None:
        self.stats.count("retained.asked_again")
        self._refresh(topic)

    def _mark_gone(self, news: News) -> None:
        for topic in self._convergence.mark_gone(codec.decode_body(news.body, Gone)):
            for handler in self._stale_handlers:
                handler(topic)

    def _leave(self, send: Handler) -> None:
        """An answer is ready: `send` sends it."""
        send()

    def _tell_watched(self, prefix: str, is_watched: bool) -> None:
        handler = self._watched_topics.get(prefix)
        if handler is not None:
            self._guard("watched", partial(handler, is_watched))

    def _send_beacon(self, topics: dict[str, int]) -> None:
        beacon = Beacon(src=self.name, epoch=self.epoch, topics=topics)
        topic = topic_of(Beacon).name(beacon)
        self._send(codec.encode_news(topic, self._head(topic), beacon))

    def _forget_seqs(self) -> None:
        """Topics of jobs that ended long ago need no counter; those of retained topics are never dropped."""
        old = [topic for topic in self._seqs if topic not in self._retained][: MAX_SEQS // 2]
        for topic in old:
            del self._seqs[topic]


def _prefix(pattern: str, only: dict[str, str]) -> str:
    """The subscription for a pattern with some of its fields given: all before the first that is open."""
    parts = []
    for part in pattern.removesuffix("/").split("/"):
        field = part[1:-1] if part.startswith("{") else None
        if field is not None and field not in only:
            break
        parts.append(only[field] if field is not None else part)
    return "/".join(parts) + "/"


RETAINED = tuple(topic for topic in TOPICS if topic.is_retained)
RETAINED_PREFIXES = tuple(topic.prefix for topic in RETAINED)


def _beacons_for(prefix: str) -> set[str]:
    """The beacons of those who own what is retained under `prefix`, as subscriptions."""
    touched = (row for row in RETAINED if prefix.startswith(row.prefix) or row.prefix.startswith(prefix))
    owners = {row.owner for row in touched}
    return {"beacon/"} if "" in owners else {f"beacon/{owner}" for owner in owners}
