"""Turns regions of motion into sights of objects: one car is often several regions, and one region often two people.

The tracks of the pictures before decide. Regions within the expected place of one track are its parts, and become one
box. A region over the expected places of several tracks is no news of where each of them is: they are taken to go on
as before, within the region. Two tracks that share a region and move alike for a while were one thing all along.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from framebus_services.enrich.boxes import Boxes, larger, shared_areas
from framebus_services.enrich.tracker import Changes, Detection, Track, Tracker

Flags = npt.NDArray[np.bool_]

LABEL = "motion"
MOVED = 0.4
"""times its size a region must have gone from where it first was: a lamp that flickers, or a line that the exposure
makes brighter, stays in its place"""
MOVED_SHARE = 0.03
"""and this of the picture's width: the box of something small is never exact"""
NEAR = 0.1
"""new regions that would touch if each were larger by this share of its size on each side are one"""
SLACK = 0.15
"""an expected place is larger by this share of its size on each side"""
LEAST_COVER = 0.5
"""share of the smaller one by which a region and an expected place belong together"""
SHARED_SCORE = 0.4
"""of a sight in a region that others share; it is doubtful, so that it begins no track"""
ALIKE_S = 1.0
"""tracks that share a region and move alike for so long are one object"""
ALIKE_SPEED = 0.35
"""by how much, of the faster one's, two speeds may differ to be alike"""
STANDS = 0.2
"""sizes a second; what is slower stands"""


class Regions:
    """The motion of one camera as tracks."""

    def __init__(self, *, width: int, gone_s: float) -> None:
        """Of pictures of this width."""
        self._tracker = Tracker(gone_s=gone_s, moved=MOVED, moved_pixels=MOVED_SHARE * width)
        self._alike_since_s: dict[tuple[int, int], float] = {}

    @property
    def tracks(self) -> list[Track]:
        return self._tracker.tracks

    def see(self, boxes: Boxes, fills: Sequence[float], at_s: float) -> Changes:
        """Take up the regions of a picture; `fills` are the changed shares of their areas."""
        if not len(boxes) and not self._tracker.tracks:
            return Changes()
        boxes, scores = boxes.reshape(-1, 4), np.sqrt(np.asarray(fills, float))
        tracks = list(self._tracker.tracks)
        expected = self._tracker.expected(at_s)
        belongs = _belongs(expected, boxes)
        sharers = belongs.sum(axis=0)
        is_free = sharers == 0
        detections = _fresh(*_joined(boxes[is_free], scores[is_free]))
        pieces = {part: _divided(boxes[part], expected, belongs[:, part]) for part in np.flatnonzero(sharers > 1)}
        for index, track in enumerate(tracks):
            own = np.flatnonzero(belongs[index])
            if own.size:
                parts = [pieces[part][index] if part in pieces else boxes[part] for part in own]
                score = float(scores[own].max()) if (sharers[own] == 1).any() else SHARED_SCORE
                box = _union(np.array(parts))
                detections.append(Detection(box=box, score=score, label=LABEL, track=track.number))
        changes = self._tracker.update(detections, at_s)
        self._unite(tracks, belongs[:, sharers > 1], at_s, changes)
        return changes

    def _unite(self, tracks: list[Track], shared: Flags, at_s: float, changes: Changes) -> None:
        """Drop the younger one of two tracks that turn out to be one thing."""
        speeds = {track.number: speed for track, speed in zip(self.tracks, self._tracker.speeds, strict=True)}
        pairs = {
            pair
            for region in shared.T
            for pair in itertools.combinations([tracks[index] for index in np.flatnonzero(region)], 2)
            if pair[0].number in speeds and pair[1].number in speeds
        }
        alike = {}
        doubled: set[int] = set()
        for one, other in pairs:
            key = (one.number, other.number)
            is_sure = one.is_object and other.is_object
            if is_sure and _are_alike(one, other, speeds):
                alike[key] = self._alike_since_s.get(key, at_s)
            if not is_sure or at_s - alike.get(key, at_s) >= ALIKE_S:
                doubled.add(max((one, other), key=lambda track: (not track.is_object, track.number)).number)
        self._alike_since_s = alike
        ended = self._tracker.drop(doubled) if doubled else []
        changes.seen[:] = [track for track in changes.seen if track.number not in doubled]
        changes.ended.extend(ended)


def _are_alike(one: Track, other: Track, speeds: Mapping[int, Boxes]) -> bool:
    """Whether two tracks go the same way, or stand."""
    some, others = speeds[one.number][:2], speeds[other.number][:2]
    fastest = max(np.hypot(*some), np.hypot(*others))
    size = min(np.sqrt(track.box[2] * track.box[3]) for track in (one, other))
    return bool(fastest <= STANDS * size or np.hypot(*(some - others)) <= ALIKE_SPEED * fastest)


def _fresh(boxes: Boxes, scores: Boxes) -> list[Detection]:
    return [
        Detection(box=(x, y, width, height), score=score, label=LABEL)
        for (x, y, width, height), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]


def _joined(boxes: Boxes, scores: Boxes) -> tuple[Boxes, Boxes]:
    """Regions with those that are near each other made one; the score of the surest part is that of the whole."""
    while len(boxes) > 1:
        touch = shared_areas(larger(boxes, NEAR), larger(boxes, NEAR)) > 0.0
        np.fill_diagonal(touch, False)
        if not touch.any():
            break
        one, other = np.argwhere(touch)[0]
        boxes[one] = _union(boxes[[one, other]])
        scores[one] = max(scores[one], scores[other])
        boxes, scores = np.delete(boxes, other, axis=0), np.delete(scores, other)
    return boxes, scores


def _belongs(expected: Boxes, boxes: Boxes) -> Flags:
    """Which region lies in which expected place, or the other way round."""
    places = larger(expected, SLACK)
    smaller = np.minimum((expected[:, 2] * expected[:, 3])[:, np.newaxis], boxes[:, 2] * boxes[:, 3])
    return np.asarray(shared_areas(places, boxes) >= LEAST_COVER * smaller)


def _divided(region: Boxes, expected: Boxes, sharers: Flags) -> Boxes:
    """The parts of a region that those have who share it, in rows as `expected`.

    Each is where it is expected, moved into the region; and each edge of the region is the edge of whoever is nearest.
    """
    sides = np.minimum(expected[:, 2:], region[2:])
    low = np.clip(expected[:, :2], region[:2], region[:2] + region[2:] - sides)
    edges = np.hstack((low, low + sides))
    outer = np.concatenate((region[:2], region[:2] + region[2:]))
    away = np.where(sharers[:, np.newaxis], np.abs(edges - outer), np.inf)
    edges[away.argmin(axis=0), range(4)] = outer
    return np.hstack((edges[:, :2], edges[:, 2:] - edges[:, :2]))


def _union(boxes: Boxes) -> tuple[float, float, float, float]:
    left, top = boxes[:, 0].min(), boxes[:, 1].min()
    right, bottom = (boxes[:, 0] + boxes[:, 2]).max(), (boxes[:, 1] + boxes[:, 3]).max()
    return float(left), float(top), float(right - left), float(bottom - top)
