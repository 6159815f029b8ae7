"""Brings news from the bus's thread to the loop of the web: bounded, and the last of each state is never lost."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from framebus.bus import Bus
from framebus.codec import News
from framebus_services.gateway.sight import WORDS

MAX_PASSING = 5_000
"""news that wait for a loop that is busy; the oldest go first"""


class Inbox:
    """What the bus said and the loop has not taken yet."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lock = threading.Lock()
        self._retained: dict[str, News] = {}
        self._passing: deque[News] = deque(maxlen=MAX_PASSING)
        self._stale: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_news: Callable[[], None] = lambda: None
        self._is_told = False
        self._heard_s = float("-inf")
        for word in WORDS:
            bus.on_news(word, self._note)
        bus.on_news("beacon/", self._note_beacon)
        bus.on_stale(self._note_stale)

    @property
    def silent_s(self) -> float:
        """How long nothing has come in; each owner of a state sends a beacon each second."""
        return time.monotonic() - self._heard_s

    def connect(self, loop: asyncio.AbstractEventLoop, on_news: Callable[[], None]) -> None:
        """From now on `on_news` is called in this loop when there is something to take."""
        with self._lock:
            self._loop, self._on_news, self._is_told = loop, on_news, False
        self._tell()

    def take(self) -> tuple[list[News], list[str]]:
        """All that waits, states first; and the topics whose publishers died."""
        with self._lock:
            news = [*self._retained.values(), *self._passing]
            stale, self._stale = self._stale, []
            self._retained.clear()
            self._passing.clear()
            self._is_told = False
            return news, stale

    def _note_beacon(self, news: News) -> None:
        self._heard_s = time.monotonic()

    def _note(self, news: News) -> None:
        self._heard_s = time.monotonic()
        with self._lock:
            if news.row.is_retained:
                self._retained[news.topic] = news
                if news.topic in self._stale:
                    self._stale.remove(news.topic)
            else:
                if len(self._passing) == MAX_PASSING:
                    self._bus.stats.count("dropped.inbox")
                self._passing.append(news)
        self._tell()

    def _note_stale(self, topic: str) -> None:
        with self._lock:
            self._stale.append(topic)
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            if self._loop is None or self._is_told or self._loop.is_closed():
                return
            self._is_told = True
            self._loop.call_soon_threadsafe(self._on_news)
