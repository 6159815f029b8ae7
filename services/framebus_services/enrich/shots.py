"""The best picture of an object while it lives: large, sharp and whole. Bounded work a frame; JPEG is for others."""

from dataclasses import dataclass

import cv2
import numpy as np

from framebus.frame import U8, Frame, PixelFormat, planes
from framebus.messages import Box
from framebus_services.video.jpeg import encode_bgr

LONGEST_SIDE = 640
"""pixels of a picture that is kept"""
MARGIN = 0.1
"""share of its box by which more is shown on each side"""
SAMPLE_SIDE = 192
"""pixels about the middle of an object whose sharpness stands for the whole"""
CUT_OFF = 0.5
"""what an object counts that the edge of the picture cuts off"""
EDGE = 0.03
"""share of the picture's width or height from its edge within which an object counts as cut off: boxes are not exact"""
BETTER = 1.15
"""by so much a picture must be better than the one before: so few are copied"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A copied part of a frame, as I420, BGR or grey."""

    quality: float
    box: Box
    """of the object, in pixels of the frame"""
    pixels: U8
    is_i420: bool

    def encode(self) -> bytes:
        """The picture as a JPEG file; may take some milliseconds."""
        if self.is_i420:
            return encode_bgr(cv2.cvtColor(self.pixels, cv2.COLOR_YUV2BGR_I420))
        return encode_bgr(self.pixels)


def take_if_better(frame: Frame, box: Box, best: Shot | None) -> Shot | None:
    """A copy of the object in this frame, if it is better than the best so far.

    The caller asks `frame.still_valid()` before it keeps it.
    """
    quality = quality_of(box, frame)
    if best is not None and quality < BETTER * best.quality:
        return None
    pixels, is_i420 = _copy(frame, _with_margin(box, frame))
    return Shot(quality=quality, box=box, pixels=pixels, is_i420=is_i420)


def quality_of(box: Box, frame: Frame) -> float:
    """How good a picture the object makes: its size times its sharpness, half of that if an edge cuts it off.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy",
    ICPR 2000, there LAPV), here its root, which is in steps of luma.
    """
    width, height = min(box.width, SAMPLE_SIDE), min(box.height, SAMPLE_SIDE)
    x, y = box.x + (box.width - width) // 2, box.y + (box.height - height) // 2
    if frame.pixel_format is PixelFormat.BGR24:  # its luma would be that of the whole picture
        sample = frame.pixels[y : y + height, x : x + width, 1]
    else:
        sample = frame.luma[y : y + height, x : x + width]
    _, sharpness = cv2.meanStdDev(cv2.Laplacian(np.ascontiguousarray(sample, np.uint8), cv2.CV_16S))
    across = min(box.x, frame.width - box.x - box.width) / frame.width
    down = min(box.y, frame.height - box.y - box.height) / frame.height
    is_cut_off = min(across, down) < EDGE
    size = (box.width * box.height) ** 0.5
    return float(size * (1.0 + sharpness[0, 0]) * (CUT_OFF if is_cut_off else 1.0))


def _with_margin(box: Box, frame: Frame) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is shown; even, as I420 and Bayer need them."""
    across, down = int(box.width * MARGIN), int(box.height * MARGIN)
    left, top = max(0, box.x - across) // 2 * 2, max(0, box.y - down) // 2 * 2
    right = min(frame.width, (box.x + box.width + across + 1) // 2 * 2)
    bottom = min(frame.height, (box.y + box.height + down + 1) // 2 * 2)
    return left, top, right, bottom


def _copy(frame: Frame, part: tuple[int, int, int, int]) -> tuple[U8, bool]:
    left, top, right, bottom = part
    if frame.pixel_format is PixelFormat.I420:
        half = (slice(top // 2, bottom // 2), slice(left // 2, right // 2))
        luma, u, v = planes(frame.payload, frame.width, frame.height)
        width, height = _fitting(right - left, bottom - top)
        flat = [
            _shrunk(luma[top:bottom, left:right], width, height),
            _shrunk(u[half], width // 2, height // 2),
            _shrunk(v[half], width // 2, height // 2),
        ]
        return np.concatenate([plane.ravel() for plane in flat]).reshape(height * 3 // 2, width), True
    if frame.pixel_format is PixelFormat.BAYER_RGGB8:  # converted in numpy: only so much of the middle
        left, right = _middle(left, right)
        top, bottom = _middle(top, bottom)
        return frame.bgr((left, top, right - left, bottom - top)), False
    whole = frame.luma if frame.pixel_format is not PixelFormat.BGR24 else frame.pixels
    cut = np.asarray(whole[top:bottom, left:right], np.uint8)
    return _shrunk(cut, *_fitting(right - left, bottom - top)).astype(np.uint8, copy=False), False


def _fitting(width: int, height: int) -> tuple[int, int]:
    """The even size of at most LONGEST_SIDE a side that has these proportions."""
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    return max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)


def _shrunk(plane: U8, width: int, height: int) -> U8:
    """A copy in this size."""
    if plane.shape[:2] == (height, width):
        return plane.copy()
    size = (max(1, width), max(1, height))
    return cv2.resize(np.ascontiguousarray(plane), size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _middle(low: int, high: int) -> tuple[int, int]:
    excess = max(0, high - low - LONGEST_SIDE) // 2
    return low + excess, high - excess
