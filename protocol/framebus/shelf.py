"""The recordings of one camera, hour by hour: which there are, for how long each is wanted, and what they take.

Only names are read, no video. An hour is looked at when something of it may have had its time, and once a day; what was
found is remembered in a few numbers. So thirty days cost a listing now and then, and never a look at every file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from framebus.clock import Clock
from framebus.keep import Keep
from framebus.recordings import BAD_SUFFIX, Segment, folders_in, parse_segment, recordings_folder
from framebus.shown import ShownFiles

HOUR_S = 3_600.0
LIST_S = 30.0
"""so often it is looked which hours there are"""
AGAIN_S = 86_400.0
"""after so long an hour is looked at again: what nobody knew may be known by now"""
SETTLE_S = 30.0
"""so long after its end it is not judged what a recording shows: enrich may not have written it yet"""


@dataclass(frozen=True, order=True)
class Kept:
    """A closed segment, and how long it is wanted after its end."""

    end_s: float
    path: Path
    wanted_s: float

    @property
    def due_s(self) -> float:
        """When it has had its time."""
        return self.end_s + self.wanted_s


@dataclass(eq=False)
class Hour:
    """The folder of an hour, and what the last look found."""

    path: Path
    start_s: float
    due_s: float
    """when it is to be looked at next"""
    oldest: dict[float, float] = field(default_factory=dict)
    """by how long they are wanted, the earliest end of those"""
    changed_ns: int | None = None
    """when its folder had changed at the last look; None: there was none"""

    @property
    def name(self) -> str:
        """As in `2026-11-22/02`: it sorts by time."""
        return f"{self.path.parent.name}/{self.path.name}"


class Shelf:
    """What stands there of one camera. Times are the wall clock's, which the caller trusts or does not."""

    def __init__(self, data: Path, camera: str, keep: Keep, clock: Clock) -> None:
        self._data = data
        self._camera = camera
        self._folder = recordings_folder(data, camera)
        self._keep = keep
        self._clock = clock
        self._hours: dict[Path, Hour] = {}
        self._listed_s: float | None = None
        self.looks = 0
        """hours that were looked at"""

    def refresh(self) -> None:
        """See which hours there are, if that is some time ago."""
        now_s = self._clock.boot_s()
        if self._listed_s is not None and now_s < self._listed_s + LIST_S:
            return
        self._listed_s = now_s
        paths = [hour for day in folders_in(self._folder) for hour in folders_in(day)]
        self._hours = {path: self._hours.get(path) or self._new_hour(path) for path in paths}
        self._sweep_days()

    def due_hours(self) -> list[Hour]:
        """Those that are to be looked at now, as something may have had its time; the oldest first."""
        now_s = self._clock.wall_s()
        return _in_order(hour for hour in self._hours.values() if hour.due_s <= now_s)

    def unlooked(self) -> list[Hour]:
        """The hours of which it is not known yet what they show, where that matters; the oldest first."""
        if not self._keep.is_by_kind:
            return []
        return _in_order(hour for hour in self._hours.values() if hour.changed_ns is None)

    def look_again(self) -> None:
        """Look at the hours whose folder has changed since: what came to them counts where room is needed."""
        for hour in list(self._hours.values()):
            if hour.changed_ns is not None and hour.changed_ns != _changed_ns(hour.path):
                self.look(hour)

    def hours(self) -> list[Hour]:
        """All that there are, the oldest first."""
        return _in_order(self._hours.values())

    @property
    def now_s(self) -> float:
        """What ages are reckoned from: the clock, or the newest hour where that is later and the clock so is wrong."""
        return max([self._clock.wall_s(), *(hour.start_s + HOUR_S for hour in self._hours.values())])

    def most_used_up(self, now_s: float) -> tuple[Hour, float, float] | None:
        """Where those are that have had most of their time: hour, how long they are wanted, and the share they had.

        Of recordings that are all wanted equally long these are the oldest.
        """
        found = [
            (-(now_s - end_s) / max(wanted_s, SETTLE_S), hour.name, wanted_s, hour.path)
            for hour in self._hours.values()
            for wanted_s, end_s in hour.oldest.items()
        ]
        if not found:
            return None
        share, _, wanted_s, path = min(found)
        return self._hours[path], wanted_s, -share

    def look(self, hour: Hour) -> list[Kept]:
        """The closed segments of an hour, the oldest first, and when it is due again. Raises OSError."""
        self.looks += 1
        hour.changed_ns = _changed_ns(hour.path)
        kept = sorted(self._kept_in(hour.path))
        self.note(hour, kept)
        return kept

    def note(self, hour: Hour, kept: list[Kept]) -> None:
        """Remember that these are left of an hour; it goes when that is none, and it is long enough ago."""
        hour.oldest = {}
        for one in kept:
            hour.oldest.setdefault(one.wanted_s, one.end_s)
        now_s, is_past = self._clock.wall_s(), self._is_past(hour.start_s)
        # What comes to an hour that is not over ends after now, and so is due after that.
        again_s = AGAIN_S if is_past else min(AGAIN_S, max(LIST_S, self._keep.all_s))
        hour.due_s = min([now_s + again_s, *(one.due_s for one in kept)])
        if not kept and is_past and _is_removed(hour.path):
            del self._hours[hour.path]
            _is_removed(hour.path.parent)

    # Inside ----------------------------------------------------------------------------------------------------------

    def _new_hour(self, path: Path) -> Hour:
        start_s = _start_of(path)
        # Nothing of it can be due sooner; before it was looked at, all of it counts as wanted longest.
        return Hour(path, start_s, start_s + self._keep.all_s, {self._keep.longest_s: start_s})

    def _kept_in(self, folder: Path) -> Iterator[Kept]:
        shown = ShownFiles(self._data, self._camera)
        try:
            paths = list(folder.iterdir())
        except FileNotFoundError:
            return
        for path in paths:
            segment = _done(path)
            if segment is None:
                continue
            start_s, end_s = segment.start_ms / 1_000, (segment.end_ms or segment.start_ms) / 1_000
            wanted_s = self._keep.longest_s
            if self._keep.is_by_kind and path.suffix != BAD_SUFFIX:
                wanted_s = max(self._keep.wanted_s(shown.between(start_s, end_s)), SETTLE_S)
            yield Kept(end_s=end_s, path=path, wanted_s=wanted_s)

    def _sweep_days(self) -> None:
        # A day whose last hour somebody else removed.
        with_hours = {path.parent for path in self._hours}
        for day in folders_in(self._folder):
            if day not in with_hours and self._is_past(_start_of(day / "23")):
                _is_removed(day)

    def _is_past(self, start_s: float) -> bool:
        """Whether the recorder can't be about to write to a folder of this hour."""
        return start_s + 2 * HOUR_S < self._clock.wall_s()


def _in_order(hours: Iterable[Hour]) -> list[Hour]:
    return sorted(hours, key=lambda hour: hour.name)


def _start_of(hour: Path) -> float:
    try:
        return datetime.strptime(f"{hour.parent.name}/{hour.name}", "%Y-%m-%d/%H").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0  # not named by us: looked at now, and each day


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0  # it is gone


def _is_removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False  # something of another kind is in it; it is not ours
    return True


def _done(path: Path) -> Segment | None:
    """A segment that nobody writes any more: closed, or set aside because it can't be repaired."""
    if path.suffix == BAD_SUFFIX:
        bad = parse_segment(path.with_suffix(".part"))
        return None if bad is None else Segment(bad.start_ms, bad.start_ms, path)
    segment = parse_segment(path)
    return None if segment is None or segment.is_open else segment
