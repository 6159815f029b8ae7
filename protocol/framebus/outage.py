"""Says once that the dispatcher is away, and once that it is back, however many slots ask how often."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Outage:
    """Shared by all who ask the dispatcher; safe from any thread."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._since_s: float | None = None

    def away(self, why: object) -> None:
        with self._lock:
            if self._since_s is None:
                self._since_s = self._clock_s()
                log.warning("no work, asking again until there is an answer: %s", why)

    def back(self) -> None:
        with self._lock:
            if self._since_s is not None:
                log.info("the dispatcher answers again, after %.1f s", self._clock_s() - self._since_s)
                self._since_s = None
