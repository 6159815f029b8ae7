"""The motion gate: where a camera's picture differs from what it usually shows. Arrays in, boxes out; no clock, no bus.

Each picture is made 161 to 320 pixels wide and compared with a background that follows slowly. A camera
that changes its exposure makes all pixels brighter by one factor, and so is no motion. When nearly all differs even
then, the light was switched: no boxes, and the background is learned anew. What was in the picture when it was learned
and leaves is forgotten at once: see `holes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from framebus.frame import U8
from framebus.messages import Box
from framebus.settings import Area
from framebus_services.enrich.areas import draw_areas
from framebus_services.enrich.background import THRESHOLD, Background
from framebus_services.enrich.exposure import Sample, exposure_between, sample_of
from framebus_services.enrich.holes import Holes
from framebus_services.enrich.shrink import halved, shrink, shrink_between

SWITCH_SHARE = 0.8
"""more of the picture than that does not move: the light was switched, or the camera turned ..."""
UNEXPLAINED_SHARE = 0.4
"""... unless a new exposure explains the change of all but this"""
SETTLE_S = 1.0
"""after a switch the exposure settles: so long the background follows at once"""
CELL_SHARE = 0.2
"""share of changed pixels that a cell of 4 x 4 needs to count; what is less is noise"""
MIN_SHARE = 0.0005
"""share of the picture that a box must cover"""
MAX_BOXES = 32
"""the largest ones are kept"""

_CELL = 4
_NEIGHBOURS = np.ones((3, 3), np.uint8)

_Corners = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Changed pixels that are together, and apart from others."""

    box: Box
    fill: float
    """changed share of the box, 0 to 1"""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """What moves in one picture."""

    boxes: list[Box]
    """in pixels of the picture that was given"""
    parts: list[Part]
    """what the boxes are made of, the largest first"""
    area: float
    """changed share of the picture, 0 to 1; of a switched light too, which has no boxes"""


STILL = Motion(boxes=[], parts=[], area=0.0)


class MotionGate:
    """The memory of one camera's picture."""

    def __init__(self, masks: Sequence[Area] = ()) -> None:
        """Within `masks` nothing moves."""
        self._masks = masks
        self._open: U8 | None = None  # 255 where no mask lies, in the size of the background
        self._open_pixels = 1
        self._background: Background | None = None
        self._holes: Holes | None = None
        self._size = (0, 0)
        self._settled_s = 0.0

    def find(self, luma: U8, at_s: float) -> Motion:
        """What moves in this picture, taken `at_s` (any clock in seconds that does not go back).

        In the first picture, and the first of a new size, nothing moves; nor ever in one of less than 4 x 4 pixels.
        """
        if min(luma.shape) < _CELL:
            return STILL
        small = shrink(luma)
        if self._background is None or self._holes is None or luma.shape != self._size:
            self._size = luma.shape
            self._open = draw_areas(self._masks, small.shape[1], small.shape[0], inside=0) if self._masks else None
            self._open_pixels = max(1, small.size if self._open is None else cv2.countNonZero(self._open))
            self._learn(luma, small, at_s)
            return STILL
        if at_s < self._settled_s:
            self._learn(luma, small, at_s)
            return STILL
        seen, expected = sample_of(small), self._background.sample
        changed = self._background.changed(small, exposure_between(seen, expected))
        if self._open is not None:
            changed &= self._open
        if (
            at_s >= self._holes.due_s
            and (holes := self._holes.find(small, self._background.pixels, changed, at_s)) is not None
        ):
            self._background.fill(small, holes)
            changed[holes] = 0
        area = cv2.countNonZero(changed) / self._open_pixels
        if area > UNEXPLAINED_SHARE and max(area, _differing(seen, expected)) > SWITCH_SHARE:
            self._settled_s = at_s + SETTLE_S
            self._learn(luma, small, at_s)
            return Motion(boxes=[], parts=[], area=area)
        if self._background.is_due(at_s):
            self._background.follow(small, shrink_between(luma), changed, at_s)
        if not area:
            return STILL
        found = _find_parts(changed)
        apart = [corners for corners, _ in found]
        boxes = self._scaled(apart, small)
        parts = [Part(box=box, fill=fill) for box, (_, fill) in zip(boxes, found, strict=True)]
        merged = _merged(apart)
        return Motion(boxes=boxes if merged == apart else self._scaled(merged, small), parts=parts, area=area)

    def _learn(self, luma: U8, small: U8, at_s: float) -> None:
        self._background = Background(small, shrink_between(luma), at_s)
        self._holes = Holes(small, at_s)

    def _scaled(self, boxes: list[_Corners], small: U8) -> list[Box]:
        height, width = self._size
        factor = width // small.shape[1]
        return [
            Box(
                x=left * factor,
                y=top * factor,
                width=min(right * factor, width) - left * factor,
                height=min(bottom * factor, height) - top * factor,
            )
            for left, top, right, bottom in boxes
        ]


def _differing(seen: Sample, expected: Sample) -> float:
    """The share of the picture that is not as bright as expected."""
    return np.count_nonzero(np.abs(seen - expected) > THRESHOLD) / seen.size


def _find_parts(changed: U8) -> list[tuple[_Corners, float]]:
    """Boxes about what changed, the largest first, each with its changed share: cells that touch are one thing."""
    cells = cv2.threshold(halved(halved(changed)), 255 * CELL_SHARE, 255, cv2.THRESH_BINARY)[1]
    _, _, found, _ = cv2.connectedComponentsWithStats(cv2.dilate(cells, _NEIGHBOURS), ltype=cv2.CV_16U)
    largest = sorted(found[1:, :5].tolist(), key=lambda row: -row[cv2.CC_STAT_AREA])[:MAX_BOXES]
    smallest = MIN_SHARE * changed.size
    parts = []
    for x, y, width, height, _ in largest:
        left, top = x * _CELL, y * _CELL
        part = changed[top : top + height * _CELL, left : left + width * _CELL]
        x, y, width, height = cv2.boundingRect(part)
        if width * height > smallest:
            corners = left + x, top + y, left + x + width, top + y + height
            parts.append((corners, cv2.countNonZero(part) / (width * height)))
    return parts


def _merged(boxes: Sequence[_Corners]) -> list[_Corners]:
    """Boxes that overlap as one."""
    merged: list[_Corners] = []
    for box in boxes:
        while (other := next((other for other in merged if _overlap(box, other)), None)) is not None:
            merged.remove(other)
            box = min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])
        merged.append(box)
    return merged


def _overlap(one: _Corners, other: _Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
