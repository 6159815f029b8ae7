"""Which of several boxes about one thing is kept: non-maximum suppression. Arrays in, indices out.

The rule is the usual one of detectors: the surest box stays, and those of its label that overlap it by more than a
limit go (Neubeck and Van Gool, "Efficient Non-Maximum Suppression", ICPR 2006).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SAME_LABEL = 0.5
"""intersection over union from which two boxes of one label are one thing"""
ANY_LABEL = 0.85
"""and two boxes of different labels: a thing has one label"""
MOST = 300
"""boxes that are kept; the rows of a model may be many thousands"""


def best_boxes(boxes: Floats, scores: Floats, labels: Ints) -> Ints:
    """Indices of the boxes that stay, the surest first. `boxes` are rows of left, top, right, bottom."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size and len(kept) < MOST:
        best, order = int(order[0]), order[1:]
        kept.append(best)
        limits = np.where(labels[order] == labels[best], SAME_LABEL, ANY_LABEL)
        order = order[shares(boxes[best], boxes[order]) <= limits]
    return np.array(kept, np.int64)


def shares(box: Floats, others: Floats) -> Floats:
    """Intersection over union of a box with each of the others, left, top, right, bottom."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    sides = np.clip(high - low, 0.0, None)
    shared = sides[:, 0] * sides[:, 1]
    areas = _area(box[np.newaxis]) + _area(others)
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float32)


def _area(boxes: Floats) -> Floats:
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None)
    return np.asarray(sides[:, 0] * sides[:, 1])
