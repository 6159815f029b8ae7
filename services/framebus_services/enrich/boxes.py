"""Many boxes at once: made larger, and compared with others."""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
"""rows of left, top, width, height, in pixels"""


def corners(places: Boxes) -> Boxes:
    """Boxes of what is given by its middle, width and height."""
    boxes = places.copy()
    boxes[:, :2] -= boxes[:, 2:] / 2.0
    return boxes


def larger(boxes: Boxes, share: Boxes | float) -> Boxes:
    """Boxes that reach out by this share of their size on each side."""
    grown = boxes.copy()
    grown[:, :2] -= boxes[:, 2:] * share
    grown[:, 2:] *= 1.0 + 2.0 * np.asarray(share)
    return grown


def overlaps(some: Boxes, others: Boxes) -> Boxes:
    """Intersection over union of each of some boxes with each of others."""
    shared = shared_areas(some, others)
    areas = np.add.outer(some[:, 2] * some[:, 3], others[:, 2] * others[:, 3])
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))


def shared_areas(some: Boxes, others: Boxes) -> Boxes:
    """The area that each of some boxes has in common with each of others."""
    low = np.maximum(some[:, np.newaxis, :2], others[:, :2])
    high = np.minimum((some[:, :2] + some[:, 2:])[:, np.newaxis], others[:, :2] + others[:, 2:])
    sides = np.clip(high - low, 0.0, None)
    return np.asarray(sides[:, :, 0] * sides[:, :, 1])
