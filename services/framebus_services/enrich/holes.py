"""Holes in a background: where something stood when the background was learned, and has left.

A hole differs from the background as a thing would, but does not move, and its outline is one of the background: the
picture has no edge there. A thing that stands still brings its outline with it, and is no hole.
"""

import cv2
import numpy as np
import numpy.typing as npt

from framebus.frame import U8
from framebus_services.enrich.exposure import exposure_between, sample_of

LOOK_S = 0.5
"""pixels that did not change between two looks are still"""
STILL = 10
"""steps of luma by which a pixel that is still may differ: noise"""
NEARLY = 0.6
"""share of what differs together that must be still, so that all of it counts as still"""
MIN_PIXELS = 12
"""of a hole; what is less makes no box"""
MAX_HOLES = 32
"""are looked at; the largest ones"""
FAINTER = 0.5
"""the outline of a hole is in the picture at most so strong as in the background"""
REACH = 2
"""pixels by which the outline may be beside the edge of what differs"""

Flags = npt.NDArray[np.bool_]

_ABOUT = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
_NEIGHBOURS = np.ones((3, 3), np.uint8)


class Holes:
    """The memory of what was still."""

    def __init__(self, picture: U8, at_s: float) -> None:
        """Of pictures of this size."""
        self._earlier = picture.copy()
        self.due_s = at_s + LOOK_S
        """when to look next"""

    def find(self, picture: U8, background: npt.NDArray[np.float32], changed: U8, at_s: float) -> Flags | None:
        """Where `changed` (255 where the picture is not as the background) is a hole; None: nowhere."""
        earlier, self._earlier = self._earlier, picture.copy()
        self.due_s = at_s + LOOK_S
        x, y, width, height = cv2.boundingRect(changed)
        if not width:
            return None
        factor = exposure_between(sample_of(picture), sample_of(earlier))
        # Only what differs is looked at, with its outline.
        about = np.s_[max(0, y - REACH) : y + height + REACH, max(0, x - REACH) : x + width + REACH]
        still = _whole(changed[about], _still(picture[about], earlier[about], factor))
        found = _holes(picture[about], cv2.convertScaleAbs(background[about]), still)
        if found is None:
            return None
        holes = np.zeros(changed.shape, bool)
        holes[about] = found
        return holes


def _holes(picture: U8, background: cv2.typing.MatLike, still: U8) -> Flags | None:
    _, labels, found, _ = cv2.connectedComponentsWithStats(still, ltype=cv2.CV_16U)
    order = np.argsort(-found[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_HOLES] + 1
    holes: Flags | None = None
    for label in order.tolist():
        x, y, width, height, pixels = found[label].tolist()
        if pixels < MIN_PIXELS:
            break
        part = np.s_[max(0, y - REACH) : y + height + REACH, max(0, x - REACH) : x + width + REACH]
        own = (labels[part] == label).astype(np.uint8)
        outline = cv2.subtract(cv2.dilate(own, _ABOUT), cv2.erode(own, _ABOUT, borderValue=1))
        if _edge(picture[part], outline) <= FAINTER * _edge(background[part], outline):
            holes = np.zeros(still.shape, bool) if holes is None else holes
            holes[part] |= cv2.dilate(own, _NEIGHBOURS) > 0  # its rim differs too little to count as changed
    return holes


def _still(picture: U8, earlier: U8, factor: float) -> cv2.typing.MatLike:
    """255 where a picture is as before but for the exposure; gaps in it are noise, and closed."""
    still = cv2.inRange(cv2.absdiff(picture, cv2.convertScaleAbs(earlier, alpha=factor)), 0, STILL)
    return cv2.morphologyEx(still, cv2.MORPH_CLOSE, _ABOUT)


def _whole(changed: U8, unmoved: cv2.typing.MatLike) -> U8:
    """What is `unmoved` of `changed`, with the rest of whatever nearly all is: what goes piece by piece would seem to
    move."""
    still: U8 = cv2.bitwise_and(changed, unmoved).astype(np.uint8, copy=False)
    if cv2.countNonZero(still) < MIN_PIXELS:
        return still
    _, labels = cv2.connectedComponents(cv2.dilate(changed, _ABOUT), ltype=cv2.CV_16U)
    at = np.flatnonzero(changed != 0)  # few: all that follows is of these
    whose = labels.ravel()[at]
    all_of = np.bincount(whose)
    still_of = np.bincount(whose, still.ravel()[at], minlength=all_of.size)
    is_still = still_of >= 255 * NEARLY * np.maximum(all_of, 1)
    still.ravel()[at[is_still[whose]]] = 255
    return still


def _edge(picture: cv2.typing.MatLike, where: cv2.typing.MatLike) -> float:
    return float(cv2.mean(cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, _NEIGHBOURS), where)[0])
