"""What a camera's picture usually shows. It follows slowly, and faster where nothing moves."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from framebus.frame import U8
from framebus_services.enrich.exposure import exposure_between, sample_of

THRESHOLD = 22
"""steps of luma by which a pixel must differ to count as changed"""
LIGHTER = 0.01
"""a change of the exposure by a smaller share is none ..."""
MUCH_LIGHTER = 0.1
"""... and of a picture that is made less bright by more than this, the threshold would not be true"""
FOLLOW_S = 0.5
"""how often the background takes something over"""
ADAPT_S = 5.0
"""how slowly it follows where nothing moves"""
ABSORB_S = 15.0
"""how slowly it follows where something moves: what stops becomes background"""

_NEIGHBOURS = np.ones((3, 3), np.uint8)


class Background:
    """The background of one camera."""

    def __init__(self, picture: U8, at_s: float) -> None:
        """What is seen now is usual."""
        self.pixels: npt.NDArray[np.float32] = picture.astype(np.float32)
        self._thresholds = np.full_like(picture, THRESHOLD)
        self._followed_s = at_s
        self._settle()

    def changed(self, picture: U8, factor: float) -> U8:
        """255 where a pixel is brighter or darker than all the background about it, were that brighter by this factor:
        a camera that changes its exposure moves nothing, nor one that shakes."""
        if abs(factor - 1.0) > MUCH_LIGHTER:
            self._expose(factor)
        elif abs(factor - 1.0) > LIGHTER:
            picture = _u8(cv2.convertScaleAbs(picture, alpha=1.0 / factor))
        return _u8(cv2.bitwise_not(cv2.inRange(picture, self._darkest, self._brightest)))

    def fill(self, picture: U8, where: npt.NDArray[np.bool_]) -> None:
        """There the background is what is seen now."""
        np.copyto(self.pixels, picture, where=where)
        self._settle()

    def follow(self, picture: U8, changed: U8, at_s: float) -> None:
        """Become a little more like a picture of this time."""
        passed_s = at_s - self._followed_s
        if 0.0 <= passed_s < FOLLOW_S:
            return
        self._followed_s = at_s
        self.pixels *= exposure_between(sample_of(picture), self.sample)
        cv2.accumulateWeighted(picture, self.pixels, _share(passed_s, ADAPT_S), cv2.bitwise_not(changed))
        cv2.accumulateWeighted(picture, self.pixels, _share(passed_s, ABSORB_S), changed)
        self._settle()

    def _expose(self, factor: float) -> None:
        self.pixels *= np.float32(factor)
        self._settle()

    def _settle(self) -> None:
        """The bounds of what is no change. They are kept: most pictures need nothing else."""
        expected = _u8(cv2.convertScaleAbs(self.pixels))
        self._darkest = _u8(cv2.subtract(cv2.erode(expected, _NEIGHBOURS), self._thresholds))
        self._brightest = _u8(cv2.add(cv2.dilate(expected, _NEIGHBOURS), self._thresholds))
        self.sample = sample_of(self.pixels)
        """of the background"""


def _u8(picture: cv2.typing.MatLike) -> U8:
    return picture.astype(np.uint8, copy=False)


def _share(passed_s: float, follow_s: float) -> float:
    """How much of a difference the background takes over in `passed_s`."""
    return 1.0 - math.exp(-max(0.0, passed_s) / follow_s)
