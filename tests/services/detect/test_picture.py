"""A part of a frame as a model gets it."""

import numpy as np
import pytest

from framebus.detector_settings import Colours, Values
from framebus.frame import U8, Frame, PixelFormat
from framebus_services.detect.picture import GREY, Entry, fitted, part_of

SIZE = (64, 48)


def frame_of(pixel_format: PixelFormat) -> Frame:
    """A frame with soft colours: neighbours differ little, as in a real one."""
    down, across = np.mgrid[: SIZE[1], : SIZE[0]]
    planes: dict[PixelFormat, list[U8]] = {
        PixelFormat.I420: [60 + down + across, 100 + across[::2, ::2] // 2, 160 - down[::2, ::2]],
        PixelFormat.GRAY8: [60 + down + across],
        PixelFormat.BGR24: [np.stack((down + 30, across + 60, down + across), axis=2)],
    }
    payload = np.concatenate([plane.astype(np.uint8).ravel() for plane in planes[pixel_format]])
    return Frame(
        camera="front",
        number=1,
        epoch=1,
        pts_us=0,
        captured_at_s=0.0,
        captured_boot_ns=0,
        width=SIZE[0],
        height=SIZE[1],
        pixel_format=pixel_format,
        payload=payload,
    )


@pytest.mark.parametrize("pixel_format", [PixelFormat.I420, PixelFormat.GRAY8, PixelFormat.BGR24])
@pytest.mark.parametrize("box", [(0, 0, 64, 48), (10, 6, 20, 30)])
def test_a_part_is_in_the_colours_of_the_frame(pixel_format: PixelFormat, box: tuple[int, int, int, int]) -> None:
    frame = frame_of(pixel_format)

    part = part_of(frame, box)

    assert part.shape == (box[3], box[2], 3)
    assert np.abs(part.astype(int) - frame.bgr(box)).max() <= 3


def test_a_picture_keeps_its_proportions_and_the_rest_is_grey() -> None:
    whole, scale = fitted(np.full((48, 64, 3), 200, np.uint8), (32, 32))

    assert scale == 0.5
    assert (whole[:24] == 200).all()
    assert (whole[24:] == GREY).all()


@pytest.mark.parametrize(
    ("values", "red", "blue"),
    [
        (Values.UNIT, 1.0, 0.0),
        (Values.BYTE, 255.0, 0.0),
        (Values.SIGNED, 1.0, -1.0),
        (Values.IMAGENET, (1.0 - 0.485) / 0.229, -0.406 / 0.225),
    ],
)
@pytest.mark.parametrize("is_channels_last", [False, True])
@pytest.mark.parametrize("colours", list(Colours))
def test_values_and_colours_are_those_that_the_model_expects(
    values: Values, red: float, blue: float, is_channels_last: bool, colours: Colours
) -> None:
    entry = Entry(size=(2, 2), dtype=np.float32, is_channels_last=is_channels_last)
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[:, :, 2] = 255

    blob = entry.blob(picture, colours, values)

    pixel = blob[0, 0, 0] if is_channels_last else blob[0, :, 0, 0]
    first, last = (red, blue) if colours is Colours.RGB else (blue, red)
    assert (pixel[0], pixel[2]) == pytest.approx((first, last), abs=1e-3)
    assert blob.dtype == np.float32
    assert blob.flags["C_CONTIGUOUS"]
