"""The brightness processor: dark and lit, told once each."""

import numpy as np

from framebus.frame import Frame, PixelFormat
from framebus_services.processors.brightness import Brightness


def frame(luma: int, camera: str = "front") -> Frame:
    return Frame(
        camera=camera,
        number=1,
        epoch=1,
        pts_us=0,
        captured_at_s=1_790_000_000.0,
        captured_boot_ns=0,
        width=16,
        height=16,
        pixel_format=PixelFormat.GRAY8,
        payload=np.full(256, luma, np.uint8),
    )


def told(brightness: Brightness, *frames: Frame) -> list[tuple[str, str, float | None]]:
    return [(found.camera, found.label, found.value) for each in frames for found in brightness.process_frame(each)]


def test_each_turn_to_dark_or_lit_is_told_once() -> None:
    brightness = Brightness(dark_below=20.0)

    found = told(brightness, frame(90), frame(80), frame(10), frame(12), frame(90))

    assert found == [("front", "lit", 90.0), ("front", "dark", 10.0), ("front", "lit", 90.0)]


def test_a_picture_about_the_limit_does_not_flicker() -> None:
    brightness = Brightness(dark_below=20.0)

    found = told(brightness, *(frame(luma) for luma in (19, 20, 21, 19, 23, 19, 24, 23, 20, 19)))

    assert [label for _, label, _ in found] == ["dark", "lit", "dark"]


def test_cameras_are_told_apart() -> None:
    brightness = Brightness()

    found = told(brightness, frame(90, "front"), frame(5, "back"), frame(90, "front"), frame(5, "back"))

    assert found == [("front", "lit", 90.0), ("back", "dark", 5.0)]
