"""Where a detector is to look, and what it saw there as objects: motion wakes it, and who stands is left in peace.

A detector looks where something moves, and where an object is of which it is not sure that it stands. An object that
was seen twice where nothing moves stands: without motion it can't have left, so its place is looked at again only when
something moves over it, or after LOOK_AGAIN_S. Pictures in which nothing moves cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from framebus.messages import Box
from framebus.settings import Area
from framebus_services.enrich.areas import is_inside
from framebus_services.enrich.boxes import Boxes, larger, shared_areas
from framebus_services.enrich.tracker import Changes, Detection, Tracker

MOVED = 0.2
"""times its size a thing must have gone from where it first was: what is parked is no object, whoever walks by"""
STANDS = 2
"""so often it is seen where nothing moves, and then it stands"""
LOOK_AGAIN_S = 10.0
"""so often at least the place of an object that stands is looked at"""
NEAR = 0.1
"""motion that would touch an object if it were larger by this share of its size on each side may be its own"""
COVERED = 0.5
"""share of an object's place that must have been looked at, so that not to see it means something"""
BEHIND_MASK = 0.99
"""times the least sure score: so much a thing behind a mask has at most, so that it begins no object"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaze:
    """Where to look in one picture."""

    boxes: Boxes
    """rows of left, top, width, height in pixels: what moves, and the objects that may have"""
    asked: frozenset[int]
    """numbers of the tracks whose places are among the boxes"""
    quiet: frozenset[int]
    """numbers of the tracks where nothing moves"""
    sights: "Sights"


@dataclass(eq=False, slots=True)
class _Rest:
    """How an object stands."""

    seen: int = 0
    """how often in a row where nothing moved"""
    asked_s: float = 0.0
    """when its place was last looked at"""


class Sights:
    """What a detector sees of one camera."""

    def __init__(self, *, size: tuple[int, int], gone_s: float, sure: float, masks: Sequence[Area]) -> None:
        """Of pictures of this width and height; a detection with a score below `sure` begins no object."""
        self._tracker = Tracker(gone_s=gone_s, moved=MOVED, sure=sure)
        self._size = size
        self._sure = sure
        self._masks = masks
        self._rests: dict[int, _Rest] = {}

    def gaze(self, motion: Sequence[Box], at_s: float) -> Gaze | None:
        """Where to look in a picture of this time in which this moves; None: nowhere."""
        moving = np.array([(box.x, box.y, box.width, box.height) for box in motion], float).reshape(-1, 4)
        expected = self._tracker.expected(at_s)
        is_quiet = (shared_areas(larger(expected, NEAR), moving) == 0.0).all(axis=1).tolist()
        places, asked = [], []
        for track, place, quiet in zip(self._tracker.tracks, expected, is_quiet, strict=True):
            if not track.is_object:
                continue
            rest = self._rests.setdefault(track.number, _Rest(asked_s=at_s))
            if quiet and rest.seen >= STANDS and at_s - rest.asked_s < LOOK_AGAIN_S:
                continue
            if rest.seen >= STANDS:  # it stood there until now, though nobody looked
                rest.seen = 0
                track.seen_s = max(track.seen_s, at_s)
            places.append(place)
            asked.append(track.number)
        if not len(moving) and not places:
            return None
        numbers = [track.number for track, quiet in zip(self._tracker.tracks, is_quiet, strict=True) if quiet]
        boxes = np.vstack((moving, np.array(places).reshape(-1, 4)))
        return Gaze(boxes=boxes, asked=frozenset(asked), quiet=frozenset(numbers), sights=self)

    def places(self, at_s: float) -> dict[int, tuple[float, float, float, float]]:
        """Where each track should be at a time: left, top, width, height by its number."""
        expected = self._tracker.expected(at_s).tolist()
        return {
            track.number: (left, top, width, height)
            for track, (left, top, width, height) in zip(self._tracker.tracks, expected, strict=True)
        }

    def see(self, detections: Sequence[Detection], gaze: Gaze, at_s: float) -> Changes:
        """Take up what was seen in a picture of this time."""
        expected = self._tracker.expected(at_s)
        overlap = shared_areas(larger(gaze.boxes, NEAR), expected).max(axis=0, initial=0.0)
        elsewhere = {
            track.number
            for track, area, place in zip(self._tracker.tracks, overlap.tolist(), expected, strict=True)
            if track.is_object and track.number not in gaze.asked and area < COVERED * place[2] * place[3]
        }
        changes = self._tracker.update([self._weighed(one) for one in detections], at_s, elsewhere)
        for track in (*changes.started, *changes.seen):
            rest = self._rests.setdefault(track.number, _Rest())
            rest.seen = rest.seen + 1 if track.number in gaze.quiet else 0
            rest.asked_s = at_s
        self._tracker.settle({number for number, rest in self._rests.items() if rest.seen >= STANDS})
        for track in changes.ended:
            self._rests.pop(track.number, None)
        return changes

    def _weighed(self, detection: Detection) -> Detection:
        """The detection, doubtful where it stands behind a mask."""
        if not self._masks or detection.score < self._sure:
            return detection
        left, top, width, height = detection.box
        across, down = (left + width / 2.0) / self._size[0], (top + height) / self._size[1]
        if any(is_inside(mask, min(across, 0.999), min(down, 0.999)) for mask in self._masks):
            return Detection(box=detection.box, score=BEHIND_MASK * self._sure, label=detection.label)
        return detection
