"""Frames: views in the picture's shape, brightness, colour, and crops of it."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest

from framebus.frame import Box, Frame, PixelFormat

WIDTH, HEIGHT = 64, 48


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, count, dtype=np.uint8)


def frame(pixel_format: PixelFormat, *, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    payload = noise(pixel_format.payload_bytes(width, height))
    payload.flags.writeable = False
    return Frame(
        camera="front",
        number=3,
        epoch=1,
        pts_us=40_000,
        captured_at_s=1_700_000_000.5,
        captured_boot_ns=99,
        width=width,
        height=height,
        pixel_format=pixel_format,
        payload=payload,
    )


@pytest.mark.parametrize(
    ("pixel_format", "payload_bytes", "stride_bytes"),
    [
        (PixelFormat.I420, 12, 4),
        (PixelFormat.BGR24, 24, 12),
        (PixelFormat.GRAY8, 8, 4),
        (PixelFormat.GRAY16, 16, 8),
        (PixelFormat.BAYER_RGGB8, 8, 4),
    ],
)
def test_a_format_knows_the_bytes_of_a_row_and_of_a_picture(
    pixel_format: PixelFormat, payload_bytes: int, stride_bytes: int
) -> None:
    assert pixel_format.payload_bytes(4, 2) == payload_bytes
    assert pixel_format.stride_bytes(4) == stride_bytes


@pytest.mark.parametrize("size", [(0, 2), (2, -2), (16_386, 2), (3, 2), (2, 3)])
def test_a_size_the_format_cannot_have_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"size {size[0]}x{size[1]}"):
        PixelFormat.I420.payload_bytes(*size)


@pytest.mark.parametrize(
    ("pixel_format", "shape", "dtype"),
    [
        (PixelFormat.I420, (72, 64), np.uint8),
        (PixelFormat.BGR24, (48, 64, 3), np.uint8),
        (PixelFormat.GRAY8, (48, 64), np.uint8),
        (PixelFormat.GRAY16, (48, 64), np.uint16),
        (PixelFormat.BAYER_RGGB8, (48, 64), np.uint8),
    ],
)
def test_pixels_are_a_read_only_view_in_the_shape_of_the_format(
    pixel_format: PixelFormat, shape: tuple[int, ...], dtype: type
) -> None:
    seen = frame(pixel_format)

    pixels = seen.pixels

    assert pixels.shape == shape
    assert pixels.dtype == dtype
    assert np.shares_memory(pixels, seen.payload)
    assert not pixels.flags.writeable


@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, PixelFormat.GRAY8, PixelFormat.GRAY16])
def test_luma_is_not_copied_where_the_picture_holds_it(pixel_format: PixelFormat) -> None:
    seen = frame(pixel_format)

    luma = seen.luma

    assert luma.shape == (HEIGHT, WIDTH)
    assert luma.dtype == np.uint8
    assert np.shares_memory(luma, seen.payload)


def test_luma_of_deep_grey_is_its_high_byte() -> None:
    seen = frame(PixelFormat.GRAY16)

    assert np.array_equal(seen.luma, seen.pixels >> 8)


def test_luma_of_bgr_equals_the_y_plane_opencv_would_make() -> None:
    seen = frame(PixelFormat.BGR24)

    luma = seen.luma

    expected = cv2.cvtColor(seen.pixels, cv2.COLOR_BGR2YUV_I420)[:HEIGHT]
    assert np.abs(luma.astype(int) - expected).max() <= 1


def test_luma_of_bgr_is_made_once_a_frame_and_nobody_can_spoil_it_for_others() -> None:
    seen = frame(PixelFormat.BGR24)

    assert seen.luma is seen.luma
    assert not seen.luma.flags.writeable


def test_colour_of_i420_equals_opencvs_for_any_bytes() -> None:
    seen = frame(PixelFormat.I420, width=640, height=362)

    colour = seen.bgr()

    expected = cv2.cvtColor(seen.pixels, cv2.COLOR_YUV2BGR_I420)
    assert colour.shape == (362, 640, 3)
    assert np.abs(colour.astype(int) - expected).max() <= 1


def test_colour_of_i420_is_right_for_every_value_of_y_u_and_v() -> None:
    u, v = np.meshgrid(np.arange(0, 256, 5, dtype=np.uint8), np.arange(0, 256, 5, dtype=np.uint8))
    seen = frame(PixelFormat.I420, width=104, height=104)
    seen.payload = seen.payload.copy()

    for y in range(0, 256, 5):
        seen.payload[:] = np.concatenate((np.full(104 * 104, y, np.uint8), u.ravel(), v.ravel()))
        colour = seen.bgr()

        expected = cv2.cvtColor(seen.pixels, cv2.COLOR_YUV2BGR_I420)
        assert np.abs(colour.astype(int) - expected).max() <= 1, f"Y = {y}"


def test_colour_of_grey_has_three_equal_channels() -> None:
    seen = frame(PixelFormat.GRAY8)

    colour = seen.bgr()

    assert np.array_equal(colour, cv2.cvtColor(seen.pixels, cv2.COLOR_GRAY2BGR))


def test_colour_of_bgr_is_a_fresh_copy() -> None:
    seen = frame(PixelFormat.BGR24)

    colour = seen.bgr()

    assert np.array_equal(colour, seen.pixels)
    assert not np.shares_memory(colour, seen.payload)
    assert colour.flags.writeable


def test_a_bayer_cell_gets_its_red_its_blue_and_the_mean_of_its_greens() -> None:
    seen = frame(PixelFormat.BAYER_RGGB8, width=2, height=2)
    seen.payload = np.array([200, 100, 51, 30], np.uint8)

    colour = seen.bgr()

    assert colour.tolist() == [[[30, 75, 200]] * 2] * 2


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("box", [(0, 0, 64, 48), (10, 6, 20, 12), (11, 7, 21, 13), (63, 47, 1, 1), (0, 1, 1, 2)])
def test_a_crop_equals_that_part_of_the_whole_picture(pixel_format: PixelFormat, box: Box) -> None:
    seen = frame(pixel_format)
    x, y, width, height = box

    crop = seen.bgr(box)

    assert np.array_equal(crop, seen.bgr()[y : y + height, x : x + width])
    assert crop.flags.c_contiguous
    assert crop.flags.writeable


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((-10, -10, 15, 13), (3, 5, 3)),
        ((60, 40, 100, 100), (8, 4, 3)),
        ((-5, -5, 1000, 1000), (48, 64, 3)),
        ((64, 48, 10, 10), (0, 0, 3)),
        ((10, 10, -5, 4), (4, 0, 3)),
        ((-20, 0, 10, 10), (10, 0, 3)),
    ],
)
def test_a_box_that_leaves_the_picture_is_clipped(
    pixel_format: PixelFormat, box: Box, shape: tuple[int, int, int]
) -> None:
    crop = frame(pixel_format).bgr(box)

    assert crop.shape == shape


def test_a_frame_with_pixels_of_its_own_is_always_valid_and_can_be_pickled() -> None:
    own = frame(PixelFormat.I420).copy()
    assert own is not None

    again = pickle.loads(pickle.dumps(own))  # noqa: S301 - our own bytes

    assert own.still_valid()
    assert again.still_valid()
    assert np.array_equal(again.pixels, own.pixels)
    assert (again.camera, again.number, again.captured_at_s) == ("front", 3, 1_700_000_000.5)


@pytest.mark.parametrize("pixel_format", list(PixelFormat))
@pytest.mark.parametrize("box", [(0, 0, 64, 48), (10, 6, 20, 12), (11, 7, 21, 13), (63, 47, 1, 1), (-5, -5, 20, 20)])
def test_what_is_cut_out_is_a_frame_of_whole_cells_that_shows_the_box(pixel_format: PixelFormat, box: Box) -> None:
    seen = frame(pixel_format)
    x, y, width, height = box
    left, top = max(0, x) // 2 * 2, max(0, y) // 2 * 2
    right, bottom = (x + width + 1) // 2 * 2, (y + height + 1) // 2 * 2

    part = seen.cut(box)

    assert part is not None
    assert (part.width, part.height, part.pixel_format) == (right - left, bottom - top, pixel_format)
    assert np.array_equal(part.bgr(), seen.bgr()[top:bottom, left:right])
    assert (part.camera, part.number, part.captured_at_s) == (seen.camera, seen.number, seen.captured_at_s)
    assert not np.shares_memory(part.payload, seen.payload)


def test_a_margin_reaches_as_far_on_each_side_as_there_is_picture() -> None:
    seen = frame(PixelFormat.I420)

    middle = seen.cut((20, 20, 20, 8), margin=0.5)
    corner = seen.cut((2, 40, 20, 8), margin=0.5)

    assert middle is not None
    assert corner is not None
    assert np.array_equal(middle.bgr(), seen.bgr()[10:38, 10:50])
    assert np.array_equal(corner.bgr(), seen.bgr()[30:48, 0:32])


@pytest.mark.parametrize("box", [(64, 0, 10, 10), (0, 48, 10, 10), (-20, 0, 10, 10), (10, 10, 0, 0)])
def test_a_box_beside_the_picture_cannot_be_cut_out(box: Box) -> None:
    with pytest.raises(ValueError, match="nothing of a picture of 64x48"):
        frame(PixelFormat.I420).cut(box)


def test_of_a_frame_that_was_taken_back_nothing_is_cut_out() -> None:
    seen = replace(frame(PixelFormat.I420), validity=lambda payload: False)

    assert seen.cut((0, 0, 8, 8)) is None
