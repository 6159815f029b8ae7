"""What an export job asks for; each way of making a clip has fields of its own, and a wrong mix is refused."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, NoReturn

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import Name, Text

DEFAULT_SPEED = 60.0
MIN_SPEED = 2.0
LONGEST_TIMELAPSE_S = 3_600.0

Time = Annotated[float, Meta(le=1e11)] | Annotated[str, Meta(max_length=64)]
"""Seconds since 1970, or ISO 8601 with a zone."""


class Source(StrEnum):
    """Where the pictures come from."""

    RECORDINGS = "recordings"


class Mode(StrEnum):
    """How a clip is made."""

    COPY = "copy"
    """the recorded packets as they are: begins at the key frame at or before the start"""
    TIMELAPSE = "timelapse"
    """the key frames only, played faster"""
    ENCODE = "encode"
    """every picture encoded anew, by a preset: begins exactly at the start"""


class Preset(StrEnum):
    """How pictures are encoded; what each means stands in `presets.py`."""

    SMALL = "small"
    HD = "hd"
    FULL_HD = "full_hd"
    QUALITY = "quality"


class OnChange(StrEnum):
    """What becomes of a clip in whose range codec or size change."""

    SPLIT = "split"
    """a file for each part"""
    ENCODE = "encode"
    """one file, in the size that the clip begins with"""
    REFUSE = "refuse"


Word = Annotated[str, Meta(max_length=32)]
"""One of a few; which, is told when it is another."""


WORDS: dict[str, type[StrEnum]] = {"mode": Mode, "source": Source, "on_change": OnChange, "preset": Preset}


class ExportParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A clip of a camera, from `start` to `end`."""

    camera: Name
    start: Time
    end: Time
    mode: Word = Mode.COPY
    source: Word = Source.RECORDINGS
    allow_gaps: bool = False
    """make the clip also where more than a second was not recorded or can't be read"""
    precise: bool = False
    """mode=copy: begin exactly at the start; the frames from the key frame on stay in the file, hidden"""
    on_change: Word | None = None
    """default: what is copied is split, what is encoded is scaled"""
    speed: Annotated[float, Meta(ge=MIN_SPEED, le=100_000.0)] | None = None
    """mode=timelapse: how many times faster; default 60"""
    duration_s: Annotated[float, Meta(ge=0.1, le=LONGEST_TIMELAPSE_S)] | None = None
    """mode=timelapse: how long the clip is to be, instead of `speed`"""
    instant: bool = False
    """mode=timelapse: copy the key frames, encode nothing: a moment's work, larger files"""
    preset: Word | None = None
    """mode=encode, or on_change=encode"""
    title: Text | None = None
    """written into the file; never a part of its name"""
    thumbnail: bool = True
    """a JPEG of a frame in the range beside the clip"""
    thumbnail_at_s: Time | None = None
    """the moment that it shows; default: about the middle"""

    def __post_init__(self) -> None:
        for field, kind in WORDS.items():
            word = getattr(self, field)
            if word is None:
                continue
            if word not in list(kind):
                raise ValueError(f"{field} {word!r} is not known; it is one of {', '.join(kind)}")
            force_setattr(self, field, kind(word))

    def range_s(self) -> tuple[float, float]:
        """Start and end in seconds since 1970; raises RefusedError for a text that is no time."""
        return seconds("start", self.start), seconds("end", self.end)

    def thumbnail_s(self) -> float | None:
        """The moment of the thumbnail in seconds since 1970."""
        return None if self.thumbnail_at_s is None else seconds("thumbnail_at_s", self.thumbnail_at_s)

    @property
    def is_copied(self) -> bool:
        """Whether packets are taken as they are."""
        return self.mode is Mode.COPY or self.instant

    @property
    def chosen_preset(self) -> Preset:
        """The preset, when something is encoded."""
        return Preset(self.preset) if self.preset else (Preset.HD if self.mode is Mode.ENCODE else Preset.QUALITY)

    @property
    def chosen_speed(self) -> float:
        """How many times faster than it was recorded the clip plays."""
        if self.mode is not Mode.TIMELAPSE:
            return 1.0
        if self.duration_s is None:
            return self.speed or DEFAULT_SPEED
        start_s, end_s = self.range_s()
        return max(MIN_SPEED, (end_s - start_s) / self.duration_s)


