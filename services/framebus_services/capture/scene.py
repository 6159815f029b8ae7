"""The picture of a synthetic camera: a street at night with a car, a walker and a balloon. Known boxes, for tests."""

import zlib
from datetime import datetime

import cv2
import numpy as np

from framebus.frame import U8, Box

Colour = tuple[int, int, int]  # blue, green, red

SKY_TOP, SKY_LOW = (44, 24, 16), (92, 58, 40)
ROAD, LINE, PAVEMENT = (44, 40, 38), (120, 150, 160), (60, 54, 50)
WINDOW_LIT, WINDOW_DARK = (120, 190, 235), (52, 40, 34)
TEXT, DIM = (235, 235, 230), (150, 140, 130)
CARS: tuple[Colour, ...] = ((80, 90, 235), (210, 160, 60), (90, 200, 120), (60, 180, 245))
BALLOONS: tuple[Colour, ...] = ((90, 120, 245), (220, 140, 200), (130, 220, 250))
SKIN, COAT, LEGS = (170, 195, 230), (200, 170, 90), (120, 105, 95)
TYRE, GLASS, LAMP = (22, 20, 18), (225, 205, 180), (190, 240, 255)

# How long each takes across the picture, and how long it is away after that, in seconds.
CAR_S, CAR_AWAY_S = 7.0, 5.0
WALKER_S, WALKER_AWAY_S = 16.0, 6.0
BALLOON_S, BALLOON_AWAY_S = 20.0, 10.0
FIXED_POINT_BITS = 4


