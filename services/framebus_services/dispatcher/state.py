"""A copy of all retained topics, for clients without SUB."""

import bisect

from msgspec import Raw

from framebus.bus import Bus
from framebus.codec import News
from framebus.requests import GetState, StateRow, StateRows
from framebus.topics import RETAINED

MAX_ROWS = 500


class State:
    """Listens to every retained topic and answers `state.get`."""

    def __init__(self, bus: Bus) -> None:
        self._news: dict[str, News] = {}
        self._stale: set[str] = set()
        for row in RETAINED:
            bus.on_news(row.prefix, self._note)
        bus.on_stale(self._stale.add)
        bus.answer(GetState, self._answer)

    def _note(self, news: News) -> None:
        self._news[news.topic] = news
        self._stale.discard(news.topic)

    def _answer(self, ask: GetState) -> StateRows:
        topics = sorted(topic for topic in self._news if topic.startswith(ask.prefix))
        first = bisect.bisect_right(topics, ask.after) if ask.after is not None else 0
        page = topics[first : first + MAX_ROWS]
        more = len(topics) > first + MAX_ROWS
        return StateRows(rows=[self._row(topic) for topic in page], next=page[-1] if more else None)

    def _row(self, topic: str) -> StateRow:
        news = self._news[topic]
        return StateRow(
            topic=topic,
            src=news.head.src,
            epoch=news.head.epoch,
            seq=news.head.seq,
            at_s=news.head.at_s,
            body=Raw(news.body),
            is_stale=topic in self._stale,
        )
