"""What the routes answer where the bus has no message for it."""

from typing import Any

from msgspec import Struct

from framebus.access import Role
from framebus.messages import AtS, Count, Seconds


class View(Struct, frozen=True, kw_only=True):
    """The body of an answer."""


class Ok(View, frozen=True, kw_only=True):
    ok: bool = True


class Me(View, frozen=True, kw_only=True):
    """Who I am to the gateway, and what it is."""

    role: Role
    cameras: list[str]
    """in the order of the configuration, then those that upload files; those that may be seen"""
    is_restricted: bool
    """a link for some cameras only"""
    can_export: bool
    timezone: str
    """empty: the browser's"""
    version: str
    host: str
    now_at_s: AtS


class System(View, frozen=True, kw_only=True):
    """The disk of the recordings."""

    total_bytes: Count
    free_bytes: Count
    bytes_per_day: float
    """as the last hour's recordings would make"""
    days_left: float | None


class CameraView(View, frozen=True, kw_only=True):
    name: str
    status: dict[str, Any] | None
    """a CameraStatus, once it was heard"""
    is_stale: bool
    """its process is gone"""
    live: str
    """how its video comes: fmp4, mjpeg, or none"""


class Cameras(View, frozen=True, kw_only=True):
    cameras: list[CameraView]


class SpanView(View, frozen=True, kw_only=True):
    start_at_s: AtS
    end_at_s: AtS


class SegmentView(View, frozen=True, kw_only=True):
    start_at_s: AtS
    end_at_s: AtS
    size_bytes: Count
    is_open: bool
    """it is being written; end and size are of now"""
    url: str


class Recordings(View, frozen=True, kw_only=True):
    """What was recorded in a range, and what was not."""

    segments: list[SegmentView]
    spans: list[SpanView]
    gaps: list[SpanView]
    oldest_at_s: AtS | None
    """begin of the oldest recording of this camera"""
    next: str | None = None


class EventView(View, frozen=True, kw_only=True):
    """An object that has ended."""

    camera: str
    id: str
    label: str
    score: float
    start_at_s: AtS
    end_at_s: AtS
    ending: str
    zones: list[str]
    box: dict[str, int]
    width: int
    height: int
    number: int
    picture_url: str | None


class Bucket(View, frozen=True, kw_only=True):
    at_s: AtS
    count: Count
    """objects that began in it"""
    seconds: Seconds
    """of it in which there was any"""


class Events(View, frozen=True, kw_only=True):
    events: list[EventView] = []
    more: Count = 0
    """older ones that were left out"""
    buckets: list[Bucket] = []


class ExportView(View, frozen=True, kw_only=True):
    camera: str
    name: str
    url: str
    thumbnail_url: str | None
    size_bytes: Count
    made_at_s: AtS


class Exports(View, frozen=True, kw_only=True):
    exports: list[ExportView]
    next: str | None = None


class ServiceViews(View, frozen=True, kw_only=True):
    services: list[dict[str, Any]]
    """each a ServiceStatus with `is_stale`"""
