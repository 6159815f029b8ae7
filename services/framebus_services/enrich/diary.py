"""What one camera's picture showed, five seconds after five seconds, for those who decide which recordings stay.

Only what was watched from begin to end is written; all else stays unknown, and is kept as if it had shown everything.
"""

from collections.abc import Callable, Sequence

from framebus.messages import Box, ObjectEvent
from framebus.shown import Shown, slot_of
from framebus_services.enrich.motion import UNEXPLAINED_SHARE, Motion

GAP_S = 5.0
"""a camera whose frames come less often is not watched"""
STANDS_S = 30.0
"""so long an object that moves no more is what the camera shows; then it is part of the picture, as a parked car is"""
MOST_BACK = 60
"""slots before its start that an object is written into"""


class Diary:
    """The slots of one camera. Times are the wall clock's, as those of recordings are."""

    def __init__(self, write: Callable[[int, Shown], None]) -> None:
        """`write` takes the number of a slot and what it showed."""
        self._write = write
        self._last_s: float | None = None
        self._object_until_s = 0.0
        self._slot, self._is_whole = 0, False
        self._shown, self._is_certain = Shown.NOTHING, True

    def note(self, at_s: float, motion: Motion, objects: Sequence[ObjectEvent], *, is_certain: bool) -> None:
        """Take up a frame; `is_certain` is False while a detector should say what moves, and can't."""
        slot = slot_of(at_s)
        if self._last_s is None or not 0.0 <= at_s - self._last_s <= GAP_S:
            self._object_until_s = 0.0
            self._begin(slot, is_whole=False)
        elif slot != self._slot:
            self._end()
            self._begin(slot, is_whole=True)
        self._last_s = at_s
        if any(_is_moving(event.box, motion.boxes) for event in objects):
            self._object_until_s = at_s + STANDS_S
        if motion.boxes or motion.area > UNEXPLAINED_SHARE:
            self._shown = max(self._shown, Shown.MOTION)
            self._is_certain = self._is_certain and is_certain
        if at_s < self._object_until_s:
            self._shown = Shown.OBJECT

    def note_start(self, event: ObjectEvent) -> None:
        """Take up that an object is there, which was seen for a while before it was known to be one."""
        if self._last_s is None:
            return
        self._object_until_s = max(self._object_until_s, self._last_s + STANDS_S)
        self._shown = Shown.OBJECT
        for slot in range(max(slot_of(event.since_at_s), self._slot - MOST_BACK), self._slot):
            self._write(slot, Shown.OBJECT)

    def _begin(self, slot: int, *, is_whole: bool) -> None:
        self._slot, self._is_whole = slot, is_whole
        self._shown, self._is_certain = Shown.NOTHING, True

    def _end(self) -> None:
        if self._is_whole and (self._is_certain or self._shown is Shown.OBJECT):
            self._write(self._slot, self._shown)


def _is_moving(box: Box, moving: Sequence[Box]) -> bool:
    return any(
        box.x < other.x + other.width
        and other.x < box.x + box.width
        and box.y < other.y + other.height
        and other.y < box.y + box.height
        for other in moving
    )
