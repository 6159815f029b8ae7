"""What a service may do: hear news, tell news, ask, answer, and be called again later.

`Bus` holds everything but the sockets; `framebus.transport.SocketBus` and `framebus.testing.FakeBus` complete it.
"""

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from framebus import codec, requests
from framebus.answering import Answering
from framebus.clock import Clock, boot_id
from framebus.codec import Head, News
from framebus.door import Frames, Promise, Reply
from framebus.errors import MalformedError
from framebus.hearing import Ears, Hearing, NewsHandler
from framebus.messages import Beacon, Message
from framebus.place import Place
from framebus.redact import redact
from framebus.requests import Request
from framebus.retained import Retained
from framebus.stats import Stats
from framebus.timers import Handler, Timer, Timers
from framebus.topics import topic_of

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)
A = TypeVar("A", bound=Message)
S = TypeVar("S", bound=msgspec.Struct)

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
        self.settings_file: Path | None = None
        """where `settings` came from: written anew when one changes that the service takes live"""
        self.was_killed = False
        """the life before ended from outside, as far as a launcher knows: nothing in it was to blame"""
        self._settings = settings
        self._host = boot_id()[:8]
        self._thread = threading.get_ident()
        self._answering = Answering(name, clock, self.stats, self._count_malformed, self._send_answer, self._leave)
        self._patient = 0
        """requests of this turn of the loop whose answers could have waited"""
        self._watched_topics: dict[str, Callable[[bool], None]] = {}
        self._timers = Timers(clock, self._guard)
        self._retained = Retained(self._timers, self._send, self._send_beacon)
        self._seqs: dict[str, int] = {}
        self._hearing = Hearing(
            self._timers,
            self.stats,
            Ears(subscribe=self._subscribe, unsubscribe=self._unsubscribe, refresh=self._refresh),
            guard=self._guard,
            call_soon=self.call_soon,
            note_malformed=self._count_malformed,
        )

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
        Raises TypeError for a type that has no topic, or a field that the type lacks.
        """
        if unknown := only.keys() - set(body.__struct_fields__):
            raise TypeError(
                f"{body.__name__} has no field {min(unknown)!r}; it has {', '.join(body.__struct_fields__)}"
            )

        def decode(news: News) -> None:
            message = cast(M, news.decode())
            if all(getattr(message, field) == value for field, value in only.items()):
                handler(message)

        self.on_news(topic_of(body).prefix_for(only), decode)

    def on_news(self, prefix: str, handler: NewsHandler) -> None:
        """Call `handler` with all news whose topic starts with `prefix`: head, body as bytes, blob."""
        self._hearing.listen(prefix, handler)

    def off_news(self, prefix: str, handler: NewsHandler) -> None:
        """Take back one `on_news`; who made the news for us alone stops making them. ValueError when there was none."""
        self._hearing.stop_listening(prefix, handler)

    def on_watched(self, topic: str, handler: Callable[[bool], None]) -> None:
        """Call `handler` with True for each subscription to this very topic, with False when nobody has one any more.

        For news that are made only while somebody wants them; a subscription to all news does not count.
        """
        self._watched_topics[topic] = handler

    def on_stale(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with each retained topic whose publisher died, until it speaks again."""
        self._hearing.listen_for_stale(handler)

    def every(self, period_s: float, handler: Handler) -> Timer:
        """Call `handler` each `period_s`, first after one period; one of a second or more begins at a whole second."""
        return self._timers.every(period_s, handler)

    def after(self, delay_s: float, handler: Handler) -> Timer:
        """Call `handler` once, `delay_s` from now."""
        return self._timers.after(delay_s, handler)

    def publish(self, message: Message, blob: bytes | None = None) -> None:
        """Tell everybody who listens. May be called from any thread; never blocks.

        Raises TypeError for a type that has no topic, MalformedError for a message that is larger than readers accept;
        from another thread than the loop's that is logged and counted instead.
        """
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

    def answer(self, request: type[Request[A]], handler: Callable[..., A | Reply], *, can_wait: bool = False) -> None:
        """Answer requests of this type with what `handler(request)` returns, or the RefusedError that it raises.

        `can_wait`: nobody is held up for 2 ms; where several come at once, more are left to gather.
        """

        def at_once(body: Request[Message], promise: Promise) -> None:
            self._patient += can_wait
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
        Raises RefusedError, DeadlineError when nobody answered, ValueError for a deadline of more than an hour.
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
        """Take one message from the bus."""
        self._hearing.receive(frames)

    def flush_latest(self) -> None:
        """Hand out the newest message of each latest-wins topic, after everything that waited was received."""
        self._hearing.flush_latest()

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
