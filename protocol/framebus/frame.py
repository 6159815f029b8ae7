"""One picture of a camera with its number and times, as a view into the ring or as a copy: what processors work on."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
Pixels = U8 | npt.NDArray[np.uint16]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels, from the top left corner

LONGEST_SIDE = 16_384  # pixels; keeps a payload's length within the ring's u32

_BLOCK_ROWS = 64  # rows converted at a time, so that the intermediate values stay in the cache; even
_SCALE = 32  # fixed point: the greatest sum (578) times 32 still fits an int16


class PixelFormat(IntEnum):
    """How the bytes of a picture are laid out; rows follow each other without gaps."""

    I420 = 1  # Y plane, then U and V at half the width and height; both sides even
    BGR24 = 2
    GRAY8 = 3
    GRAY16 = 4  # little endian
    BAYER_RGGB8 = 5  # rows R G R G .. and G B G B .. in turn; both sides even

    def stride_bytes(self, width: int) -> int:
        """Bytes from one row to the next; for I420 of the Y plane."""
        return width * {PixelFormat.BGR24: 3, PixelFormat.GRAY16: 2}.get(self, 1)

    def payload_bytes(self, width: int, height: int) -> int:
        """Bytes of a whole picture of `width` x `height` pixels.

        Raises ValueError when a side is not in 1..16384, or is odd where the format needs it even.
        """
        if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
            raise ValueError(f"size {width}x{height}: each side must be 1 to {LONGEST_SIDE} pixels")
        if self in (PixelFormat.I420, PixelFormat.BAYER_RGGB8) and (width % 2 or height % 2):
            raise ValueError(f"size {width}x{height}: {self.name} needs an even width and height")
        luma_or_all = self.stride_bytes(width) * height
        return luma_or_all * 3 // 2 if self is PixelFormat.I420 else luma_or_all


def picture(payload: U8, width: int, height: int, pixel_format: PixelFormat) -> Pixels:
    """A view of a flat uint8 payload in the picture's shape.

    I420: (height * 3 // 2, width) uint8; BGR24: (height, width, 3) uint8; GRAY8 and BAYER_RGGB8: (height, width)
    uint8; GRAY16: (height, width) uint16.
    """
    if pixel_format is PixelFormat.GRAY16:
        return payload.view("<u2").reshape(height, width)
    if pixel_format is PixelFormat.BGR24:
        return payload.reshape(height, width, 3)
    return payload.reshape(-1, width)


def planes(payload: U8, width: int, height: int) -> tuple[U8, U8, U8]:
    """Views of the planes Y (height, width), U and V (height // 2, width // 2) of a flat I420 payload."""
    size, quarter = width * height, width * height // 4
    half = (height // 2, width // 2)
    return (
        payload[:size].reshape(height, width),
        payload[size : size + quarter].reshape(half),
        payload[size + quarter :].reshape(half),
    )


@dataclass(slots=True, eq=False, kw_only=True)
class Frame:
    """One picture of a camera.

    Read from a ring, it is a view: the writer takes the slot back after some more frames. Use the pixels, then
    ask `still_valid()`, and forget the result when it says no; or work on a `copy()`.
    """

    camera: str
    number: int  # counts from 1 within an epoch
    epoch: int  # of the ring the frame came from
    pts_us: int  # the stream's own time, microseconds
    captured_at_s: float  # wall clock on arrival, seconds since 1970
    captured_boot_ns: int  # boot time on arrival, nanoseconds
    width: int
    height: int
    pixel_format: PixelFormat
    missed: int = 0  # frames this reader did not get since the one before
    payload: U8 = field(repr=False)  # all bytes of the picture, flat
    validity: Callable[[U8], bool] | None = field(default=None, repr=False)  # None: the pixels are its own
    _luma: U8 | None = field(default=None, init=False, repr=False)  # of BGR24, when somebody has asked for it

    @property
    def pixels(self) -> Pixels:
        """The picture without copying, read-only when it is a view into a ring; shapes as in `picture`."""
        return picture(self.payload, self.width, self.height, self.pixel_format)

    @property
    def luma(self) -> U8:
        """Brightness, (height, width) uint8: the Y plane, the grey picture, or the high bytes of GRAY16, not copied.

        For Bayer it is the mosaic itself. For BGR24 it is computed, 16 (black) to 235 (white) as in a Y plane: once
        for all who ask this frame, so it is read-only.
        """
        if self.pixel_format is PixelFormat.GRAY16:
            return self.payload.reshape(self.height, self.width, 2)[:, :, 1]
        if self.pixel_format is PixelFormat.BGR24:
            if self._luma is None:
                self._luma = _luma_of_bgr(self.payload.reshape(self.height, self.width, 3))
                self._luma.flags.writeable = False
            return self._luma
        return self.payload[: self.width * self.height].reshape(self.height, self.width)

    def bgr(self, box: Box | None = None) -> U8:
        """The picture, or the part of it within `box`, as a fresh (height, width, 3) uint8 array in the order B, G, R.

        `box` is (x, y, width, height) in pixels, any integers; it is clipped to the picture, so that the result may
        be smaller, or empty. Only that part is converted, and its pixels equal those of the whole picture.

        I420 is taken as ITU-R BT.601-7: section 2.5.1 gives the weights of R and B in Y as 0.299 and 0.114, section
        2.5.3 the 8-bit ranges Y 16..235, U and V 16..240 around 128; within 1 of the exact value. Bayer gives each 2x2
        cell one colour.
        """
        x, y, width, height = box if box is not None else (0, 0, self.width, self.height)
        left, top = min(max(x, 0), self.width), min(max(y, 0), self.height)
        right, bottom = min(max(x + width, left), self.width), min(max(y + height, top), self.height)
        if self.pixel_format is PixelFormat.BGR24:
            return self.payload.reshape(self.height, self.width, 3)[top:bottom, left:right].copy()
        if self.pixel_format in (PixelFormat.GRAY8, PixelFormat.GRAY16):
            return np.repeat(self.luma[top:bottom, left:right, np.newaxis], 3, axis=2)
        # Whole 2x2 cells are converted: they share their colour.
        x0, y0, x1, y1 = left // 2 * 2, top // 2 * 2, (right + 1) // 2 * 2, (bottom + 1) // 2 * 2
        if self.pixel_format is PixelFormat.BAYER_RGGB8:
            cells = _bgr_of_bayer(self.luma[y0:y1, x0:x1])
        else:
            luma, u, v = planes(self.payload, self.width, self.height)
            half = np.s_[y0 // 2 : y1 // 2, x0 // 2 : x1 // 2]
            cells = _bgr_of_planes(luma[y0:y1, x0:x1], u[half], v[half])
        return np.ascontiguousarray(cells[top - y0 : bottom - y0, left - x0 : right - x0])

    def cut(self, box: Box, *, margin: float = 0.0) -> "Frame | None":
        """The part of the picture within `box` as a frame with pixels of its own, valid for ever, in the same format.

        It reaches `margin` times the longer side of the box further on each side, where there is picture, and at least
        to whole 2x2 cells. None when the writer took the slot back meanwhile. A box that lies outside of the picture
        raises ValueError.
        """
        x, y, width, height = box
        more = round(margin * max(width, height))
        left, top = max(0, x - more) // 2 * 2, max(0, y - more) // 2 * 2
        right = min(self.width, (x + width + more + 1) // 2 * 2)
        bottom = min(self.height, (y + height + more + 1) // 2 * 2)
        if left >= right or top >= bottom:
            raise ValueError(f"box {box} has nothing of a picture of {self.width}x{self.height}")
        part = np.s_[top:bottom, left:right]
        if self.pixel_format is PixelFormat.I420:
            luma, u, v = planes(self.payload, self.width, self.height)
            half = np.s_[top // 2 : bottom // 2, left // 2 : right // 2]
            own = np.concatenate([plane.ravel() for plane in (luma[part], u[half], v[half])])
        else:
            own = self.pixels[part].copy().reshape(-1).view(np.uint8)
        if not self.still_valid():
            return None
        return replace(self, width=right - left, height=bottom - top, payload=own, validity=None)

    def still_valid(self) -> bool:
        """Whether all that was read from the pixels so far belongs to this frame; always true for a copy."""
        return self.validity is None or self.validity(self.payload)

    def copy(self) -> "Frame | None":
        """The frame with pixels of its own, valid for ever; None when the writer took the slot back meanwhile."""
        own = self.payload.copy()
        if self.validity is not None and not self.validity(own):
            return None
        return replace(self, payload=own, validity=None)


def _contribution(weight: float, zero: int) -> npt.NDArray[np.int16]:
    """What each of the 256 values of a plane adds to a colour, in fixed point."""
    exact = (np.arange(256, dtype=np.float64) - zero) * (weight * _SCALE)
    return exact.round().astype(np.int16)


# R, G, B in 0..255 from Y, U, V: the weights of `Frame.bgr`'s source, solved for R, G and B.
_KR, _KB = 0.299, 0.114
_KG = 1 - _KR - _KB
_LUMA, _CHROMA = 255 / 219, 2 * 255 / 224
# Below black counts as black (as in OpenCV); half a unit more rounds to the nearest.
_Y = np.maximum(_contribution(_LUMA, 16), 0) + np.int16(_SCALE // 2)
_U_TO_B = _contribution(_CHROMA * (1 - _KB), 128)
_U_TO_G = _contribution(-_CHROMA * (1 - _KB) * _KB / _KG, 128)
_V_TO_G = _contribution(-_CHROMA * (1 - _KR) * _KR / _KG, 128)
_V_TO_R = _contribution(_CHROMA * (1 - _KR), 128)


def _bgr_of_planes(y: U8, u: U8, v: U8) -> U8:
    height, width = y.shape
    bgr = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _BLOCK_ROWS):
        rows = slice(top, min(top + _BLOCK_ROWS, height))
        luma = _Y[y[rows]].reshape((rows.stop - top) // 2, 2, width)
        u_rows, v_rows = u[rows.start // 2 : rows.stop // 2], v[rows.start // 2 : rows.stop // 2]
        for channel, colour in enumerate((_U_TO_B[u_rows], _U_TO_G[u_rows] + _V_TO_G[v_rows], _V_TO_R[v_rows])):
            total = luma + np.repeat(colour, 2, axis=1)[:, np.newaxis, :]
            total //= _SCALE
            np.clip(total, 0, 255, out=total)
            bgr[rows, :, channel] = total.reshape(rows.stop - top, width)
    return bgr


def _bgr_of_bayer(mosaic: U8) -> U8:
    green = (mosaic[0::2, 1::2].astype(np.uint16) + mosaic[1::2, 0::2]) // 2
    cells = np.stack((mosaic[1::2, 1::2], green.astype(np.uint8), mosaic[0::2, 0::2]), axis=2)
    return cells.repeat(2, axis=0).repeat(2, axis=1)


def _luma_of_bgr(bgr: U8) -> U8:
    weights = np.rint(np.array([_KB, _KG, _KR]) * 219 / 255 * 256).astype(np.uint16)  # sum 220: 16 bits suffice
    luma = np.empty(bgr.shape[:2], np.uint8)
    for top in range(0, len(bgr), _BLOCK_ROWS):
        rows = bgr[top : top + _BLOCK_ROWS]
        # NumPy 1 would multiply by so small a number in 8 bits, and overflow.
        total: npt.NDArray[np.uint16] = np.multiply(rows[:, :, 0], weights[0], dtype=np.uint16)
        total += np.multiply(rows[:, :, 1], weights[1], dtype=np.uint16)
        total += np.multiply(rows[:, :, 2], weights[2], dtype=np.uint16)
        total += np.uint16(16 * 256 + 128)  # black, and half a unit to round
        total >>= 8
        luma[top : top + _BLOCK_ROWS] = total
    return luma
