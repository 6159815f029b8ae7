"""Reads one frame of a camera's ring, and makes a JPEG of it that a phone likes."""

from pathlib import Path

import cv2
import numpy as np

from framebus.clock import Clock
from framebus.frame import Frame
from framebus.ring import RingReader, newest_ring
from framebus_services.video.jpeg import encode_bgr, encode_jpeg


def newest_jpeg(shm: Path, camera: str, number: int, clock: Clock, longest_side: int, oldest_s: float) -> bytes | None:
    """Frame `number`, or the newest where that is gone; None when there is none of the last `oldest_s`.

    Raises OSError or ValueError for a ring that is none.
    """
    path = newest_ring(shm, camera)
    if path is None:
        return None
    with RingReader.open(path) as reader:
        frame = _copy(reader.read(number, camera=camera)) or _copy(reader.latest(camera=camera))
    if frame is None or clock.boot_s() - frame.captured_boot_ns / 1e9 > oldest_s:
        return None
    jpeg = encode_jpeg(frame)
    scale = longest_side / max(frame.width, frame.height)
    if scale >= 1.0:
        return jpeg
    whole = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if whole is None:
        raise ValueError("its JPEG does not decode")
    return encode_bgr(cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def _copy(frame: Frame | None) -> Frame | None:
    return frame.copy() if frame is not None else None
