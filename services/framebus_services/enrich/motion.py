"""The motion gate: where a camera's picture differs from what it usually shows. Arrays in, boxes out; no clock, no bus.

Each picture is made 161 to 320 pixels wide and compared with a background that follows slowly. A camera
that changes its exposure makes all pixels brighter by one factor, and so is no motion. When nearly all differs even
then, the light was switched: no boxes, and the background is learned anew. What was in the picture when it was learned
and leaves is forgotten at once: see `holes`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from framebus.frame import U8
from framebus.messages import Box
from framebus.settings import Area
from framebus_services.enrich.areas import draw_areas
from framebus_services.enrich.exposure import exposure_between, sample_of
from framebus_services.enrich.holes import Holes

WIDEST = 320
"""pixels; wider pictures are halved, and again"""
THRESHOLD = 22
"""steps of luma by which a pixel must differ to count as changed"""
SWITCH_SHARE = 0.8
"""more of the picture than that does not move: the light was switched, or the camera turned ..."""
UNEXPLAINED_SHARE = 0.4
"""... unless a new exposure explains the change of all but this"""
SETTLE_S = 1.0
"""after a switch the exposure settles: so long the background follows at once"""
ADAPT_S = 5.0
"""how slowly the background follows where nothing moves"""
ABSORB_S = 15.0
"""how slowly it follows where something moves: what stops becomes background"""
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
        self._background: npt.NDArray[np.float32] | None = None
        self._holes: Holes | None = None
        self._size = (0, 0)
        self._seen_s = 0.0
        self._settled_s = 0.0

    def find(self, luma: U8, at_s: float) -> Motion:
        """What moves in this picture, taken `at_s` (any clock in seconds that does not go back).

        In the first picture, and the first of a new size, nothing moves; nor ever in one of less than 4 x 4 pixels.
        """
        if min(luma.shape) < _CELL:
            return STILL
        small = _shrink(luma)
        if self._background is None or luma.shape != self._size:
            self._size = luma.shape
            self._open = draw_areas(self._masks, small.shape[1], small.shape[0], inside=0) if self._masks else None
            self._open_pixels = max(1, small.size if self._open is None else cv2.countNonZero(self._open))
            self._learn(small, at_s)
            return STILL
        passed_s = max(0.0, at_s - self._seen_s)
        self._seen_s = at_s
        if at_s < self._settled_s:
            self._learn(small, at_s)
            return STILL
        raw_share, exposure = _compared(small, self._background)
        self._background *= exposure
        changed = _changed(small, self._background)
        if self._open is not None:
            changed = _and(changed, self._open)
        self._fill_holes(small, changed, at_s)
        area = cv2.countNonZero(changed) / self._open_pixels
        if area > UNEXPLAINED_SHARE and max(area, raw_share) > SWITCH_SHARE:
            self._settled_s = at_s + SETTLE_S
            self._learn(small, at_s)
            return Motion(boxes=[], parts=[], area=area)
        cv2.accumulateWeighted(small, self._background, _share(passed_s, ADAPT_S), cv2.bitwise_not(changed))
        if not area:
            return STILL
        cv2.accumulateWeighted(small, self._background, _share(passed_s, ABSORB_S), changed)
        found = _find_parts(changed)
        parts = [
            Part(box=box, fill=_fill(changed, *corners))
            for box, corners in zip(self._scaled(found, small), found, strict=True)
        ]
        return Motion(boxes=self._scaled(_merged(found), small), parts=parts, area=area)

    def _learn(self, small: U8, at_s: float) -> None:
        self._background = small.astype(np.float32)
        self._holes = Holes(small, at_s)
        self._seen_s = at_s

    def _fill_holes(self, small: U8, changed: U8, at_s: float) -> None:
        """Where something has left that was background, the background is what is seen now, and nothing is changed."""
        assert self._background is not None
        assert self._holes is not None
        if at_s < self._holes.due_s:
            return
        holes = self._holes.find(small, self._background, changed, at_s)
        if holes is not None:
            np.copyto(self._background, small, where=holes)
            changed[holes] = 0

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


def _shrink(luma: U8) -> U8:
    """The picture in half size, and again, until it is narrow enough.

    Each pixel of the result is a mean, which takes out the noise of the sensor: of all columns, but of two rows only.
    To fetch the other rows of a large picture would cost more than all that is done with the result.
    """
    factor = 1
    while luma.shape[1] // factor > WIDEST:
        factor *= 2
    if factor == 1:
        return luma
    width, height = luma.shape[1] // factor, luma.shape[0] // factor
    shrunk = _halved(luma[: height * factor : factor // 2, : width * factor])
    while shrunk.shape[1] > width:
        shrunk = _halved(np.repeat(shrunk, 2, axis=0))  # across only; halving both sides is by far the fastest
    return shrunk


def _halved(picture: U8) -> U8:
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    even = picture[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _compared(small: U8, background: npt.NDArray[np.float32]) -> tuple[float, np.float32]:
    """The share of the picture that is not as bright as the background, and by how much most of it is brighter."""
    seen, expected = sample_of(small), sample_of(background)
    differing = np.count_nonzero(np.abs(seen - expected) > THRESHOLD)
    return differing / seen.size, exposure_between(seen, expected)


def _changed(small: U8, background: npt.NDArray[np.float32]) -> U8:
    """255 where a pixel is brighter or darker than all the background about it: a camera that shakes moves nothing."""
    expected = cv2.convertScaleAbs(background)
    changed = _over(cv2.absdiff(small, expected), THRESHOLD)
    x, y, width, height = cv2.boundingRect(changed)
    if width and height:
        # What is the same as its own background is the same as that about it: only the rest is looked at.
        part = np.s_[max(0, y - 1) : y + height + 1, max(0, x - 1) : x + width + 1]
        brighter = cv2.subtract(small[part], cv2.dilate(expected[part], _NEIGHBOURS))
        darker = cv2.subtract(cv2.erode(expected[part], _NEIGHBOURS), small[part])
        changed[part] = _over(cv2.max(brighter, darker), THRESHOLD)
    return changed


def _and(one: U8, other: U8) -> U8:
    return cv2.bitwise_and(one, other).astype(np.uint8, copy=False)


def _over(values: cv2.typing.MatLike, threshold: float) -> U8:
    """255 where a value is greater than the threshold, else 0."""
    return cv2.threshold(values, threshold, 255, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False)


def _share(passed_s: float, follow_s: float) -> float:
    """How much of a difference the background takes over in `passed_s`."""
    return 1.0 - math.exp(-passed_s / follow_s)


def _find_parts(changed: U8) -> list[_Corners]:
    """Boxes about what changed, the largest first: cells that touch are one thing."""
    cells = _over(_halved(_halved(changed)), 255 * CELL_SHARE)
    _, _, found, _ = cv2.connectedComponentsWithStats(cv2.dilate(cells, _NEIGHBOURS), ltype=cv2.CV_16U)
    largest = sorted(found[1:].tolist(), key=lambda row: -row[cv2.CC_STAT_AREA])[:MAX_BOXES]
    boxes = [_tight(changed, *(int(side) * _CELL for side in row[:4])) for row in largest]
    smallest = MIN_SHARE * changed.size
    return [box for box in boxes if (box[2] - box[0]) * (box[3] - box[1]) > smallest]


def _fill(changed: U8, left: int, top: int, right: int, bottom: int) -> float:
    """The changed share of a box."""
    return cv2.countNonZero(changed[top:bottom, left:right]) / ((right - left) * (bottom - top))


def _tight(changed: U8, x: int, y: int, width: int, height: int) -> _Corners:
    """The corners of the changed pixels within these cells."""
    left, top, inner_width, inner_height = cv2.boundingRect(changed[y : y + height, x : x + width])
    return x + left, y + top, x + left + inner_width, y + top + inner_height


def _merged(boxes: list[_Corners]) -> list[_Corners]:
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
