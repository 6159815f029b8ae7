"""The best picture of an object: the largest and sharpest, whole rather than cut off, never too large."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from framebus.frame import U8, Frame, PixelFormat
from framebus.messages import Box
from framebus_services.enrich.shots import LONGEST_SIDE, Shot, take_if_better

WIDTH, HEIGHT = 640, 360
BOX = Box(x=200, y=100, width=100, height=80)


def frame_of(payload: U8, pixel_format: PixelFormat, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    return Frame(
        camera="front",
        number=1,
        epoch=1,
        pts_us=0,
        captured_at_s=0.0,
        captured_boot_ns=0,
        width=width,
        height=height,
        pixel_format=pixel_format,
        payload=np.ascontiguousarray(payload).reshape(-1).view(np.uint8),
    )


def street(*, blur: int = 0, width: int = WIDTH, height: int = HEIGHT) -> U8:
    """A red square in a grey picture, at (200, 100), with fine lines on it."""
    bgr = np.full((height, width, 3), 90, np.uint8)
    bgr[100:180, 200:300] = (40, 40, 220)
    bgr[100:180, 200:300:6] = 255
    return np.asarray(cv2.blur(bgr, (blur, blur)), np.uint8) if blur else bgr


def i420(bgr: U8) -> Frame:
    yuv = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
    return frame_of(yuv, PixelFormat.I420, bgr.shape[1], bgr.shape[0])


def take(frame: Frame, box: Box = BOX, best: Shot | None = None) -> Shot:
    shot = take_if_better(frame, box, best)
    assert shot is not None
    return shot


def decoded(shot: Shot) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(shot.encode(), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_a_picture_shows_the_object_with_a_margin_in_its_colours() -> None:
    shown = decoded(take(i420(street())))

    assert shown.shape == (96, 120, 3)
    assert shown[48, 63].tolist() == pytest.approx((40, 40, 220), abs=60)
    assert shown[2, 2].tolist() == pytest.approx((90, 90, 90), abs=12)


FORMATS: dict[PixelFormat, Callable[[U8], U8]] = {
    PixelFormat.BGR24: lambda bgr: bgr,
    PixelFormat.GRAY8: lambda bgr: bgr[:, :, 2],
    PixelFormat.GRAY16: lambda bgr: (bgr[:, :, 2].astype("<u2") * 257).view(np.uint8),
    PixelFormat.BAYER_RGGB8: lambda bgr: bgr[:, :, 2],
}


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_a_picture_is_made_of_every_format(pixel_format: PixelFormat) -> None:
    shown = decoded(take(frame_of(FORMATS[pixel_format](street()), pixel_format)))

    assert shown.shape == (96, 120, 3)
    assert shown[48, 60, 2] > 150
    assert shown[2, 2, 2] < 120


@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, *FORMATS])
def test_a_picture_is_never_larger_than_its_bound(pixel_format: PixelFormat) -> None:
    bgr = street(width=1920, height=1080)
    frame = (
        i420(bgr)
        if pixel_format is PixelFormat.I420
        else frame_of(FORMATS[pixel_format](bgr), pixel_format, 1920, 1080)
    )

    shot = take(frame, Box(x=0, y=0, width=1920, height=1080))

    assert max(decoded(shot).shape) <= LONGEST_SIDE
    assert shot.pixels.nbytes <= 3 * LONGEST_SIDE * LONGEST_SIDE


def test_a_sharper_picture_replaces_a_blurred_one_and_not_the_other_way_round() -> None:
    blurred, sharp = i420(street(blur=9)), i420(street())

    assert take_if_better(sharp, BOX, take(blurred)) is not None
    assert take_if_better(blurred, BOX, take(sharp)) is None


def test_a_picture_that_is_hardly_better_is_not_copied() -> None:
    assert take_if_better(i420(street()), BOX, take(i420(street()))) is None


def test_an_object_that_is_whole_is_better_than_one_that_is_cut_off() -> None:
    bgr = street()
    bgr[0:80, 0:100] = bgr[100:180, 200:300]
    frame = i420(bgr)

    whole, cut = take(frame), take(frame, Box(x=0, y=0, width=100, height=80))

    assert whole.quality > 1.5 * cut.quality


@pytest.mark.parametrize("box", [Box(x=639, y=359, width=1, height=1), Box(x=0, y=0, width=1, height=1)])
@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, PixelFormat.BGR24, PixelFormat.BAYER_RGGB8])
def test_a_box_of_one_pixel_in_a_corner_is_no_error(box: Box, pixel_format: PixelFormat) -> None:
    bgr = street()
    frame = i420(bgr) if pixel_format is PixelFormat.I420 else frame_of(FORMATS[pixel_format](bgr), pixel_format)

    assert decoded(take(frame, box)).size > 0
