"""Zones and masks: the areas of a camera's picture that the configuration names, 0 to 1 across and down."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from framebus.frame import U8
from framebus.messages import Box
from framebus.settings import Area

FIXED_POINT_BITS = 8


def zones_of(zones: Mapping[str, Area], box: Box, width: int, height: int) -> list[str]:
    """The zones in which an object stands in a picture of this size: those that hold the middle of its lower edge."""
    across = (box.x + box.width / 2.0) / width
    down = (box.y + box.height) / height
    # An object that reaches the edge of the picture goes on beyond it, and zones end there.
    return [name for name, area in zones.items() if is_inside(area, min(across, 0.999), min(down, 0.999))]


def is_inside(area: Area, across: float, down: float) -> bool:
    """Whether a point lies in the area: a ray from there crosses its border an odd number of times."""
    inside = False
    x0, y0 = area.points[-1]
    for x1, y1 in area.points:
        if (y0 > down) != (y1 > down) and across < x0 + (down - y0) / (y1 - y0) * (x1 - x0):
            inside = not inside
        x0, y0 = x1, y1
    return inside


def draw_areas(areas: Sequence[Area], width: int, height: int, *, inside: int) -> U8:
    """A picture that is `inside` (0 or 255) within any of the areas, and the other one elsewhere."""
    drawn = np.full((height, width), 255 - inside, np.uint8)
    scale = np.array((width, height)) * (1 << FIXED_POINT_BITS)
    half = 1 << (FIXED_POINT_BITS - 1)  # OpenCV's coordinates are those of the middles of pixels
    for area in areas:
        points = (np.array(area.points) * scale - half).round().astype(np.int32)
        cv2.fillPoly(drawn, [points], (inside,), shift=FIXED_POINT_BITS)
    return drawn
