"""What an export job asks for and gives back, and what is refused at once. The dispatcher loads this: no video here."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import CheckContext, JobType
from framebus.messages import AtS, Count, Name, Seconds, Text
from framebus.recordings import latest_segment_end_s, recordings_folder
from framebus.settings import QueuePolicy
from framebus_services.export.plan import Gap, cover, find_spans

LONGEST_S = 24 * 3_600.0
LATEST_S = 4e9
"""in the year 2096; what lies far beyond can't even be written as a date"""
MAX_GAPS_TOLD = 100
MAX_GAPS_WRITTEN = 5

Time = Annotated[float, Meta(le=1e11)] | Annotated[str, Meta(max_length=64)]
"""Seconds since 1970, or ISO 8601 with a zone."""


class Source(StrEnum):
    """Where the pictures come from."""

    RECORDINGS = "recordings"


class Mode(StrEnum):
    """How a clip is made."""

    COPY = "copy"
    """the recorded packets as they are: begins at the key frame at or before the start"""


class ExportParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A clip of a camera, from `start` to `end`."""

    camera: Name
    start: Time
    end: Time
    mode: Mode = Mode.COPY
    source: Source = Source.RECORDINGS
    allow_gaps: bool = False
    """make the clip also where more than a second was not recorded"""
    title: Text | None = None
    """written into the file; never a part of its name"""
    thumbnail: bool = True
    """a JPEG of a frame in the range beside the clip"""

    def range_s(self) -> tuple[float, float]:
        """Start and end in seconds since 1970; raises RefusedError for a text that is no time."""
        return _seconds("start", self.start), _seconds("end", self.end)


class ClipResult(Struct, frozen=True, kw_only=True):
    """The clip that was made; the dispatcher adds the names of its `files`."""

    start_at_s: AtS
    """wall clock of the first frame"""
    end_at_s: AtS
    """wall clock at which the last frame ends"""
    duration_s: Seconds
    starts_earlier_s: Seconds
    """how long before the start that was asked for: a clip begins with a key frame"""
    cut_at_s: AtS | None = None
    """up to where there were recordings, when the range reached beyond them into now"""
    frames: Count
    size_bytes: Count
    width: Count
    height: Count
    codec: str
    has_audio: bool
    gaps: list[Gap] = []
    """what was not recorded, from and to, the first 100"""


def check(params: ExportParams, context: CheckContext) -> None:
    """Refuse a clip that cannot be made."""
    _check_camera(params.camera, context)
    start_s, end_s = params.range_s()
    _check_range(start_s, end_s, context.now_at_s)
    spans = find_spans(context.data, params.camera, start_s, end_s)
    if not spans:
        newest_s = latest_segment_end_s(context.data, params.camera)
        newest = "" if newest_s is None else f"; its closed recordings end at {_shown(newest_s)}"
        text = f"{params.camera} has no recording from {_shown(start_s)} to {_shown(end_s)}{newest}"
        raise RefusedError(ErrorCode.NO_SOURCE, text)
    gaps = cover([(span.start_s, span.end_s) for span in spans], start_s, end_s, context.now_at_s).gaps
    if gaps and not params.allow_gaps:
        raise RefusedError(
            ErrorCode.NO_SOURCE,
            gaps_text(params.camera, gaps),
            details={"gaps": [list(gap) for gap in gaps[:MAX_GAPS_TOLD]]},
        )


def gaps_text(camera: str, gaps: list[Gap]) -> str:
    """What is missing, as a sentence that says what would be right."""
    listed = ", ".join(f"{_shown(start_s)} to {_shown(end_s)}" for start_s, end_s in gaps[:MAX_GAPS_WRITTEN])
    more = f" and {len(gaps) - MAX_GAPS_WRITTEN} more" if len(gaps) > MAX_GAPS_WRITTEN else ""
    return f"{camera} has gaps: {listed}{more}; set allow_gaps to leave them out"


def _check_camera(camera: str, context: CheckContext) -> None:
    if camera in context.cameras or recordings_folder(context.data, camera).is_dir():
        return
    known = sorted({*context.cameras, *_recorded_cameras(context.data)})
    text = f"there is no camera {camera}; known are {', '.join(known) or 'none'}"
    raise RefusedError(ErrorCode.NOT_FOUND, text, details={"cameras": known})


def _check_range(start_s: float, end_s: float, now_at_s: float) -> None:
    if max(start_s, end_s) > LATEST_S:
        wrong = f"the range from {start_s:.3f} to {end_s:.3f} reaches beyond {_shown(LATEST_S)}"
    elif not 0.0 <= start_s < end_s:
        wrong = f"the range from {start_s:.3f} to {end_s:.3f} is empty or negative; start must lie before end"
    elif end_s - start_s > LONGEST_S:
        wrong = f"the range is {(end_s - start_s) / 3_600:.1f} h long; at most {LONGEST_S / 3_600:.0f} h fit one clip"
    elif start_s > now_at_s:
        wrong = f"start {_shown(start_s)} is in the future; now is {_shown(now_at_s)}"
    else:
        return
    raise RefusedError(ErrorCode.BAD_REQUEST, wrong)


def _recorded_cameras(data: Path) -> list[str]:
    try:
        return [folder.name for folder in (data / "recordings").iterdir() if folder.is_dir()]
    except FileNotFoundError:
        return []


def _seconds(what: str, time: float | str) -> float:
    if not isinstance(time, str):
        return time
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        text = f"{what} {time!r} is no time with a zone; write 2026-11-21T14:02:11Z or seconds since 1970"
        raise RefusedError(ErrorCode.BAD_REQUEST, text)
    return parsed.timestamp()


def _shown(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


EXPORT = JobType(
    name="export",
    params=ExportParams,
    check=check,
    policy=QueuePolicy(max_queued=100, max_running=3),
    stall_s=30.0,
)
