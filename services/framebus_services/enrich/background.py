"""What a camera's picture usually shows. It follows slowly, faster where nothing moves, and knows thin lines."""

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
FADE = 2
"""steps of luma by which a line that is seen no more fades each time"""

_NEIGHBOURS = np.ones((3, 3), np.uint8)


class Background:
    """The background of one camera."""

    def __init__(self, picture: U8, between: U8 | None, at_s: float) -> None:
        """What is seen now is usual. `between`: of the rows between those that the picture was made of."""
        self.pixels: npt.NDArray[np.float32] = picture.astype(np.float32)
        self._thresholds, self._fades = np.full_like(picture, THRESHOLD), np.full_like(picture, FADE)
        self._lines: tuple[U8, U8] | None = None
        """the darkest and the brightest of thin lines; None where no row is left out"""
        self._followed_s = at_s
        if between is not None:
            self._lines = np.full_like(picture, 255), np.zeros_like(picture)
            self._note_lines(self._lines, picture, between, np.full_like(picture, 255))
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
        if self._lines is not None:
            self._lines[0][where], self._lines[1][where] = 255, 0
        self._settle()

    def is_due(self, at_s: float) -> bool:
        """Whether it is time to follow."""
        return not 0.0 <= at_s - self._followed_s < FOLLOW_S

    def follow(self, picture: U8, between: U8 | None, changed: U8, at_s: float) -> None:
        """Become a little more like a picture of this time."""
        passed_s = at_s - self._followed_s
        self._followed_s = at_s
        unchanged = _u8(cv2.bitwise_not(changed))
        if self._lines is not None and between is not None:
            self._note_lines(self._lines, picture, between, unchanged)
        self.pixels *= exposure_between(sample_of(picture), self.sample)
        cv2.accumulateWeighted(picture, self.pixels, _share(passed_s, ADAPT_S), unchanged)
        cv2.accumulateWeighted(picture, self.pixels, _share(passed_s, ABSORB_S), changed)
        self._settle()

    def _expose(self, factor: float) -> None:
        self.pixels *= np.float32(factor)
        if self._lines is not None:
            for line in self._lines:
                cv2.convertScaleAbs(line, line, alpha=factor)
        self._settle()

    def _note_lines(self, lines: tuple[U8, U8], picture: U8, between: U8, unchanged: U8) -> None:
        """Where rows differ from those between them, a line that is thinner than their distance comes and goes as the
        camera shakes: what was seen there is usual, and fades when it is seen no more."""
        differs = cv2.threshold(cv2.absdiff(picture, between), THRESHOLD, 255, cv2.THRESH_BINARY)[1]
        fine = cv2.bitwise_and(differs, unchanged, differs)
        darkest, brightest = lines
        cv2.add(darkest, self._fades, darkest)
        cv2.subtract(brightest, self._fades, brightest)
        # Elsewhere the darkest is with 255, and the brightest with 0: both stay as they are.
        cv2.max(brightest, cv2.bitwise_and(cv2.max(picture, between), fine), brightest)
        cv2.min(darkest, cv2.bitwise_or(cv2.min(picture, between), cv2.bitwise_not(fine)), darkest)

    def _settle(self) -> None:
        """The bounds of what is no change. They are kept: most pictures need nothing else."""
        darkest = brightest = cv2.convertScaleAbs(self.pixels)
        if self._lines is not None:
            darkest, brightest = cv2.min(darkest, self._lines[0]), cv2.max(brightest, self._lines[1])
        self._darkest = _u8(cv2.subtract(cv2.erode(darkest, _NEIGHBOURS), self._thresholds))
        self._brightest = _u8(cv2.add(cv2.dilate(brightest, _NEIGHBOURS), self._thresholds))
        self.sample = sample_of(self.pixels)
        """of the background"""


def _u8(picture: cv2.typing.MatLike) -> U8:
    return picture.astype(np.uint8, copy=False)


def _share(passed_s: float, follow_s: float) -> float:
    """How much of a difference the background takes over in `passed_s`."""
    return 1.0 - math.exp(-max(0.0, passed_s) / follow_s)
