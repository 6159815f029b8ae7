"""One piece of news as JSON, made once for all who may see the same of it."""

from typing import Any

from msgspec import msgpack

from framebus.access import Role
from framebus.codec import News
from framebus_services.gateway.authority import Subject
from framebus_services.gateway.refusals import to_json
from framebus_services.gateway.sight import seen_by


class Item:
    """News that was read and found good. `body` is what it says, as plain values."""

    def __init__(self, news: News) -> None:
        """Raises MalformedError when it is no message of its topic, ValueError when JSON can't say it."""
        news.decode()
        self.topic = news.topic
        self.at_s = news.head.at_s
        self.src = news.head.src
        self.is_retained = news.row.is_retained
        self.body: dict[str, Any] = msgpack.decode(news.body)
        self.is_stale = False
        """its publisher died and has not spoken since"""
        self._has_picture = news.blob is not None
        self._texts: dict[tuple[Role, frozenset[str] | None, bool], str | None] = {}
        to_json(self.body)

    def text_for(self, subject: Subject) -> str | None:
        """The message for this subject; None when it may not see it."""
        key = (subject.role, subject.cameras, self.is_stale)
        if key not in self._texts:
            self._texts[key] = self._make(subject)
        return self._texts[key]

    def _make(self, subject: Subject) -> str | None:
        body = seen_by(subject, self.topic, self.body)
        if body is None:
            return None
        message = {"topic": self.topic, "at_s": self.at_s, "src": self.src, "is_stale": self.is_stale, "body": body}
        if self._has_picture:
            message["has_picture"] = True
        return to_json(message).decode()
