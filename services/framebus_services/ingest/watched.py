"""The files that are not taken yet, in the order in which they are to be looked at. Pure: time comes in as a number."""

import heapq

from framebus_services.ingest.sighting import Sighting

MAX_WATCHED = 50_000
"""at once; the others are found by the next scan"""
NEVER_S = float("inf")


class Watched:
    """Paths with what was seen of each; each stands in the line once, however often it is heard of."""

    def __init__(self) -> None:
        self._sightings: dict[str, Sighting] = {}
        self._line: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._sightings)

    @property
    def next_due_s(self) -> float:
        """The boot time at which the next one is to be looked at."""
        return self._line[0][0] if self._line else NEVER_S

    def get(self, path: str) -> Sighting | None:
        return self._sightings.get(path)

    def add(self, path: str, sighting: Sighting) -> None:
        """A file that was not seen before; it is looked at when somebody says when."""
        self._sightings[path] = sighting

    def wait(self, path: str, until_s: float) -> None:
        """Have it looked at then, or sooner."""
        sighting = self._sightings.get(path)
        if sighting is not None and until_s < sighting.due_s:
            sighting.due_s = until_s
            heapq.heappush(self._line, (until_s, path))

    def wait_until_ready(self, path: str, sighting: Sighting) -> None:
        """Have it looked at when it may be whole."""
        self.wait(path, sighting.ready_s())

    def take_due(self, now_s: float) -> tuple[str, Sighting] | None:
        """The next file whose time has come; None: there is none."""
        while self._line and self._line[0][0] <= now_s:
            _, path = heapq.heappop(self._line)
            sighting = self._sightings.get(path)
            if sighting is not None:
                sighting.due_s = NEVER_S
                return path, sighting
        return None

    def drop(self, path: str) -> None:
        """It is there no more, or was decided on."""
        self._sightings.pop(path, None)
