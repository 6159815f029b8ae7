"""Pictures as JPEG."""

import cv2
import numpy as np
from cv2.typing import MatLike

from framebus.frame import U8, Frame, PixelFormat, Pixels

QUALITY = 85


def encode_jpeg(frame: Frame) -> bytes:
    """The picture as a JPEG file. GRAY16 is shown by the bits that it uses, dark or not."""
    cv2.setNumThreads(1)  # cameras go first
    if frame.pixel_format is PixelFormat.I420:
        return encode_bgr(cv2.cvtColor(frame.pixels, cv2.COLOR_YUV2BGR_I420))
    if frame.pixel_format is PixelFormat.GRAY8:
        return encode_bgr(frame.luma)
    if frame.pixel_format is PixelFormat.GRAY16:
        return encode_bgr(_gray8(frame.pixels))
    return encode_bgr(frame.bgr())


def encode_bgr(bgr: MatLike, quality: int = QUALITY) -> bytes:
    """As `encode_jpeg`, with a `quality` of 1 to 100, of rows of pixels of blue, green and red, or of grey ones."""
    is_done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_done:
        raise ValueError(f"a picture of {bgr.shape[1]}x{bgr.shape[0]} pixels could not be encoded")
    return data.tobytes()


def _gray8(pixels: Pixels) -> U8:
    """The eight highest bits in use: a camera of 10 or 12 bits that fills them from below is no black picture."""
    unused = max(8, int(pixels.max()).bit_length()) - 8
    return (pixels >> unused).astype(np.uint8)
