"""Deletes a camera's oldest recordings: those past their time, and more where the disk is getting short.

Pure file names, no video. Capture uses it for its own camera, the launcher for cameras that are configured no more; how
long those are kept stands beside their recordings, in the file `.keep`.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from framebus.clock import Clock
from framebus.recordings import BAD_SUFFIX, Segment, folders_in, parse_segment, recordings_folder
from framebus.replacing import replacing
from framebus.settings import Record, seconds
from framebus.wall_trust import WallTrust

log = logging.getLogger(__name__)

AT_ONCE = 50
"""files deleted in one step, so that the loop goes on turning"""
KEEP_NAME = ".keep"


class Retention:
    """The recordings of one camera; call `step` now and then."""

    def __init__(
        self,
        data: Path,
        camera: str,
        keep_s: float,
        clock: Clock,
        is_getting_short: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder = recordings_folder(data, camera)
        self._camera = camera
        self._keep_s = keep_s
        self._clock = clock
        self._is_getting_short = is_getting_short
        self.tally: Counter[str] = Counter()
        self._wall = WallTrust(clock)
        self._oldest: deque[Segment] = deque()

    def step(self) -> bool:
        """Delete a few files at most; tells whether there may be more to do at once. Raises OSError."""
        is_clock_trusted = self._wall.is_trusted()
        old_ms = (self._clock.wall_s() - self._keep_s) * 1_000
        for _ in range(AT_ONCE):
            segment = self._next()
            if segment is None:
                return False
            if is_clock_trusted and (segment.end_ms or segment.start_ms) < old_ms:
                self._delete(segment, "old")
            elif self._is_getting_short():
                self._delete(segment, "for_space")
            else:
                self._oldest.appendleft(segment)
                return False
        return True

    def _delete(self, segment: Segment, why: str) -> None:
        segment.path.unlink(missing_ok=True)
        self.tally[f"deleted.{why}"] += 1

    def _next(self) -> Segment | None:
        """The oldest closed segment; the hours before it are removed where they are empty."""
        if not self._oldest:
            self._oldest.extend(self._oldest_hour())
        return self._oldest.popleft() if self._oldest else None

    def _oldest_hour(self) -> list[Segment]:
        # The recorder may be about to write to a folder of the last hours.
        last = datetime.fromtimestamp(self._clock.wall_s(), UTC) - timedelta(hours=2)
        for day in sorted(folders_in(self._folder)):
            for hour in sorted(folders_in(day)):
                closed = [segment for path in hour.iterdir() if (segment := _done(path)) is not None]
                if closed:
                    return sorted(closed)
                if f"{day.name}/{hour.name}" < f"{last:%Y-%m-%d/%H}":
                    _remove_if_empty(hour)
            if day.name < f"{last:%Y-%m-%d}":
                _remove_if_empty(day)
        return []


def write_keep(data: Path, camera: str, keep: str) -> None:
    """Note beside the recordings of a camera for how long they are kept, as in `7d`; raises OSError."""
    folder = recordings_folder(data, camera)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / KEEP_NAME) as file:
        file.write(f"{keep}\n".encode())


def read_keep_s(data: Path, camera: str) -> float:
    """For how long the recordings of a camera were last to be kept; without a readable note the default."""
    try:
        return seconds((recordings_folder(data, camera) / KEEP_NAME).read_text().strip())
    except (OSError, ValueError):
        return seconds(Record().keep)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        pass  # something of another kind is in it; it is not ours


def _done(path: Path) -> Segment | None:
    """A segment that nobody writes any more: closed, or set aside because it can't be repaired."""
    if path.suffix == BAD_SUFFIX:
        bad = parse_segment(path.with_suffix(".part"))
        return None if bad is None else Segment(bad.start_ms, bad.start_ms, path)
    segment = parse_segment(path)
    return None if segment is None or segment.is_open else segment
