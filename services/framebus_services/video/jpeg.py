"""Pictures as JPEG."""

import cv2
from cv2.typing import MatLike

from framebus.frame import Frame, PixelFormat

QUALITY = 85


def encode_jpeg(frame: Frame, quality: int = QUALITY) -> bytes:
    """The picture as a JPEG file; `quality` 1 to 100."""
    is_i420 = frame.pixel_format is PixelFormat.I420
    return encode_bgr(cv2.cvtColor(frame.pixels, cv2.COLOR_YUV2BGR_I420) if is_i420 else frame.bgr(), quality)


def encode_bgr(bgr: MatLike, quality: int = QUALITY) -> bytes:
    """As `encode_jpeg`, of rows of pixels of blue, green and red."""
    is_done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_done:
        raise ValueError(f"a picture of {bgr.shape[1]}x{bgr.shape[0]} pixels could not be encoded")
    return data.tobytes()
