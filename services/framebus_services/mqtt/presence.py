"""Which objects are there now, as the news of one camera tell; what was lost of them is made up for."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from framebus.events import EndedObject
from framebus.messages import ObjectEvent, Phase
from framebus_services.mqtt.names import segment

MAX_OBJECTS = 1_000
MAX_ENDED = 200
SILENT_S = 60.0
"""an object that enrich does not count among those there, and of which nothing was heard for so long, is gone"""


@dataclass(slots=True)
class _Sight:
    label: str
    zones: Sequence[str]
    seen_s: float


class Presence:
    """The objects of one camera by their ids."""

    def __init__(self) -> None:
        self._there: dict[str, _Sight] = {}
        self._ended: deque[str] = deque(maxlen=MAX_ENDED)
        """those that ended last: enrich's file may name them for a moment yet"""

    def note(self, event: ObjectEvent, now_s: float) -> None:
        """Take up what one event says."""
        if event.phase is Phase.END:
            self._there.pop(event.id, None)
            self._ended.append(event.id)
        elif event.id in self._there or len(self._there) < MAX_OBJECTS:
            self._there[event.id] = _Sight(segment(event.label), event.zones, now_s)

    def compare(self, objects: Sequence[EndedObject], now_s: float) -> None:
        """These are there for enrich: who was not heard of is taken up, and who did not end within our hearing goes."""
        open_ids = {one.id for one in objects}
        for id, sight in list(self._there.items()):
            if id not in open_ids and now_s - sight.seen_s > SILENT_S:
                del self._there[id]
        for one in objects[: MAX_OBJECTS - len(self._there)]:
            if one.id not in self._ended:
                self._there.setdefault(one.id, _Sight(segment(one.label), one.zones, now_s))

    def clear(self) -> None:
        """Nobody knows of anybody any more."""
        self._there.clear()

    @property
    def labels(self) -> set[str]:
        return {sight.label for sight in self._there.values()}

    def counts(self) -> Counter[tuple[str, str]]:
        """How many there are, by zone ("": the whole picture) and label."""
        counts: Counter[tuple[str, str]] = Counter()
        for sight in self._there.values():
            counts["", sight.label] += 1
            for zone in sight.zones:
                counts[zone, sight.label] += 1
        return counts
