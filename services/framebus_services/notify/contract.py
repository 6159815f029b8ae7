"""The contract of notify jobs. The dispatcher loads this: no pictures here, and no addresses."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from framebus.jobs import CheckContext, JobType
from framebus.messages import AtS, Name, Text
from framebus.settings import QueuePolicy, Share

OLDEST_S = 600.0
"""a notification that could not be delivered by then is no news any more"""


class Kind(StrEnum):
    """What a notification is about."""

    OBJECT = "object"
    AWAY = "away"
    BACK = "back"
    TEST = "test"
    """tried once"""
    MESSAGE = "message"
    """of a program of the user's own"""


class NotifyParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One notification for one target. Its picture lies in a file named after the job."""

    to: Name
    """of `services.notify.to`"""
    text: Annotated[str, Meta(min_length=1, max_length=500)]
    kind: Kind = Kind.MESSAGE
    title: Text = ""
    """default: the text"""
    camera: Name | None = None
    label: Text = ""
    score: Share | None = None
    zones: Annotated[list[Name], Meta(max_length=32)] = []
    object_id: Text = ""
    since_at_s: AtS | None = None


class NotifyResult(Struct, frozen=True, kw_only=True):
    """What the endpoint said."""

    to: Name
    status: int
    answer: Text
    picture_bytes: int = 0


def check(params: NotifyParams, context: CheckContext) -> None:
    """Nothing of a notification can be wrong that its types do not tell: the targets are known to the service alone."""


NOTIFY = JobType(
    name="notify",
    params=NotifyParams,
    check=check,
    policy=QueuePolicy(
        max_queued=1_000,
        max_running=100,
        max_failures=1_000,
        backoff_s=2.0,
        backoff_limit_s=60.0,
        expires_s=OLDEST_S,
    ),
    stall_s=90.0,
)
