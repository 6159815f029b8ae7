"""Ended objects on disk: their names and lines, and reading them. Pure path arithmetic and JSON; opens no picture.

<data>/events/<camera>/<YYYY-MM-DD>.jsonl     one line for each object that ended on that day, UTC
<data>/events/<camera>/<id>.jpg               its best picture
<data>/events/<camera>/open.json              those that are there now: what a crash would leave without an end
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from framebus.messages import Box

OPEN_NAME = "open.json"
ID_PATTERN = re.compile(r"^(\d{13})-[0-9a-f]{6}$")
_DAY_NAME = re.compile(r"^(\d{4}-\d\d-\d\d)\.jsonl$")
_LONGEST_DAYS = 1
"""An object is looked for in the days up to so many after the range it may have begun in."""


class Ending(StrEnum):
    """How an object's story ends."""

    GONE = "gone"
    """it was not seen any more"""
    STOPPED = "stopped"
    """enrich was stopped while it was there"""
    LOST = "lost"
    """enrich died while it was there; it was there at least until `end_at_s`"""


class EndedObject(Struct, frozen=True, kw_only=True):
    """One line of a day's file. Unknown fields are ignored, so that it may grow."""

    camera: str
    id: str
    label: str
    score: float
    """the highest"""
    start_at_s: float
    """when it was first seen, seconds since 1970"""
    end_at_s: float
    """when it was last seen"""
    ending: str
    """an `Ending`"""
    zones: list[str] = []
    """all that it stood in, in that order"""
    box: Box
    """where it is in its picture; without one where it was last seen; pixels of a picture of `width` x `height`"""
    width: int
    height: int
    number: int
    """of the frame where it was last seen"""
    picture: str | None = None
    """its best picture, relative to the data folder"""

    @property
    def duration_s(self) -> float:
        return max(0.0, self.end_at_s - self.start_at_s)


def make_id(start_at_s: float, random: int) -> str:
    """The id of an object that was first seen at `start_at_s`: it sorts by time, and no other object has it.

    >>> make_id(1_790_000_000.25, 0x00C0DE)
    '1790000000250-00c0de'
    """
    return f"{round(start_at_s * 1_000):013d}-{random & 0xFFFFFF:06x}"


def start_of(id: str) -> float | None:
    """When the object with this id was first seen, seconds since 1970; None when it is no id."""
    found = ID_PATTERN.match(id)
    return int(found[1]) / 1_000 if found else None


def events_folder(data: Path, camera: str) -> Path:
    """Where a camera's ended objects stand."""
    return data / "events" / camera


def day_file(data: Path, camera: str, end_at_s: float) -> Path:
    """The file of the objects that ended on the day of `end_at_s`."""
    return events_folder(data, camera) / f"{datetime.fromtimestamp(end_at_s, UTC):%Y-%m-%d}.jsonl"


def day_of(path: Path) -> datetime | None:
    """The begin of the day that a file is of; None for a file of another kind."""
    found = _DAY_NAME.match(path.name)
    try:
        return datetime.strptime(found[1], "%Y-%m-%d").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def picture_name(camera: str, id: str) -> str:
    """The name of an object's picture, relative to the data folder."""
    return f"events/{camera}/{id}.jpg"


def list_events(data: Path, camera: str, start_s: float, end_s: float) -> list[EndedObject]:
    """The camera's objects that were there within [start_s, end_s) and have ended, by their start.

    Lines that cannot be read, as the last one after a power cut, are left out. Raises OSError when a file that is
    there can't be read.
    """
    first = datetime.fromtimestamp(start_s, UTC).date()
    last = (datetime.fromtimestamp(end_s, UTC) + timedelta(days=_LONGEST_DAYS)).date()
    found: dict[str, EndedObject] = {}
    for path in sorted(_files(events_folder(data, camera))):
        day = day_of(path)
        if day is not None and first <= day.date() <= last:
            for event in read_events(path):
                if event.start_at_s < end_s and event.end_at_s >= start_s:
                    found.setdefault(event.id, event)
    return sorted(found.values(), key=lambda event: (event.start_at_s, event.id))


def read_events(path: Path) -> Iterator[EndedObject]:
    """What the lines of a file say, in their order; a line that is torn, or no event, is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=EndedObject)
        except (msgspec.MsgspecError, ValueError):
            continue


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
