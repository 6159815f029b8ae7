"""Needs no camera and no group: a processor takes frames and gives findings."""

import numpy as np

from framebus import Frame
from framebus.frame import PixelFormat

from hello import Hello


def frame(number: int, luma: int) -> Frame:
    return Frame(
        camera="front",
        number=number,
        epoch=1,
        pts_us=0,
        captured_at_s=0.0,
        captured_boot_ns=0,
        width=16,
        height=16,
        pixel_format=PixelFormat.GRAY8,
        payload=np.full(16 * 16, luma, np.uint8),
    )


def test_every_tenth_frame_is_told() -> None:
    hello = Hello(every_frames=10)

    findings = [finding for number in range(1, 26) for finding in hello.process_frame(frame(number, luma=90 + number))]

    assert [(finding.camera, finding.value) for finding in findings] == [("front", 100.0), ("front", 110.0)]
