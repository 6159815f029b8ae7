"""Drawn pictures and a camera that shows them, for the tests of enrich."""

from pathlib import Path

import cv2
import numpy as np

from framebus.frame import U8, PixelFormat
from framebus.messages import FrameNotice
from framebus.ring import RingWriter

WIDTH, HEIGHT = 640, 360


def scene(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> U8:
    """A picture with soft light and dark places."""
    coarse = np.random.default_rng(seed).integers(50, 170, (5, 8), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def with_square(picture: U8, x: int, y: int, side: int = 60, value: int = 255) -> U8:
    drawn = picture.copy()
    drawn[y : y + side, x : x + side] = value
    return drawn


class Camera:
    """Writes pictures into a ring of its own and makes the notices."""

    def __init__(self, folder: Path, name: str = "front", *, epoch: int = 1, width: int = 64, height: int = 32) -> None:
        self.name = name
        self.writer = RingWriter.create(
            folder / f"{name}.{epoch}.ring", width=width, height=height, pixel_format=PixelFormat.GRAY8, epoch=epoch
        )
        self.size = (width, height)

    def show(self, picture: U8 | int = 90, *, boot_s: float = 1_000.0) -> FrameNotice:
        """Write one picture, or a grey one of this luma; returns its notice."""
        width, height = self.size
        pixels = np.full((height, width), picture, np.uint8) if isinstance(picture, int) else picture
        number = self.writer.write(
            pixels, pts_us=0, captured_at_s=1_790_000_000.0 + boot_s, captured_boot_ns=int(boot_s * 1e9)
        )
        return FrameNotice(
            camera=self.name,
            ring=str(self.writer.path),
            slot=number % 8,
            number=number,
            ring_epoch=self.writer.epoch,
            width=width,
            height=height,
            format=PixelFormat.GRAY8,
            pts_us=0,
            captured_at_s=1_790_000_000.0 + boot_s,
            captured_up_s=boot_s,
        )
