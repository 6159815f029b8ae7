"""Names and listing of recorded segments: the folder tree is the index. Pure path arithmetic; opens no video.

<data>/recordings/<camera>/<YYYY-MM-DD>/<HH>/<start_ms>_<duration_ms>.mp4     closed, UTC folders
<data>/recordings/<camera>/<YYYY-MM-DD>/<HH>/<start_ms>.mp4.part              being written
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOSED_NAME = re.compile(r"^(\d+)_(\d+)(-\d+)?\.mp4$")
OPEN_NAME = re.compile(r"^(\d+)\.mp4\.part$")
BAD_SUFFIX = ".bad"
"""instead of `.part`: what can't be repaired is kept for a person to look at, as long as recordings are"""
LONGEST_SEGMENT_S = 3_600.0
"""No segment is longer, so the hour folder before a range holds all that can reach into it."""
FLOOR_SHARE, FLOOR_LIMIT_BYTES = 0.05, 2_000_000_000


@dataclass(frozen=True, order=True)
class Segment:
    """A piece of recording. `end_ms` of an open one is unknown: None."""

    start_ms: int
    end_ms: int | None
    path: Path

    @property
    def is_open(self) -> bool:
        return self.end_ms is None


def floor_bytes(disk_bytes: int, share: float = FLOOR_SHARE, limit_bytes: int = FLOOR_LIMIT_BYTES) -> int:
    """How much of their disk recordings leave free: they pause when there is less.

    >>> floor_bytes(20_000_000_000), floor_bytes(1_000_000_000_000)
    (1000000000, 2000000000)
    """
    return min(round(disk_bytes * share), limit_bytes)


def recordings_folder(data: Path, camera: str) -> Path:
    """Where a camera's segments stand."""
    return data / "recordings" / camera


def folders_in(parent: Path) -> list[Path]:
    """Of a camera its days, of a day its hours, or those in another folder, in no order; none where there is none."""
    try:
        with os.scandir(parent) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def hour_folder(data: Path, camera: str, at_s: float) -> Path:
    """The folder of the segments that start in the hour of `at_s` (seconds since 1970)."""
    hour = datetime.fromtimestamp(at_s, UTC)
    return recordings_folder(data, camera) / f"{hour:%Y-%m-%d}" / f"{hour:%H}"


def open_name(start_ms: int) -> str:
    """The name of a segment that is being written."""
    return f"{start_ms}.mp4.part"


def closed_name(start_ms: int, duration_ms: int, copy: int = 1) -> str:
    """The name of a closed segment; `copy` from 2 on where the name is taken."""
    return f"{start_ms}_{duration_ms}{'' if copy == 1 else f'-{copy}'}.mp4"


def parse_segment(path: Path) -> Segment | None:
    """The segment that a file name tells of, or None for a file of another kind."""
    if closed := CLOSED_NAME.match(path.name):
        start_ms = int(closed[1])
        return Segment(start_ms, start_ms + int(closed[2]), path)
    if opened := OPEN_NAME.match(path.name):
        return Segment(int(opened[1]), None, path)
    return None


def list_segments(data: Path, camera: str, start_s: float, end_s: float) -> list[Segment]:
    """The camera's segments that overlap [start_s, end_s), in order; an open one overlaps from its start on."""
    start_ms, end_ms = round(start_s * 1_000), round(end_s * 1_000)
    found = []
    for folder in _hour_folders(data, camera, start_s, end_s):
        for segment in _segments_in(folder):
            if segment.start_ms < end_ms and (segment.end_ms is None or segment.end_ms > start_ms):
                found.append(segment)
    return sorted(found, key=lambda segment: (segment.start_ms, str(segment.path)))


def latest_segment_end_s(data: Path, camera: str) -> float | None:
    """The wall time up to which closed segments reach, or None where there are none."""
    for day in sorted(folders_in(recordings_folder(data, camera)), reverse=True):
        for hour in sorted(folders_in(day), reverse=True):
            ends = [segment.end_ms for segment in _segments_in(hour) if segment.end_ms is not None]
            if ends:
                return max(ends) / 1_000
    return None


def oldest_segment_start_s(data: Path, camera: str) -> float | None:
    """The wall time at which the oldest segment begins, or None where there are none."""
    for day in sorted(folders_in(recordings_folder(data, camera))):
        for hour in sorted(folders_in(day)):
            if starts := [segment.start_ms for segment in _segments_in(hour)]:
                return min(starts) / 1_000
    return None


def gaps(
    spans: Iterable[tuple[float, float]], start_s: float, end_s: float, least_s: float = 1.0
) -> list[tuple[float, float]]:
    """The parts of [start_s, end_s) longer than `least_s` that no span covers; spans in order of their start.

    >>> gaps([(0.0, 4.0), (6.0, 8.0)], 1.0, 10.0)
    [(4.0, 6.0), (8.0, 10.0)]
    """
    found = []
    reached_s = start_s
    for span_start_s, span_end_s in [*spans, (end_s, end_s)]:
        if min(span_start_s, end_s) - reached_s > least_s:
            found.append((reached_s, min(span_start_s, end_s)))
        reached_s = max(reached_s, span_end_s)
    return found


def _segments_in(folder: Path) -> list[Segment]:
    try:
        return [segment for path in folder.iterdir() if (segment := parse_segment(path)) is not None]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _hour_folders(data: Path, camera: str, start_s: float, end_s: float) -> list[Path]:
    hour = datetime.fromtimestamp(start_s - LONGEST_SEGMENT_S, UTC).replace(minute=0, second=0, microsecond=0)
    last = datetime.fromtimestamp(end_s, UTC)
    folders = []
    while hour <= last:
        folders.append(hour_folder(data, camera, hour.timestamp()))
        hour += timedelta(hours=1)
    return folders
