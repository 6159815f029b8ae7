"""Follows the news of a group from a thread of a script: the newest of everything, and waiting for what shall come."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from framebus.codec import News
from framebus.errors import MalformedError
from framebus.messages import Message
from framebus.place import Place
from framebus.transport import Listener

T = TypeVar("T")
M = TypeVar("M", bound=Message)
POLL_S = 0.05


class Observer:
    """Hears all topics of a group. Use it in a `with` block."""

    def __init__(self, place: Place) -> None:
        self._listener = Listener(place, "")
        self._condition = threading.Condition()
        self._newest: dict[str, News] = {}
        self._order: dict[str, tuple[int, int]] = {}
        self._is_closing = False
        self._thread = threading.Thread(target=self._listen, name="observer", daemon=True)
        self._thread.start()

    def newest(self, topic: str, kind: type[M]) -> M | None:
        """The newest message of a topic, or None."""
        news = self._newest.get(topic)
        if news is None:
            return None
        message = news.decode()
        return message if isinstance(message, kind) else None

    def head_epochs(self) -> dict[str, int]:
        """The epoch of the newest message of each topic."""
        with self._condition:
            return {topic: news.head.epoch for topic, news in self._newest.items()}

    def wait_for(self, find: Callable[[], T | None], limit_s: float) -> T | None:
        """What `find` returns as soon as it is not None; None after `limit_s`."""
        end_s = time.monotonic() + limit_s
        with self._condition:
            while True:
                found = find()
                if found is not None:
                    return found
                left_s = end_s - time.monotonic()
                if left_s <= 0 or self._is_closing:
                    return None
                self._condition.wait(min(left_s, POLL_S))

    def close(self) -> None:
        self._is_closing = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> "Observer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _listen(self) -> None:
        while not self._is_closing:
            for news in self._listener.wait(POLL_S):
                self._note(news)

    def _note(self, news: News) -> None:
        order = (news.head.epoch, news.head.seq)
        try:
            news.decode()
        except MalformedError:
            return
        with self._condition:
            if order >= self._order.get(news.topic, (0, 0)):
                self._order[news.topic] = order
                self._newest[news.topic] = news
                self._condition.notify_all()
