"""The tamper processor: a camera that is turned, covered or blurred is told; light and what passes are not."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from framebus.frame import U8, Frame, PixelFormat
from framebus_services.processors.tamper import Tamper

WIDTH, HEIGHT = 320, 180
STEP_S = 0.5
CHANCE = np.random.default_rng(5)
NOISE = CHANCE.normal(0.0, 1.0, (1_200, 2_050)).astype(np.float32)


def yard(seed: int = 1, width: int = WIDTH, height: int = HEIGHT) -> U8:
    """A picture with walls, windows and things about."""
    chance = np.random.default_rng(seed)
    drawn = np.full((height, width), 120, np.uint8)
    for _ in range(60):
        x, y = int(chance.integers(0, width)), int(chance.integers(0, height))
        wide, high = int(chance.integers(6, width // 5)), int(chance.integers(6, height // 4))
        cv2.rectangle(drawn, (x, y), (x + wide, y + high), (int(chance.integers(60, 200)),), -1)
    return drawn


YARD, ELSEWHERE = yard(), yard(2)


class Watched:
    """A camera, two pictures a second, with the noise of a sensor."""

    def __init__(self, **settings: float) -> None:
        self._tamper = Tamper(**settings)
        self._at_s = 100.0

    def sees(self, picture: U8 | Callable[[int], U8], seconds: float, *, noise: float = 2.0) -> list[str]:
        """What is told while the camera sees a picture, or one after the other."""
        told = []
        for step in range(round(seconds / STEP_S)):
            shown = picture(step) if callable(picture) else picture
            height, width = shown.shape
            y, x = CHANCE.integers(0, (120, 130))
            noisy = np.clip(shown + noise * NOISE[y : y + height, x : x + width], 0, 255).astype(np.uint8)
            self._at_s += STEP_S
            frame = Frame(
                camera="front",
                number=1,
                epoch=1,
                pts_us=0,
                captured_at_s=1_790_000_000.0,
                captured_boot_ns=int(self._at_s * 1e9),
                width=shown.shape[1],
                height=shown.shape[0],
                pixel_format=PixelFormat.GRAY8,
                payload=noisy.ravel(),
            )
            told += [found.label for found in self._tamper.process_frame(frame)]
        return told


@pytest.fixture
def watched() -> Watched:
    camera = Watched()
    assert camera.sees(YARD, 30) == []
    return camera


def lit(picture: U8, factor: float) -> U8:
    return np.clip(16 + (picture.astype(float) - 16) * factor, 0, 255).astype(np.uint8)


def turned(picture: U8, angle: float = 0.0, scale: float = 1.0, shift: tuple[float, float] = (0, 0)) -> U8:
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += shift
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def blurred(picture: U8, sigma: float) -> U8:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def with_van(x: int, share: float = 0.4) -> U8:
    """The yard with something large and striped before it."""
    picture = YARD.copy()
    wide = int(WIDTH * share)
    left, right = max(0, x), max(0, min(WIDTH, x + wide))
    picture[30:170, left:right] = np.where(np.arange(left, right) // 6 % 2, 230, 30)
    return picture


@pytest.mark.parametrize(
    ("label", "picture"),
    [
        ("moved", turned(YARD, shift=(16, 0))),
        ("moved", turned(YARD, shift=(0, 16))),
        ("moved", turned(YARD, angle=10)),
        ("moved", turned(YARD, scale=1.3)),
        ("moved", YARD[:, ::-1]),
        ("moved", ELSEWHERE),
        ("moved", lit(ELSEWHERE, 0.5)),
        ("covered", np.full_like(YARD, 16)),
        ("covered", np.full_like(YARD, 90)),
        ("covered", blurred(ELSEWHERE, 40)),
        ("blurred", blurred(YARD, 1.5)),
        ("blurred", blurred(YARD, 3)),
        ("blurred", blurred(YARD, 6)),
    ],
)
def test_what_was_done_to_a_camera_is_told_once_and_once_more_when_it_is_undone(
    watched: Watched, label: str, picture: U8
) -> None:
    assert watched.sees(picture, 30) == [label]
    assert watched.sees(YARD, 30) == ["restored"]


@pytest.mark.parametrize("factor", [0.1, 0.3, 0.6, 1.5])
def test_a_light_that_is_switched_is_no_tampering(watched: Watched, factor: float) -> None:
    assert watched.sees(lit(YARD, factor), 30) == []
    assert watched.sees(YARD, 30) == []
    assert watched.sees(lambda step: YARD if step // 8 % 2 else lit(YARD, factor), 60) == []


def test_a_lamp_that_lights_only_a_part_at_night_is_no_tampering(watched: Watched) -> None:
    across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    cone = np.exp(-((across - 90) ** 2 + (down - 100) ** 2) / (2 * 60.0**2))
    by_lamp = np.clip(16 + (YARD - 16.0) * (0.15 + cone), 0, 255).astype(np.uint8)

    assert watched.sees(by_lamp, 30) == []
    assert watched.sees(lit(YARD, 0.15), 30) == []


def test_dusk_night_and_dawn_are_no_tampering(watched: Watched) -> None:
    steps = 1_200

    def light(step: int) -> U8:
        return lit(YARD, 0.1 + 0.9 * abs(1.0 - 2.0 * step / steps))

    assert watched.sees(light, steps * STEP_S, noise=3.0) == []


def test_what_passes_is_no_tampering(watched: Watched) -> None:
    assert watched.sees(lambda step: with_van(-150 + 40 * (step % 14)), 60) == []


def test_what_parks_before_half_of_the_picture_is_no_tampering(watched: Watched) -> None:
    assert watched.sees(with_van(20, share=0.5), 60) == []


def test_a_camera_that_shakes_is_no_tampering(watched: Watched) -> None:
    assert watched.sees(lambda step: np.roll(YARD, (step % 3 - 1, step % 2), axis=(0, 1)), 30) == []


def test_what_lasts_for_a_moment_is_not_told(watched: Watched) -> None:
    assert watched.sees(ELSEWHERE, 3) == []
    assert watched.sees(YARD, 20) == []


def test_a_view_that_stays_after_the_camera_was_moved_becomes_the_usual_one() -> None:
    camera = Watched(accept_s=60.0)
    camera.sees(YARD, 30)

    assert camera.sees(ELSEWHERE, 100) == ["moved", "accepted"]
    assert camera.sees(YARD, 30) == ["moved"]


def test_a_covered_camera_is_never_the_usual_view() -> None:
    camera = Watched(accept_s=60.0)
    camera.sees(YARD, 30)

    assert camera.sees(np.full_like(YARD, 16), 200) == ["covered"]
    assert camera.sees(YARD, 30) == ["restored"]


def test_a_camera_that_starts_in_the_dark_learns_when_there_is_something_to_see() -> None:
    camera = Watched()

    assert camera.sees(np.full_like(YARD, 16), 60) == []
    assert camera.sees(YARD, 60) == []
    assert camera.sees(ELSEWHERE, 30) == ["moved"]


def test_the_size_of_the_picture_does_not_matter(watched: Watched) -> None:
    assert watched.sees(np.asarray(cv2.resize(YARD, (640, 360)), np.uint8), 30) == []
    assert watched.sees(np.asarray(cv2.resize(ELSEWHERE, (1920, 1080)), np.uint8), 10) == ["moved"]
    assert watched.sees(np.zeros((2, 2), np.uint8), 1) == []
