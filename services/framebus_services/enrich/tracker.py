"""Which box of this picture is which of the last: objects with numbers that stay. Boxes and times in, tracks out.

A box is expected where its speed takes it. Boxes and tracks meet by how much they overlap, in two stages: first the
boxes that are sure, then the doubtful ones for the tracks that are left, so that a weak sight keeps an object alive
but begins none. No clock, no bus, no pictures.
"""

import itertools
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np

from framebus_services.enrich.boxes import Boxes, corners, larger, overlaps

HIGH_SCORE = 0.5
START_HITS = 3
"""that often a track is seen before it is an object"""
START_MISSES = 1
"""that often in a row it may be missing before that"""
LEAST_IOU = 0.15
OTHER_LABEL = 0.5
"""what an overlap counts when the labels differ: who is called a car in one picture may be a truck in the next"""
BUFFER = 0.25
"""by this share of its size a box is made larger on each side before it is compared ..."""
FIRST_BUFFER = 1.0
"""... and this where the track was seen once, and its speed is not known yet"""
TRUST_S = 1.5
"""what the overlap of a track counts falls to 1/e in this time without a sight: of two that fit, who was there just now
goes first (a soft form of the cascade of Wojke et al., "Simple Online and Realtime Tracking with a Deep Association
Metric", 2017)"""
FOLLOW = 0.7
"""how much of the way from the expected place to the seen one the track goes: the rest counts as noise"""
FOLLOW_SPEED = 0.35
COAST_S = 2.0
"""the speed of a track that is not seen falls to 1/e in this time"""
MAX_TRACKS = 64

_FAR = -1.0  # the overlap of what must not meet


@dataclass(frozen=True, kw_only=True, slots=True)
class Detection:
    """Something seen in one picture."""

    box: tuple[float, float, float, float]
    """left, top, width, height in pixels"""
    score: float
    """how sure it is, 0 to 1"""
    label: str
    track: int | None = None
    """the number of the track that it is a sight of, where that is known already"""


