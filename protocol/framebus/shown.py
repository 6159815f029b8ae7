"""What a camera's picture showed, five seconds after five seconds: who deletes recordings asks, enrich writes it.

<data>/events/<camera>/<YYYY-MM-DD>.shown     a byte for each five seconds of that day, UTC

What nobody wrote down is unknown: enrich was down or switched off, the camera's frames did not come, the power failed.
The file only grows: what was passed over stays unknown, also when the clock is set back and the same time comes again.
"""

import os
import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from math import ceil
from pathlib import Path

from framebus.events import events_folder

SLOT_S = 5
DAY_S = 86_400
DAY_SLOTS = DAY_S // SLOT_S
MARGIN_S = 5.0
"""before and after a recording: what moves there belongs to it"""
SUFFIX = ".shown"
_DAY_NAME = re.compile(r"^(\d{4}-\d\d-\d\d)\.shown$")


class Shown(IntEnum):
    """What there was to be seen, the weaker first; as a byte of the file, readable with `less`."""

    UNKNOWN = 0
    NOTHING = ord("-")
    MOTION = ord("m")
    OBJECT = ord("o")


def slot_of(at_s: float) -> int:
    """The number of the five seconds that a time belongs to, since 1970."""
    return int(at_s // SLOT_S)


def shown_file(data: Path, camera: str, at_s: float) -> Path:
    """The file of the day of `at_s`."""
    return events_folder(data, camera) / f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d}{SUFFIX}"


def shown_day(path: Path) -> datetime | None:
    """The begin of the day that a file is of; None for a file of another kind."""
    found = _DAY_NAME.match(path.name)
    try:
        return datetime.strptime(found[1], "%Y-%m-%d").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def note_shown(data: Path, camera: str, slot: int, shown: Shown) -> None:
    """Write down what a slot showed, after those before it. What is known already only becomes more. Raises OSError."""
    path, offset = shown_file(data, camera, slot * SLOT_S), slot % DAY_SLOTS
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if offset < os.fstat(descriptor).st_size:
            known = os.pread(descriptor, 1, offset)[0]
            if known == Shown.UNKNOWN or known >= shown:
                return
        os.pwrite(descriptor, bytes([shown]), offset)
    finally:
        os.close(descriptor)


class ShownFiles:
    """What one camera showed, as it stands on disk now: read once for each day that is asked about."""

    def __init__(self, data: Path, camera: str) -> None:
        self._data = data
        self._camera = camera
        self._days: dict[int, bytes] = {}

    def between(self, start_s: float, end_s: float) -> Shown:
        """The most that was seen from a little before `start_s` to a little after `end_s`; raises OSError.

        UNKNOWN when that is not known of all of it, unless there was an object.
        """
        first, behind = slot_of(start_s - MARGIN_S), ceil((end_s + MARGIN_S) / SLOT_S)
        slots = b""
        at = max(0, first)
        while at < behind:
            day, offset = divmod(at, DAY_SLOTS)
            until = min(behind, (day + 1) * DAY_SLOTS)
            slots += self._day(day)[offset : offset + until - at]
            at = until
        strongest = max(slots, default=0)
        is_known = len(slots) == behind - first and all(slots)
        return Shown(strongest) if is_known or strongest == Shown.OBJECT else Shown.UNKNOWN

    def _day(self, day: int) -> bytes:
        if day not in self._days:
            midnight = datetime.fromtimestamp(0, UTC) + timedelta(days=day)
            try:
                found = shown_file(self._data, self._camera, midnight.timestamp()).read_bytes()
            except FileNotFoundError:
                found = b""
            self._days[day] = found.translate(_KNOWN)
        return self._days[day]


_KNOWN = bytes(byte if byte in set(Shown) else Shown.UNKNOWN for byte in range(256))
"""A byte that means nothing, as of a damaged disk, is unknown."""
