"""Makes a camera's picture so small that to look for motion in it costs little."""

import cv2
import numpy as np

from framebus.frame import U8

WIDEST = 320
"""pixels; wider pictures are halved, and again ..."""
LOWEST = 4
"""... but none gets fewer rows than that"""


def shrink(luma: U8) -> U8:
    """The picture in half size, and again, until it is narrow enough.

    Each pixel of the result is a mean, which takes out the noise of the sensor: of two by two pixels, or in a larger
    picture of one row's. To fetch its other rows would cost more than all that is done with the result.
    """
    factor = _factor(luma)
    if factor <= 2:
        return luma if factor == 1 else halved(luma)
    return _rows(luma, factor, factor // 2)


def shrink_between(luma: U8) -> U8 | None:
    """The same of the rows half-way between those that `shrink` takes; None where it leaves none out."""
    factor = _factor(luma)
    return _rows(luma, factor, 0) if factor > 2 else None


def _factor(luma: U8) -> int:
    factor = 1
    while luma.shape[1] // factor > WIDEST and luma.shape[0] // factor >= 2 * LOWEST:
        factor *= 2
    return factor


def _rows(luma: U8, factor: int, first: int) -> U8:
    width, height = luma.shape[1] // factor, luma.shape[0] // factor
    # Copied first: so the processor fetches a whole row at a time, which is by far the fastest.
    shrunk = luma[first : height * factor : factor, : width * factor].copy()
    while shrunk.shape[1] >= 4 * width:
        shrunk = _quartered(shrunk)
    return shrunk if shrunk.shape[1] == width else halved(np.repeat(shrunk, 2, axis=0))


def halved(picture: U8) -> U8:
    """The mean of each two by two pixels; what is left over at the right and below is left out."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    even = picture[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _quartered(picture: U8) -> U8:
    """A mean of the first three of each four pixels of a row, the middle one counts most. Nothing makes one faster than
    what makes a colour with its alpha grey."""
    fours = picture.reshape(picture.shape[0], -1, 4)
    return cv2.cvtColor(fours, cv2.COLOR_BGRA2GRAY).astype(np.uint8, copy=False)
