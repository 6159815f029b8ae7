"""The settings of `notify`: who is told, how they are reached, and of what."""

import re
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from framebus.messages import END, Name
from framebus.settings import RunnerSettings, Section, Share


class Form(StrEnum):
    """How a notification is written for whoever takes it."""

    JSON = "json"
    """a map; the picture in it as base64"""
    MULTIPART = "multipart"
    """the fields of a form; the picture as a file"""
    PICTURE = "picture"
    """the JPEG itself; title and text in headers, as ntfy takes them"""


class When(StrEnum):
    """What a rule is about."""

    OBJECT = "object"
    """something comes"""
    CAMERA = "camera"
    """a camera goes away, and comes back"""


Hours = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" + END)]
"""from and to on the clock of the group's time zone, also over midnight: 22:00-06:00"""
Url = Annotated[str, Meta(pattern=r"^https?://[^\s/?#]+([/?][^\s#]*)?$" + END)]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$" + END)]
Line = Annotated[str, Meta(max_length=2_000, pattern=r"^[^\r\n\x00]*$" + END)]
FieldName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r'^[^\r\n\x00"]*$' + END)]
Labels = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(min_length=1, max_length=100)]
Names = Annotated[list[Name], Meta(min_length=1, max_length=100)]

PLACEHOLDERS = (
    "id", "kind", "title", "text", "camera", "label", "score", "zones", "object_id", "since", "since_at_s", "page",
)  # fmt: skip
"""what `fields` and `headers` may name in braces, as in {text}"""
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Target(Section, frozen=True, kw_only=True):
    """Somebody who is told."""

    url: Url
    """where it is posted; what is secret in it stands as ${NAME}"""
    form: Form = Form.JSON
    headers: dict[HeaderName, Line] = {}
    """further ones; {text} and the like are replaced"""
    fields: dict[FieldName, Line] = {}
    """of `json` and `multipart`: sent in place of all fields; {text} and the like are replaced"""
    picture: bool | FieldName = True
    """false: none is sent; a text: the field that it is sent in"""
    without_picture: Name | None = None
    """another target, which gets what has no picture; default: this one"""
    limit_s: Annotated[float, Meta(ge=0.5, le=60.0)] = 10.0
    """for the whole answer"""


class Rule(Section, frozen=True, kw_only=True):
    """What somebody is told of; what is left out holds for all."""

    to: str | list[str] | None = None
    """names of targets; no pattern here, as msgspec 0.20 frees one too often that stands beside a list"""
    when: When = When.OBJECT
    cameras: Names | None = None
    labels: Labels | None = None
    zones: Names | None = None
    """told when it stands in one of these"""
    hours: Hours | None = None
    min_score: Share = 0.0
    rest_s: Annotated[float, Meta(ge=0.0, le=86_400.0)] = 30.0
    """after a notification the rule is silent for so long, for each camera and label"""
    away_s: Annotated[float, Meta(ge=1.0, le=86_400.0)] = 30.0
    """of `when: camera`: it has to be away for so long"""


Targets = Annotated[dict[Name, Target], Meta(min_length=1, max_length=16)]
Rules = Annotated[list[Rule], Meta(max_length=100)]


class NotifySettings(Section, frozen=True, kw_only=True):
    """Whom to tell, and of what."""

    to: Targets
    rules: Rules = []
    """default: everybody is told of every object"""


class NotifyProcessSettings(RunnerSettings, frozen=True, kw_only=True):
    """What the notify process is told."""

    to: dict[Name, Target]
    rules: list[Rule] = []
    timezone: str = ""
    cameras: list[Name] = []
    """of the configuration: one that is taken out of it does not go away"""


AT_ONCE = 3
"""posts to one target at the same time: each has so many slots, and a dead one holds up no other"""


def notify_process_settings(settings: NotifySettings, timezone: str, cameras: list[str]) -> NotifyProcessSettings:
    """What the process is told that these are the settings of."""
    return NotifyProcessSettings(
        to=settings.to,
        rules=settings.rules or [Rule()],
        timezone=timezone,
        cameras=cameras,
        slots=AT_ONCE * len(settings.to),
    )


def targets_of(rule: Rule, known: dict[str, Target]) -> list[str]:
    """The names of those whom a rule tells."""
    if rule.to is None:
        return list(known)
    return [rule.to] if isinstance(rule.to, str) else rule.to


def minutes_of(hours: str) -> tuple[int, int]:
    """Begin and end in minutes of the day.

    >>> minutes_of("22:00-06:30")
    (1320, 390)
    """
    begin, end = (part.split(":") for part in hours.split("-"))
    return int(begin[0]) * 60 + int(begin[1]), int(end[0]) * 60 + int(end[1])


def as_notify_settings(value: object) -> NotifySettings:
    """A section of the configuration; raises msgspec.ValidationError."""
    return msgspec.convert(value, NotifySettings)
