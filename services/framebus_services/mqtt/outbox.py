"""What waits for the broker: bounded, the newest of each state, and old events not at all."""

from collections import deque
from collections.abc import Callable

from framebus_services.mqtt.publication import Kind, Publication

MAX_EVENTS = 200
FRESH_S = 60.0
"""an event that could not be told for so long is not told any more: somebody's light would go on an hour late"""


class Outbox:
    """States go first, then events, then pictures. Its bound in topics is what is said of cameras at all."""

    def __init__(self, count: Callable[[str], None]) -> None:
        """`count` adds to a counter."""
        self._count = count
        self._newest: dict[Kind, dict[str, Publication]] = {Kind.STATE: {}, Kind.PICTURE: {}}
        self._events: deque[tuple[float, Publication]] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._newest.values())) + len(self._events)

    def put(self, publication: Publication, now_s: float) -> None:
        """Let it wait; a state takes the place of an older one of its topic."""
        if publication.kind is Kind.EVENT:
            self._events.append((now_s, publication))
            if len(self._events) > MAX_EVENTS:
                self._events.popleft()
                self._count("dropped.events")
        else:
            for waiting in self._newest.values():
                waiting.pop(publication.topic, None)
            self._newest[publication.kind][publication.topic] = publication

    def take(self, now_s: float) -> Publication | None:
        """What goes next, or None."""
        if states := self._newest[Kind.STATE]:
            return states.pop(next(iter(states)))
        while self._events:
            since_s, event = self._events.popleft()
            if now_s - since_s <= FRESH_S:
                return event
            self._count("dropped.late_events")
        pictures = self._newest[Kind.PICTURE]
        return pictures.pop(next(iter(pictures))) if pictures else None

    def forget_states(self) -> None:
        """All states are put in anew."""
        for waiting in self._newest.values():
            waiting.clear()
