"""Holds the recordings of all cameras together within `recordings: {max: ...}`.

The launcher does it, as for cameras that are no more: it alone knows the whole. It counts on a thread of its own; after
the first time only hours are counted again whose folder has changed, or that are being written to. What goes first has
had the largest part of the time that it is wanted for: so all is kept shorter alike. Closed segments only. The bound
holds but for what is recorded between two looks. The clock does not matter: nothing is deleted for its age alone.
"""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

from framebus.clock import Clock
from framebus.keep import Keep, read_keep
from framebus.messages import NAME_PATTERN
from framebus.recordings import folders_in
from framebus.shelf import HOUR_S, Hour, Shelf
from framebus_launcher.sweeping import Sweeping

log = logging.getLogger(__name__)

PERIOD_S = 30.0
AT_ONCE = 10
"""files of one hour, before it is looked again whose turn it is"""
PAUSE_S = 0.002
"""between two hours that are counted, so that the launcher's loop is never kept waiting"""


class Bound(Sweeping):
    """The recordings under `data`; call `sweep` now and then."""

    def __init__(self, data: Path, max_bytes: Callable[[], float | None], clock: Clock) -> None:
        """`max_bytes` is asked at each sweep, from the thread; None: there is no bound."""
        super().__init__("bound", PERIOD_S, "recordings can't be held within their bound")
        self._data = data
        self._max_bytes = max_bytes
        self._clock = clock
        self._shelves: dict[str, tuple[Keep, Shelf]] = {}
        self._counted: dict[Path, tuple[int, int]] = {}
        """of each hour, when its folder changed and how many bytes there were"""
        self._is_told = False
        self.deleted = 0
        self.counted = 0
        """hours whose files were counted"""

    def sweep(self) -> None:
        """Count, and delete what is too much. Raises OSError."""
        max_bytes = self._max_bytes()
        if max_bytes is None:
            self._shelves, self._counted = {}, {}
            return
        self._look_for_cameras()
        taken = self._count()
        if taken > max_bytes:
            self._tell(max_bytes)
            self._look_at_all()
        while taken > max_bytes and not self._is_over.is_set():
            freed = self._delete_some(taken - max_bytes)
            if freed is None:
                return
            taken -= freed

    # Inside ----------------------------------------------------------------------------------------------------------

    def _look_for_cameras(self) -> None:
        shelves = {}
        for folder in folders_in(self._data / "recordings"):
            if not re.fullmatch(NAME_PATTERN, folder.name):
                continue  # no camera's
            keep = read_keep(self._data, folder.name)
            known = self._shelves.get(folder.name)
            is_known = known is not None and known[0] == keep
            shelves[folder.name] = known if known and is_known else (keep, self._new_shelf(folder.name, keep))
        self._shelves = shelves
        for _, shelf in shelves.values():
            shelf.refresh()

    def _new_shelf(self, camera: str, keep: Keep) -> Shelf:
        return Shelf(self._data, camera, keep, self._clock)

    def _count(self) -> int:
        """What all recordings take, in bytes."""
        hours = [hour for _, shelf in self._shelves.values() for hour in shelf.hours()]
        counted = {}
        for hour in hours:
            counted[hour.path] = self._count_hour(hour)
        self._counted = counted
        return sum(size for _, size in counted.values())

    def _count_hour(self, hour: Hour) -> tuple[int, int]:
        try:
            changed_ns = hour.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0, 0
        known = self._counted.get(hour.path)
        if known is not None and known[0] == changed_ns and hour.start_s + 2 * HOUR_S < self._clock.wall_s():
            return known
        self._is_over.wait(PAUSE_S)
        self.counted += 1
        return changed_ns, _size_of(hour.path)

    def _look_at_all(self) -> None:
        for _, shelf in self._shelves.values():
            shelf.look_again()
            for hour in shelf.unlooked():
                if self._is_over.wait(PAUSE_S):
                    return
                shelf.look(hour)

    def _delete_some(self, too_much: float) -> int | None:
        """Delete of the hour whose turn it is; how many bytes that were, or None where there is nothing to delete."""
        shelves = [shelf for _, shelf in self._shelves.values()]
        now_s = max((shelf.now_s for shelf in shelves), default=0.0)
        found = [(chosen, shelf) for shelf in shelves if (chosen := shelf.most_used_up(now_s)) is not None]
        if not found:
            return None
        (hour, wanted_s, _), shelf = max(found, key=lambda pair: pair[0][2])
        was_guessed = hour.changed_ns is None
        kept = shelf.look(hour)
        if was_guessed:
            return 0  # it may not be its turn
        freed = 0
        for one in [one for one in kept if one.wanted_s == wanted_s][:AT_ONCE]:
            if freed >= too_much or self._is_over.is_set():
                break
            freed += _remove(one.path)
            kept.remove(one)
            self.deleted += 1
        shelf.note(hour, kept)
        return freed

    def _tell(self, max_bytes: float) -> None:
        if not self._is_told:
            self._is_told = True
            log.info("all recordings take more than %.4g GB: from now on they go before their time", max_bytes / 1e9)


def _size_of(folder: Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:  # it has just had its time
                continue
    return total


def _remove(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:  # its camera was faster
        return 0
    return size
