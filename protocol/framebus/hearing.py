"""The hearing side of a bus: who listens to what, and what each of them gets of the news that come. No sockets here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from framebus import codec
from framebus.catching_up import CatchingUp
from framebus.codec import News
from framebus.convergence import Convergence
from framebus.errors import MalformedError
from framebus.gaps import Gaps
from framebus.messages import Beacon, Gone
from framebus.stats import Stats
from framebus.timers import Handler, Timers
from framebus.topics import RETAINED, WhenFull

NewsHandler = Callable[[News], None]


@dataclass(frozen=True, kw_only=True)
class Ears:
    """What hearing needs of the sockets."""

    subscribe: Callable[[str], None]
    unsubscribe: Callable[[str], None]
    refresh: Callable[[str], None]
    """let the owner of a retained topic send its value once more"""


class Hearing:
    """The listeners of one service, and what was heard of each retained topic."""

    def __init__(
        self,
        timers: Timers,
        stats: Stats,
        ears: Ears,
        *,
        guard: Callable[[str, Handler], None],
        call_soon: Callable[[Handler], None],
        note_malformed: Callable[[str, MalformedError], None],
    ) -> None:
        """`guard(what, work)` is how listeners are called: what one raises must not stop the others."""
        self._stats = stats
        self._ears = ears
        self._guard = guard
        self._call_soon = call_soon
        self._note_malformed = note_malformed
        self._handlers: list[tuple[str, NewsHandler]] = []
        self._stale_handlers: list[Callable[[str], None]] = []
        self._beacons: set[str] = set()
        """which are subscribed to"""
        self._gaps = Gaps()
        self.convergence = Convergence()
        self._catching_up = CatchingUp(timers, self._ask_again)
        self._latest: dict[str, News] = {}
        """the newest of each latest-wins topic that is not retained, until `flush_latest`"""
        self._values: dict[str, News] = {}
        """the newest of each retained topic, for listeners that come later"""

    def listen(self, prefix: str, handler: NewsHandler) -> None:
        """Call `handler` with all news whose topic starts with `prefix`; with the values held of it first, soon."""
        for beacons in _beacons_for(prefix) - self._beacons:
            if not self._beacons:
                self._ears.subscribe("gone/")
            self._beacons.add(beacons)
            self._ears.subscribe(beacons)
        if not self._is_listened(prefix):  # the end of one that stands twice would reach no publisher
            self._ears.subscribe(prefix)
        self._handlers.append((prefix, handler))
        if any(topic.startswith(prefix) for topic in self._values):  # their replay would be dropped as already seen
            self._call_soon(partial(self._hand_out_held, prefix, handler))

    def stop_listening(self, prefix: str, handler: NewsHandler) -> None:
        """Take back one `listen`; raises ValueError when there was none."""
        self._handlers.remove((prefix, handler))
        if not self._is_listened(prefix):
            self._ears.unsubscribe(prefix)

    def listen_for_stale(self, handler: Callable[[str], None]) -> None:
        """Call `handler` with each retained topic whose publisher died."""
        self._stale_handlers.append(handler)

    def receive(self, frames: Sequence[bytes]) -> None:
        """Take one message: refuse what is malformed, keep what is latest-wins, hand out the rest."""
        try:
            news = codec.decode_news(frames)
        except MalformedError as error:
            self._note_malformed("news", error)
            return
        if lost := self._gaps.note(news.topic, news.head):
            self._stats.count("dropped.on_the_way", lost)
        if news.row.when_full is WhenFull.LATEST and not news.row.is_retained and news.row.body is not Beacon:
            if news.topic in self._latest:
                self._stats.count("dropped.stale_notice")
            self._latest[news.topic] = news
            return
        self._hand_out(news)

    def flush_latest(self) -> None:
        """Hand out the newest message of each latest-wins topic, after everything that waited was received."""
        while self._latest:
            self._hand_out(self._latest.pop(next(iter(self._latest))))

    def _hand_out(self, news: News) -> None:
        if news.row.is_retained:
            if not self.convergence.accept(news.topic, news.head):
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
        except MalformedError as error:  # a body is decoded by who wants it
            self._note_malformed("news", error)

    def _catch_up(self, news: News) -> None:
        beacon = codec.decode_body(news.body, Beacon)
        for topic in self.convergence.behind(beacon, self._is_wanted):
            self._catching_up.need(topic, beacon.epoch, beacon.topics[topic])
        self._catching_up.go_on()

    def _is_listened(self, prefix: str) -> bool:
        return any(prefix == listened for listened, _ in self._handlers)

    def _is_wanted(self, topic: str) -> bool:
        return any(topic.startswith(prefix) for prefix, _ in self._handlers)

    def _ask_again(self, topic: str) -> None:
        self._stats.count("retained.asked_again")
        self._ears.refresh(topic)

    def _mark_gone(self, news: News) -> None:
        for topic in self.convergence.mark_gone(codec.decode_body(news.body, Gone)):
            for handler in self._stale_handlers:
                handler(topic)


def _beacons_for(prefix: str) -> set[str]:
    """The beacons of those who own what is retained under `prefix`, as subscriptions."""
    touched = (row for row in RETAINED if prefix.startswith(row.prefix) or row.prefix.startswith(prefix))
    owners = {row.owner for row in touched}
    return {"beacon/"} if "" in owners else {f"beacon/{owner}" for owner in owners}
