"""Deletes a camera's recordings that have had their time, and more where the disk is getting short.

Capture uses it for its own camera, the launcher for cameras that are configured no more. Closed segments only, a few in
each step. Where room is needed those go first that have had the largest part of their time: all are kept shorter alike.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from framebus.clock import Clock
from framebus.keep import Keep
from framebus.shelf import Hour, Kept, Shelf
from framebus.wall_trust import WallTrust

AT_ONCE = 50
"""files deleted in one step, so that the loop goes on turning"""
LOOKS = 4
"""hours looked at in one step"""


class Retention:
    """The recordings of one camera; call `step` now and then."""

    def __init__(
        self,
        data: Path,
        camera: str,
        keep: Keep,
        clock: Clock,
        is_getting_short: Callable[[], bool] = lambda: False,
    ) -> None:
        self.shelf = Shelf(data, camera, keep, clock)
        self._clock = clock
        self._is_getting_short = is_getting_short
        self.tally: Counter[str] = Counter()
        self._wall = WallTrust(clock)

    def step(self) -> bool:
        """Delete a few files at most; tells whether there may be more to do at once. Raises OSError."""
        self.shelf.refresh()
        before = self.tally.total()
        unlooked = self.shelf.unlooked()
        for hour in unlooked[:LOOKS]:
            self.shelf.look(hour)
        if self._wall.is_trusted():
            for looked, hour in enumerate(self.shelf.due_hours()):
                if looked == LOOKS or self._left(before) <= 0:
                    return True
                self._delete_due(hour, self._left(before))
        if self._is_getting_short():
            self.shelf.look_again()
        for _ in range(LOOKS):
            if self._left(before) <= 0 or not self._is_getting_short():
                return self._left(before) <= 0 or len(unlooked) > LOOKS
            if not self._make_room(self._left(before)):
                return False
        return True

    def _left(self, before: int) -> int:
        return AT_ONCE - (self.tally.total() - before)

    def _delete_due(self, hour: Hour, most: int) -> None:
        now_s = self._clock.wall_s()
        kept = self.shelf.look(hour)
        for one in [one for one in kept if one.due_s < now_s][:most]:
            self._delete(one, "old")
            kept.remove(one)
        self.shelf.note(hour, kept)

    def _make_room(self, most: int) -> bool:
        """Delete of the hour whose turn it is; tells whether there was anything."""
        chosen = self.shelf.most_used_up(self.shelf.now_s)
        if chosen is None:
            return False
        hour, wanted_s, _ = chosen
        kept = self.shelf.look(hour)
        for one in [one for one in kept if one.wanted_s == wanted_s][:most]:
            if not self._is_getting_short():
                break
            self._delete(one, "for_space")
            kept.remove(one)
        self.shelf.note(hour, kept)
        return True

    def _delete(self, one: Kept, why: str) -> None:
        one.path.unlink(missing_ok=True)
        self.tally[f"deleted.{why}"] += 1
