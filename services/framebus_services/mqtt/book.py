"""All that stands at the broker because of us: what is to stand there, and on disk what may have to be taken away."""

import logging
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from framebus.replacing import replacing
from framebus_services.mqtt.publication import Publication

log = logging.getLogger(__name__)

NAME = "mqtt.json"
AVAILABLE = "available"
"""the part that is said last: then all the others are true"""
MAX_BYTES = 16 * 1024**2


class Page(Struct, kw_only=True):
    """The file: so that the next life takes away what this one said of a camera that is gone by then."""

    client: str
    """our name at the broker: the same in each life, so that a new one ends the one before there, too"""
    broker: str = ""
    topics: list[str] = []
    """that may stand there"""
    labels: dict[str, dict[str, str]] = {}
    """by camera and name in topics: what objects were called"""


class Book:
    """The retained topics of one group at one broker, in parts that are said anew as a whole."""

    def __init__(self, data: Path, broker: str, send: Callable[[Publication], None]) -> None:
        """`send` takes what the broker has to be told."""
        self._path = data / NAME
        self._send = send
        self._page = _read(self._path)
        self._standing = set(self._page.topics) if self._page.broker == broker else set()
        self._broker = broker
        self._parts: dict[str, dict[str, Publication]] = {}
        self._ends: set[str] = set()
        """what is to be taken away, and was not acknowledged yet"""
        self._is_failing = False
        self._is_changed = True

    @property
    def client(self) -> str:
        return self._page.client

    @property
    def labels(self) -> dict[str, dict[str, str]]:
        """What objects were called, in this life and before; `note_label` adds to it."""
        return self._page.labels

    def __len__(self) -> int:
        return sum(map(len, self._parts.values()))

    def note_label(self, camera: str, label: str, called: str) -> None:
        self._page.labels.setdefault(camera, {})[label] = called
        self._is_changed = True

    def forget_labels(self, camera: str) -> None:
        self._is_changed |= self._page.labels.pop(camera, None) is not None

    def say(self, part: str, *publications: Publication) -> None:
        """This part consists of these from now on; only what is new is sent, what is no more is taken away."""
        old, new = self._parts.get(part, {}), {one.topic: one for one in publications}
        self._parts[part] = new
        for topic in old.keys() - new.keys():
            self._end(topic)
        for topic, one in new.items():
            if topic not in self._standing:
                self._standing.add(topic)
                self._is_changed = True
            self._ends.discard(topic)
            if old.get(topic) != one:
                self._send(one)

    def take_away(self, part: str, topic: str) -> None:
        """The parts whose names begin so are no more, nor what else stands under topics that begin so."""
        for name in [name for name in self._parts if name.startswith(part)]:
            self.say(name)
            del self._parts[name]
        for left in [one for one in self._standing - self._ends if one.startswith(topic)]:
            self._end(left)

    def say_all(self, kept: Iterable[str] = ()) -> None:
        """Send all of it, for a broker that may know nothing of it, and take away what an earlier life left there.

        Topics in `kept` may stand there as they are.
        """
        for topic in self._standing - {topic for part in self._parts.values() for topic in part} - set(kept):
            self._ends.add(topic)
        for topic in self._ends:
            self._send(Publication(topic=topic, payload=b""))
        for part in sorted(self._parts, key=lambda part: part == AVAILABLE):
            for one in self._parts[part].values():
                self._send(one)

    def say_again(self, end: str) -> None:
        """Send the parts whose names end so once more."""
        for part in [part for part in self._parts if part.endswith(end)]:
            for one in self._parts[part].values():
                self._send(one)

    def note_ended(self, topic: str) -> None:
        """The broker acknowledges that nothing stands there any more."""
        if topic in self._ends:
            self._ends.discard(topic)
            self._standing.discard(topic)
            self._is_changed = True

    def write(self) -> None:
        """Put on disk what has changed: before it is sent. Where that fails, a crash may leave a topic behind."""
        if not self._is_changed:
            return
        self._page.broker, self._page.topics = self._broker, sorted(self._standing)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as file:
                file.write(msgspec.json.encode(self._page))
            self._is_changed = self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                self._is_failing = True
                log.error("%s can't be written: %s; tried again with the next message", self._path, error)

    def _end(self, topic: str) -> None:
        self._ends.add(topic)
        self._send(Publication(topic=topic, payload=b""))


def _read(path: Path) -> Page:
    try:
        if path.stat().st_size <= MAX_BYTES:
            return msgspec.json.decode(path.read_bytes(), type=Page)
        log.warning("%s is too large to be ours; begun anew", path)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s can't be read, and is begun anew: %s", path, error)
    return Page(client=f"framebus-{secrets.token_hex(4)}")
