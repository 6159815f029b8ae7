"""What the group says: the last of each state, and the clients who are told."""

import logging

from framebus.bus import Bus
from framebus.errors import MalformedError
from framebus_services.gateway.authority import Subject
from framebus_services.gateway.inbox import Inbox
from framebus_services.gateway.item import Item
from framebus_services.gateway.reader import Reader
from framebus_services.gateway.sight import seen_by

log = logging.getLogger(__name__)

HEARD_S = 5.0
"""a dispatcher that has carried nothing for so long is not there"""


class Hub:
    """For the loop's thread alone."""

    def __init__(self, bus: Bus, inbox: Inbox) -> None:
        self._bus = bus
        self._inbox = inbox
        self._readers: set[Reader] = set()
        self.states: dict[str, Item] = {}
        """the last of each retained topic"""

    @property
    def is_heard(self) -> bool:
        """Whether news come in at all."""
        return self._inbox.silent_s < HEARD_S

    def take(self) -> None:
        """Hand out all that came in."""
        news, stale = self._inbox.take()
        for one in news:
            if not one.row.is_retained and not any(reader.wanted(one.topic) for reader in self._readers):
                continue  # nobody is there to read it
            try:
                item = Item(one)
            except (MalformedError, ValueError) as error:
                self._bus.stats.count("malformed.not_shown")
                log.debug("%s is not shown: %s", one.topic, error)
                continue
            if item.is_retained:
                self.states[item.topic] = item
            for reader in self._readers:
                reader.offer(item)
        for topic in stale:
            if topic in self.states:
                item = self.states[topic]
                item.is_stale = True
                for reader in self._readers:
                    if item.text_for(reader.subject) is not None:
                        reader.offer_stale(topic)

    def add(self, reader: Reader) -> None:
        self._readers.add(reader)

    def remove(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._bus.stats.count("dropped.slow_reader", reader.dropped)

    def under(self, prefix: str) -> list[Item]:
        """The states whose topics begin with `prefix`."""
        return [item for topic, item in sorted(self.states.items()) if topic.startswith(prefix)]

    def seen(self, subject: Subject, prefix: str) -> list[tuple[Item, dict[str, object]]]:
        """The states under `prefix` as this subject may see them."""
        seen = [(item, seen_by(subject, item.topic, item.body)) for item in self.under(prefix)]
        return [(item, body) for item, body in seen if body is not None]
