"""The topic table: what may be said on the bus, by whom, how often, and what happens at the bound.

A topic is text and ends in `/`, so that `frame/cam1/` does not match `frame/cam10/`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from framebus import messages
from framebus.messages import Message


class WhenFull(StrEnum):
    """What a reader gets when it is slower than the news."""

    LATEST = "latest"
    DROP_OLDEST = "drop oldest"
    NEXT_KEY_FRAME = "next key frame"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One row of the table; `pattern` names fields of the body in braces."""

    pattern: str
    body: type[Message]
    publisher: str
    rate: str
    is_retained: bool = False
    when_full: WhenFull = WhenFull.DROP_OLDEST
    owner: str = ""
    """who alone says it, where that is one: who follows it needs no other's beacons"""

    @property
    def prefix(self) -> str:
        """What all topics of this row start with, as in `frame/`."""
        return self.pattern.partition("{")[0]

    def name(self, message: Message) -> str:
        """The topic of one message, as in `frame/front/`."""
        return self._form.format(message)

    def prefix_for(self, only: Mapping[str, str]) -> str:
        """What topics start with whose fields have these values: all before the first field that is open."""
        parts = []
        for part in self.pattern.removesuffix("/").split("/"):
            field = part[1:-1] if part.startswith("{") else None
            if field is not None and field not in only:
                break
            parts.append(only[field] if field is not None else part)
        return "/".join(parts) + "/"

    @cached_property
    def _form(self) -> str:
        return _FIELD.sub(r"{0.\1}", self.pattern)


_FIELD = re.compile(r"\{(\w+)\}")

TOPICS: tuple[Topic, ...] = (
    Topic(
        pattern="frame/{camera}/",
        body=messages.FrameNotice,
        publisher="capture",
        rate="detect fps",
        when_full=WhenFull.LATEST,
    ),
    Topic(
        pattern="camera/{camera}/",
        body=messages.CameraStatus,
        publisher="capture, ingest",
        rate="on change, 1/s",
        is_retained=True,
        when_full=WhenFull.LATEST,
    ),
    Topic(pattern="motion/{camera}/", body=messages.MotionBoxes, publisher="enrich", rate="detect fps, while it moves"),
    Topic(
        pattern="object/{camera}/",
        body=messages.ObjectEvent,
        publisher="enrich",
        rate="start and end always, update 2/s per object",
    ),
    Topic(
        pattern="finding/{processor}/{camera}/",
        body=messages.Finding,
        publisher="processors, plug-ins",
        rate="as they find",
    ),
    Topic(pattern="recording/{camera}/", body=messages.SegmentClosed, publisher="capture", rate="per segment"),
    Topic(pattern="upload/{camera}/", body=messages.UploadEvent, publisher="ingest", rate="per file"),
    Topic(
        pattern="job/{type}/{id}/",
        body=messages.JobView,
        publisher="dispatcher",
        rate="moves at once, progress 1/s per job",
    ),
    Topic(
        pattern="job_state/{type}/",
        body=messages.JobBoard,
        publisher="dispatcher",
        rate="moves within 50 ms, progress 1/s",
        is_retained=True,
        when_full=WhenFull.LATEST,
        owner="dispatcher",
    ),
    Topic(
        pattern="service/{name}/",
        body=messages.ServiceStatus,
        publisher="launcher",
        rate="on change, every 5 s",
        is_retained=True,
        when_full=WhenFull.LATEST,
    ),
    Topic(
        pattern="stats/{name}/",
        body=messages.ServiceStats,
        publisher="every service",
        rate="on change, 1/s, else every 5 s; 1/s while somebody subscribes to this very topic",
        is_retained=True,
        when_full=WhenFull.LATEST,
    ),
    Topic(
        pattern="config/{section}/",
        body=messages.ConfigChanged,
        publisher="launcher",
        rate="on change",
        is_retained=True,
        when_full=WhenFull.LATEST,
        owner="launcher",
    ),
    Topic(
        pattern="live/{camera}/",
        body=messages.LiveFragment,
        publisher="capture",
        rate="while somebody subscribes",
        when_full=WhenFull.NEXT_KEY_FRAME,
    ),
    Topic(
        pattern="live_small/{camera}/",
        body=messages.SmallFragment,
        publisher="capture",
        rate="while somebody subscribes",
        when_full=WhenFull.NEXT_KEY_FRAME,
    ),
    Topic(
        pattern="beacon/{src}/",
        body=messages.Beacon,
        publisher="owners of retained topics",
        rate="250 ms after a change, else 1/s",
        when_full=WhenFull.LATEST,
    ),
    Topic(pattern="gone/{src}/", body=messages.Gone, publisher="dispatcher", rate="on a death, 1/s for 10 s"),
)

RETAINED = tuple(topic for topic in TOPICS if topic.is_retained)

_BY_BODY = {topic.body: topic for topic in TOPICS}
_BY_WORD = {topic.prefix.partition("/")[0]: topic for topic in TOPICS}


def topic_of(body: type[Message]) -> Topic:
    """The row of a message type.

    Raises TypeError for a type that has no topic.
    """
    try:
        return _BY_BODY[body]
    except KeyError:
        known = ", ".join(sorted(known.__name__ for known in _BY_BODY))
        raise TypeError(f"{body.__name__} has no topic; the topic table knows {known}") from None


def find_topic(name: str) -> Topic | None:
    """The row that a topic on the wire belongs to, or None."""
    return _BY_WORD.get(name.partition("/")[0])