class Scene:
    """Draws the scene at any moment; cameras of other names have other colours and other timing."""

    def __init__(self, camera: str, width: int, height: int) -> None:
        cv2.setNumThreads(1)  # pictures are small: a second thread costs more than it brings
        self._camera = camera
        self._width, self._height = width, height
        self._seed = zlib.crc32(camera.encode())
        self._scale = height / 360
        self._background = self._draw_background()

    def boxes(self, at_s: float) -> dict[str, Box]:
        """Where the things are `at_s` seconds after the start: (x, y, width, height); those in the picture only."""
        boxes = {}
        for name, box in (("car", self._car(at_s)), ("walker", self._walker(at_s)), ("balloon", self._balloon(at_s))):
            if box is not None:
                left, top, wide, high = box
                x0, y0 = max(0, round(left)), max(0, round(top))
                x1, y1 = min(self._width, round(left + wide)), min(self._height, round(top + high))
                if x1 > x0 and y1 > y0:
                    boxes[name] = (x0, y0, x1 - x0, y1 - y0)
        return boxes

    def draw(self, at_s: float, number: int, at: datetime) -> U8:
        """The picture as I420, with the wall clock `at` and the frame's number in it."""
        bgr = self._background.copy()
        if (balloon := self._balloon(at_s)) is not None:
            self._draw_balloon(bgr, *balloon)
        if (walker := self._walker(at_s)) is not None:
            self._draw_walker(bgr, *walker, swing=np.sin(at_s * 7.0))
        if (car := self._car(at_s)) is not None:
            self._draw_car(bgr, *car)
        self._write(bgr, self._camera, 14, 26, 0.62, TEXT)
        self._write(bgr, f"{at:%Y-%m-%d %H:%M:%S}", self._width / self._scale - 194, 26, 0.5, TEXT)
        self._write(bgr, f"{number:07d}", self._width / self._scale - 76, 346, 0.4, DIM)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)

    # Where things are ------------------------------------------------------------------------------------------------

    def _progress(self, at_s: float, across_s: float, away_s: float, salt: int) -> float | None:
        """How far a thing is on its way, 0 to 1; None while it is away."""
        shift_s = (self._seed >> salt & 0xFF) / 255 * away_s
        passed_s = (at_s + shift_s) % (across_s + away_s)
        return passed_s / across_s if passed_s < across_s else None

    def _car(self, at_s: float) -> tuple[float, float, float, float] | None:
        progress = self._progress(at_s, CAR_S, CAR_AWAY_S, 0)
        if progress is None:
            return None
        wide, high = 112 * self._scale, 46 * self._scale
        return -wide + progress * (self._width + wide), 268 * self._scale, wide, high

    def _walker(self, at_s: float) -> tuple[float, float, float, float] | None:
        progress = self._progress(at_s, WALKER_S, WALKER_AWAY_S, 8)
        if progress is None:
            return None
        wide, high = 26 * self._scale, 66 * self._scale
        return self._width - progress * (self._width + wide), 168 * self._scale, wide, high

    def _balloon(self, at_s: float) -> tuple[float, float, float, float] | None:
        progress = self._progress(at_s, BALLOON_S, BALLOON_AWAY_S, 16)
        if progress is None:
            return None
        side = 36 * self._scale
        x = self._width * (0.25 + 0.5 * (self._seed >> 24 & 0xFF) / 255) + 40 * self._scale * np.sin(at_s * 0.8)
        return float(x), (190 - progress * 250) * self._scale, side, 1.25 * side

    # How they look ---------------------------------------------------------------------------------------------------

    def _draw_background(self) -> U8:
        height, width, scale = self._height, self._width, self._scale
        shade = np.linspace(0.0, 1.0, height)[:, np.newaxis, np.newaxis]
        sky = np.array(SKY_TOP) * (1 - shade) + np.array(SKY_LOW) * shade
        picture: U8 = np.ascontiguousarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
        chance = np.random.default_rng(self._seed)
        for _ in range(round(50 * width / 640)):
            star = (int(chance.integers(width)), int(chance.integers(round(110 * scale))))
            cv2.circle(picture, star, 1, (150, 140, 130), -1, cv2.LINE_AA)
        left = 0.0
        while left < width:
            wide, high = chance.integers(56, 110) * scale, chance.integers(70, 150) * scale
            self._draw_house(picture, left, 225 * scale - high, wide, high, chance)
            left += wide
        _box(picture, 0, 225 * scale, width, 27 * scale, PAVEMENT)
        _box(picture, 0, 252 * scale, width, height - 252 * scale, ROAD)
        for dash in range(0, round(width / scale) + 60, 60):
            _box(picture, dash * scale, 326 * scale, 32 * scale, 4 * scale, LINE)
        return picture

    def _draw_house(
        self, picture: U8, left: float, top: float, wide: float, high: float, chance: np.random.Generator
    ) -> None:
        tone = int(chance.integers(0, 14))
        _box(picture, left, top, wide, high, (46 + tone, 34 + tone, 28 + tone))
        step = 18 * self._scale
        for row in range(int((high - 12 * self._scale) / step)):
            for column in range(int((wide - 10 * self._scale) / step)):
                colour = WINDOW_LIT if chance.random() < 0.22 else WINDOW_DARK
                x, y = left + 8 * self._scale + column * step, top + 10 * self._scale + row * step
                _box(picture, x, y, 9 * self._scale, 10 * self._scale, colour)

    def _draw_car(self, bgr: U8, x: float, y: float, wide: float, high: float) -> None:
        colour = CARS[self._seed % len(CARS)]
        cabin = [(0.20, 0.48), (0.30, 0.0), (0.68, 0.0), (0.84, 0.48)]
        glass = [(0.27, 0.44), (0.34, 0.09), (0.64, 0.09), (0.76, 0.44)]
        body = [(0.0, 0.55), (0.06, 0.44), (0.94, 0.44), (1.0, 0.58), (1.0, 0.82), (0.0, 0.82)]
        for outline, paint in ((cabin, colour), (glass, GLASS), (body, colour)):
            _polygon(bgr, [(x + u * wide, y + v * high) for u, v in outline], paint)
        _box(bgr, x + 0.475 * wide, y + 0.05 * high, 0.03 * wide, 0.4 * high, colour)
        for share in (0.22, 0.78):
            _disc(bgr, x + share * wide, y + 0.82 * high, 0.18 * high, TYRE)
            _disc(bgr, x + share * wide, y + 0.82 * high, 0.08 * high, DIM)
        _disc(bgr, x + 0.975 * wide, y + 0.62 * high, 0.07 * high, LAMP)

    def _draw_walker(self, bgr: U8, x: float, y: float, wide: float, high: float, *, swing: float) -> None:
        middle, hip = x + wide / 2, y + 0.6 * high
        for side in (-1, 1):
            foot = middle + side * swing * 0.36 * wide
            _line(bgr, (middle, hip), (foot, y + 0.97 * high), 0.2 * wide, LEGS)
        _line(bgr, (middle, y + 0.32 * high), (middle, hip), 0.42 * wide, COAT)
        hand = (middle - swing * 0.4 * wide, y + 0.58 * high)
        _line(bgr, (middle, y + 0.34 * high), hand, 0.16 * wide, COAT)
        _disc(bgr, middle, y + 0.13 * high, 0.3 * wide, SKIN)

    def _draw_balloon(self, bgr: U8, x: float, y: float, wide: float, high: float) -> None:
        middle = x + wide / 2
        _line(bgr, (middle, y + 0.8 * high), (middle, y + 0.94 * high), 1.5 * self._scale, DIM)
        _disc(bgr, middle, y + wide / 2, 0.47 * wide, BALLOONS[self._seed % len(BALLOONS)])
        _disc(bgr, x + 0.36 * wide, y + 0.34 * wide, 0.09 * wide, TEXT)

    def _write(self, bgr: U8, text: str, x: float, y: float, size: float, colour: Colour) -> None:
        where = (round(x * self._scale), round(y * self._scale))
        cv2.putText(bgr, text, where, cv2.FONT_HERSHEY_DUPLEX, size * self._scale, colour, 1, cv2.LINE_AA)


def _fixed(value: float) -> int:
    return round(value * (1 << FIXED_POINT_BITS))


def _box(picture: U8, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
    picture[max(0, round(y)) : max(0, round(y + high)), max(0, round(x)) : max(0, round(x + wide))] = colour


def _disc(picture: U8, x: float, y: float, radius: float, colour: Colour) -> None:
    cv2.circle(picture, (_fixed(x), _fixed(y)), _fixed(radius), colour, -1, cv2.LINE_AA, FIXED_POINT_BITS)


def _polygon(picture: U8, corners: list[tuple[float, float]], colour: Colour) -> None:
    points = np.array([[_fixed(x), _fixed(y)] for x, y in corners], np.int32)
    cv2.fillPoly(picture, [points], colour, cv2.LINE_AA, FIXED_POINT_BITS)


def _line(picture: U8, start: tuple[float, float], end: tuple[float, float], thick: float, colour: Colour) -> None:
    ends = [(_fixed(x), _fixed(y)) for x, y in (start, end)]
    cv2.line(picture, ends[0], ends[1], colour, max(1, round(thick)), cv2.LINE_AA, FIXED_POINT_BITS)
