"""How a tape is told again: whose words it holds, in new lives, with losses and delays. No sockets and no clock here.

Receivers hold the greatest (epoch, seq) of each retained topic, so the words of old would be dropped where the same
publisher has spoken since. Each life on the tape becomes a new one, in the same order; all numbers in a row stay.
"""

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from framebus import codec
from framebus.codec import Head, News
from framebus.door import Frames
from framebus.errors import MalformedError
from framebus.messages import Beacon, Gone
from framebus.retained import MAX_BEACON_TOPICS, batched
from framebus.tape import Taped, TapeError
from framebus.topics import topic_of

MAX_TOPICS = 20_000
MAX_LIVES = 10_000


@dataclass(kw_only=True)
class Cast:
    """Who speaks on a tape, of what, and for how long."""

    lives: dict[str, set[int]] = field(default_factory=dict)
    """the epochs of each publisher"""
    topics: set[str] = field(default_factory=set)
    messages: int = 0
    first_up_s: float = 0.0
    last_up_s: float = 0.0

    def note(self, taped: Taped) -> None:
        """One message of the tape; raises TapeError when there are more topics than a group has."""
        if not self.messages:
            self.first_up_s = taped.up_s
        self.last_up_s = taped.up_s
        self.messages += 1
        try:
            news = codec.decode_news(taped.frames)
        except MalformedError:
            return
        self.lives.setdefault(news.head.src, set()).add(news.head.epoch)
        self.topics.add(news.topic)
        if len(self.topics) > MAX_TOPICS or sum(map(len, self.lives.values())) > MAX_LIVES:
            raise TapeError(f"more than {MAX_TOPICS} topics or {MAX_LIVES} lives; name topics to play only some")

    @property
    def duration_s(self) -> float:
        return max(0.0, self.last_up_s - self.first_up_s)

    def alive(self, heard: Iterable[str]) -> list[str]:
        """Publishers of the tape among those that were heard; the dispatcher does not count: no bus is without one."""
        return sorted((self.lives.keys() & set(heard)) - {"dispatcher"})


def read_cast(tape: Iterable[Taped], prefixes: Collection[str]) -> Cast:
    """Who speaks in the messages whose topics begin with one of these."""
    cast = Cast()
    for taped in tape:
        if taped.has_topic(prefixes):
            cast.note(taped)
    return cast


class Retelling:
    """Turns messages of a tape into messages of now, and keeps the last of each retained topic, as its owner would."""

    def __init__(self, cast: Cast, *, tape_host: str, host: str, epoch: int) -> None:
        """`epoch` is that of the newest life; those before have smaller ones."""
        self._tape_host, self._host = tape_host, host
        self._epochs: dict[tuple[str, int], int] = {}
        for src, lives in cast.lives.items():
            for number, old in enumerate(sorted(lives, reverse=True)):
                self._epochs[src, old] = epoch - number
        self._before = epoch - MAX_LIVES
        self._kept: dict[str, Frames] = {}
        self._newest: dict[str, tuple[str, int, int]] = {}

    def tell(self, taped: Taped, at_s: float, up_s: float) -> Frames:
        """The message as it is said at this moment; what is malformed is said as it came."""
        try:
            news = codec.decode_news(taped.frames)
            head = self._head(news.head, taped, at_s, up_s)
            body = self._body(news)
        except MalformedError:
            return taped.frames
        frames = [taped.frames[0], codec.encode(head), body, *taped.frames[3:]]
        if news.row.is_retained and self._newest.get(news.topic, ("", 0, 0))[1:] < (head.epoch, head.seq):
            self._newest[news.topic] = (head.src, head.epoch, head.seq)
            self._kept[news.topic] = frames
        return frames

    def kept(self, prefix: str) -> list[str]:
        """The retained topics under a prefix that were told."""
        return [topic for topic in self._kept if topic.startswith(prefix)]

    def last(self, topic: str) -> Frames:
        """The last message of a retained topic, for who subscribes late."""
        return self._kept[topic]

    def beacons(self, at_s: float, up_s: float) -> list[Frames]:
        """What each owner would tell of its newest numbers, so that who lost the last word asks for it."""
        seqs: dict[tuple[str, int], dict[str, int]] = {}
        for topic, (src, epoch, seq) in self._newest.items():
            seqs.setdefault((src, epoch), {})[topic] = seq
        told = []
        for (src, epoch), topics in seqs.items():
            for some in batched(topics, MAX_BEACON_TOPICS):
                beacon = Beacon(src=src, epoch=epoch, topics={topic: topics[topic] for topic in some})
                head = Head(v=codec.VERSION, src=src, epoch=epoch, seq=0, at_s=at_s, up_s=up_s, host=self._host)
                told.append(codec.encode_news(topic_of(Beacon).name(beacon), head, beacon))
        return told

    def _head(self, head: Head, taped: Taped, at_s: float, up_s: float) -> Head:
        """In the new life; as old when it arrives as it was then, where both clocks are one machine's."""
        epoch = self._epochs[head.src, head.epoch]
        if head.host != self._tape_host:
            return msgspec.structs.replace(head, epoch=epoch)
        age_s = max(0.0, taped.up_s - head.up_s)
        return msgspec.structs.replace(
            head, epoch=epoch, at_s=max(0.0, at_s - age_s), up_s=max(0.0, up_s - age_s), host=self._host
        )

    def _body(self, news: News) -> bytes:
        """Lives are named in two messages' bodies, too."""
        if news.row.body is Beacon:
            beacon = codec.decode_body(news.body, Beacon)
            return codec.encode(msgspec.structs.replace(beacon, epoch=self._life(beacon.src, beacon.epoch)))
        if news.row.body is Gone:
            gone = codec.decode_body(news.body, Gone)
            return codec.encode(msgspec.structs.replace(gone, incarnation=self._life(gone.src, gone.incarnation)))
        return news.body

    def _life(self, src: str, old: int) -> int:
        """The new epoch of a life that need not speak on the tape: of the last before it that does."""
        known = [epoch for (name, epoch) in self._epochs if name == src and epoch <= old]
        return self._epochs[src, max(known)] if known else self._before


class Weather:
    """Loses and delays messages by chance; the same seed does the same again. A row never overtakes itself."""

    def __init__(self, *, loss: float = 0.0, delay_s: float = 0.0, seed: int = 0) -> None:
        self._loss, self._delay_s = loss, delay_s
        self._dice = random.Random(seed)
        self._rows: dict[bytes, float] = {}

    def due_s(self, topic: bytes, now_s: float) -> float | None:
        """When a message of this topic arrives that leaves now; None when it is lost."""
        is_lost, share = self._dice.random() < self._loss, self._dice.random()
        if is_lost:
            return None
        due_s = max(now_s + share * self._delay_s, self._rows.get(topic, 0.0))
        self._rows[topic] = due_s
        return due_s