def check_fields(params: ExportParams) -> None:
    """Refuse fields that do not go together; raises RefusedError."""
    is_timelapse = params.mode is Mode.TIMELAPSE
    for name, is_given in (
        ("speed", params.speed is not None),
        ("duration_s", params.duration_s is not None),
        ("instant", params.instant),
    ):
        if is_given and not is_timelapse:
            _refuse(name, f"is for mode=timelapse only, and mode is {params.mode}; set mode=timelapse or leave it out")
    if params.speed is not None and params.duration_s is not None:
        _refuse("duration_s", "and speed each say how fast it plays; give one of them")
    if params.precise and params.mode is Mode.ENCODE:
        _refuse("precise", "is for mode=copy only; a clip of mode=encode begins exactly anyway: leave it out")
    if params.precise and is_timelapse:
        _refuse("precise", "is for mode=copy only, and mode is timelapse; leave it out")
    _check_encoding(params)


def check_lengths(params: ExportParams, start_s: float, end_s: float) -> None:
    """Refuse times that do not fit a range that is sound in itself; raises RefusedError."""
    at_s = params.thumbnail_s()
    if at_s is not None and not params.thumbnail:
        _refuse("thumbnail_at_s", "needs a thumbnail; leave out thumbnail=false")
    if at_s is not None and not start_s <= at_s <= end_s:
        _refuse("thumbnail_at_s", f"{shown(at_s)} must lie in the range, from {shown(start_s)} to {shown(end_s)}")
    if params.mode is not Mode.TIMELAPSE:
        return
    range_s = end_s - start_s
    if params.duration_s is not None and range_s / params.duration_s < MIN_SPEED:
        _refuse("duration_s", f"is at most half of the range, {range_s / MIN_SPEED:g} here; a timelapse plays faster")
    if range_s / params.chosen_speed > LONGEST_TIMELAPSE_S:
        least = range_s / LONGEST_TIMELAPSE_S
        _refuse("speed", f"makes a timelapse of more than an hour; for this range it is at least {least:g}")


def seconds(field: str, time: float | str) -> float:
    """A time of the parameters in seconds since 1970; raises RefusedError."""
    if not isinstance(time, str):
        return time
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        _refuse(field, f"{time!r} is no time with a zone; write 2026-11-21T14:02:11+01:00 or seconds since 1970")
    return parsed.timestamp()


def shown(at_s: float) -> str:
    """A time for people; what no calendar holds is told as such.

    >>> shown(1_790_000_000.0)
    '2026-09-21T14:13:20Z'
    """
    try:
        return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return "before the year 1" if at_s < 0 else "after the year 9999"


def _check_encoding(params: ExportParams) -> None:
    can_encode = params.mode is Mode.ENCODE or params.on_change is OnChange.ENCODE
    if params.preset is not None and not can_encode:
        _refuse("preset", "is for mode=encode or on_change=encode only; set one of them or leave it out")
    if params.on_change is OnChange.SPLIT and not params.is_copied:
        _refuse("on_change", "split is for what is copied; what is encoded becomes one file: set encode or refuse")
    if params.on_change is OnChange.ENCODE and params.instant:
        _refuse("on_change", "encode needs pictures that are encoded; leave out instant, or set split or refuse")


def _refuse(field: str, what: str) -> NoReturn:
    path = f"params.{field}"
    raise RefusedError(ErrorCode.BAD_REQUEST, f"{path} {what}", details={"field": path})