@dataclass(eq=False, kw_only=True, slots=True)
class Track:
    """One thing over time."""

    number: int
    label: str
    """the one with the most of all the scores of its detections"""
    score: float
    """the highest of its detections"""
    first_s: float
    seen_s: float
    box: tuple[float, float, float, float]
    """left, top, width, height where it was last seen, noise taken out"""
    first_middle: tuple[float, float]
    hits: int = 1
    misses: int = 0  # in a row
    is_object: bool = False
    """it was seen often enough, and has moved enough"""
    votes: dict[str, float] = field(default_factory=dict)  # of each label, the sum of the scores

    def vote(self, label: str, score: float) -> None:
        """Take up what one detection calls it."""
        self.votes[label] = self.votes.get(label, 0.0) + score
        self.label = max(self.votes, key=lambda name: self.votes[name])
        self.score = max(self.score, score)


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What a picture changed; only tracks that are objects."""

    started: list[Track] = field(default_factory=list)
    seen: list[Track] = field(default_factory=list)
    """without those that started"""
    ended: list[Track] = field(default_factory=list)


class Tracker:
    """The tracks of one camera."""

    def __init__(
        self, *, gone_s: float = 2.0, moved: float = 0.0, moved_pixels: float = 0.0, sure: float = HIGH_SCORE
    ) -> None:
        """An object ends when it was not seen for `gone_s`. It starts when its middle has gone at least `moved` times
        its size, and so many pixels, from where it first was: what only flickers in its place is none. A box with a
        score of less than `sure` begins no track, and is matched after the others."""
        self._gone_s = gone_s
        self._moved = moved
        self._moved_pixels = moved_pixels
        self._sure = sure
        self._numbers = itertools.count(1)
        self._at_s = 0.0
        self.tracks: list[Track] = []
        # Rows in the order of `tracks`: middle across, middle down, width, height, and the same a second.
        self._places: Boxes = np.empty((0, 4))
        self._speeds: Boxes = np.empty((0, 4))

    @property
    def speeds(self) -> Boxes:
        """Pixels a second, in the order of `tracks`: across, down, in width, in height."""
        return self._speeds

    def expected(self, at_s: float) -> Boxes:
        """Where the tracks should be at a time, in the order of `tracks`."""
        return corners(self._expected(max(0.0, at_s - self._at_s)))

    def update(self, detections: Sequence[Detection], at_s: float, elsewhere: Container[int] = frozenset()) -> Changes:
        """Take up what was seen at `at_s`, any clock in seconds; a time that goes back counts as the time before.

        Where the tracks `elsewhere` are nobody looked: they stay as and where they are.
        """
        passed_s = max(0.0, at_s - self._at_s) if self.tracks else 0.0
        self._at_s = max(at_s, self._at_s)
        expected = self._expected(passed_s)
        stays = np.array([track.number in elsewhere for track in self.tracks], bool)
        expected[stays] = self._places[stays]
        self._speeds[stays] = 0.0
        pairs = self._matched(detections, expected)
        hit = np.zeros(len(self.tracks), bool)
        hit[[track for track, _ in pairs]] = True
        self._places = expected
        self._speeds[~hit] *= np.exp(-passed_s / COAST_S)
        if pairs:
            self._follow(pairs, detections, passed_s)
        changes = Changes()
        for index, track in enumerate(self.tracks):
            if hit[index] or not stays[index]:
                self._note(track, index, hit[index], changes)
            else:
                track.seen_s = self._at_s
        taken = {detection for _, detection in pairs}
        self._drop(changes)
        for number, detection in enumerate(detections):
            if number not in taken and detection.score >= self._sure and detection.track is None:
                self._begin(detection)
        return changes

    def settle(self, numbers: Container[int]) -> None:
        """These tracks stand: they are expected where they are."""
        self._speeds[np.array([track.number in numbers for track in self.tracks], bool)] = 0.0

    def drop(self, numbers: set[int]) -> list[Track]:
        """Forget tracks; returns those that were objects."""
        dropped = [track for track in self.tracks if track.number in numbers]
        self._keep([track.number not in numbers for track in self.tracks])
        return [track for track in dropped if track.is_object]

    # Inside ----------------------------------------------------------------------------------------------------------

    def _expected(self, passed_s: float) -> Boxes:
        # After a gap nothing is known but the direction: the way does not grow for ever.
        way_s = COAST_S * (1.0 - np.exp(-passed_s / COAST_S)) if passed_s > COAST_S else passed_s
        expected = self._places + self._speeds * way_s
        np.maximum(expected[:, 2:], 1.0, out=expected[:, 2:])
        return expected

    def _matched(self, detections: Sequence[Detection], expected: Boxes) -> list[tuple[int, int]]:
        """Pairs of indices of tracks and detections."""
        if not detections or not self.tracks:
            return []
        rows = {track.number: index for index, track in enumerate(self.tracks)}
        pairs = [(rows[seen.track], number) for number, seen in enumerate(detections) if seen.track in rows]
        overlap = self._overlap(detections, expected)
        free_tracks = np.ones(len(self.tracks), bool)
        free_seen = np.array([seen.track is None for seen in detections])
        for track, number in pairs:
            free_tracks[track] = free_seen[number] = False
        is_sure = np.array([seen.score >= self._sure for seen in detections])
        for stage in (is_sure, ~is_sure):
            left = np.where(free_tracks[:, np.newaxis] & (free_seen & stage), overlap, _FAR)
            for track, number in _greedy(left):
                pairs.append((track, number))
                free_tracks[track] = free_seen[number] = False
        return pairs

    def _overlap(self, detections: Sequence[Detection], expected: Boxes) -> Boxes:
        seen = np.array([detection.box for detection in detections])
        buffer = np.where([track.hits > 1 for track in self.tracks], BUFFER, FIRST_BUFFER)[:, np.newaxis]
        overlap = overlaps(larger(corners(expected), buffer), larger(seen, BUFFER))
        trust = np.exp([(track.seen_s - self._at_s) / TRUST_S for track in self.tracks])[:, np.newaxis]
        overlap = np.where(overlap >= LEAST_IOU, np.maximum(trust * overlap, LEAST_IOU), _FAR)
        is_same = [[track.label == seen.label for seen in detections] for track in self.tracks]
        return np.asarray(np.where(is_same, overlap, OTHER_LABEL * overlap))

    def _follow(self, pairs: list[tuple[int, int]], detections: Sequence[Detection], passed_s: float) -> None:
        rows = np.array([track for track, _ in pairs])
        seen = np.array([detections[number].box for _, number in pairs])
        seen[:, :2] += seen[:, 2:] / 2.0
        wrong = seen - self._places[rows]
        is_second = np.array([self.tracks[row].hits == 1 for row in rows])[:, np.newaxis]
        self._places[rows] += wrong * np.where(is_second, 1.0, FOLLOW)
        if passed_s > 0.0:
            share = np.where(is_second, 1.0, FOLLOW_SPEED)
            self._speeds[rows, :2] += share * wrong[:, :2] / passed_s
        for track, number in pairs:
            self.tracks[track].vote(detections[number].label, detections[number].score)

    def _note(self, track: Track, index: int, is_hit: bool, changes: Changes) -> None:
        if not is_hit:
            track.misses += 1
            return
        x, y, width, height = self._places[index].tolist()
        track.box = (x - width / 2.0, y - height / 2.0, width, height)
        track.hits, track.misses = track.hits + 1, 0
        track.seen_s = self._at_s
        if track.is_object:
            changes.seen.append(track)
        elif track.hits >= START_HITS:
            away = np.hypot(x - track.first_middle[0], y - track.first_middle[1])
            if away >= max(self._moved * np.sqrt(width * height), self._moved_pixels):
                track.is_object = True
                changes.started.append(track)

    def _drop(self, changes: Changes) -> None:
        keep = []
        for track in self.tracks:
            is_gone = self._at_s - track.seen_s >= self._gone_s
            if track.is_object and is_gone:
                changes.ended.append(track)
            keep.append(not is_gone and (track.is_object or track.misses <= START_MISSES))
        if not all(keep):
            self._keep(keep)

    def _keep(self, keep: list[bool]) -> None:
        self.tracks = [track for track, stays in zip(self.tracks, keep, strict=True) if stays]
        self._places, self._speeds = self._places[keep], self._speeds[keep]

    def _begin(self, detection: Detection) -> None:
        if len(self.tracks) >= MAX_TRACKS:
            return
        left, top, width, height = detection.box
        middle = (left + width / 2.0, top + height / 2.0)
        self.tracks.append(
            Track(
                number=next(self._numbers),
                label=detection.label,
                score=detection.score,
                first_s=self._at_s,
                seen_s=self._at_s,
                box=detection.box,
                first_middle=middle,
                votes={detection.label: detection.score},
            )
        )
        self._places = np.vstack((self._places, (*middle, width, height)))
        self._speeds = np.vstack((self._speeds, np.zeros(4)))


def _greedy(overlap: Boxes) -> list[tuple[int, int]]:
    """Pairs that overlap enough, the closest first, each row and column once."""
    rows, columns = np.nonzero(overlap >= LEAST_IOU)
    order = np.argsort(-overlap[rows, columns], kind="stable")
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            pairs.append((row, column))
            used_rows.add(row)
            used_columns.add(column)
    return pairs
