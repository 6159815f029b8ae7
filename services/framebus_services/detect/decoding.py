"""What the numbers mean that a model gives: its outputs in, boxes with scores and labels out. No engine, no pictures.

Where each layout is defined:

- yolo5: the export of Ultralytics YOLOv5; a row is middle x, middle y, width, height in pixels of the input, how sure
  it is that there is something, and a share for each label. The score is the product.
- yolo8: the export of Ultralytics YOLOv8 and YOLO11; as yolo5 without the fifth number.
- yolox: Megvii YOLOX, `demo/ONNXRuntime`; as yolo5, but middles are in cells from the corner of their own cell, and
  sides are logarithms of cells. Paper: arXiv 2107.08430.
- rows: the end-to-end export of YOLOv10 and YOLO26, 1 x N x 6: left, top, right, bottom in pixels of the input, score,
  number of the label; and of YOLOv7, N x 7: number of the picture, the same corners, label, score.
- ssd: torchvision's detection models (left, top, right, bottom), the SSD of the ONNX model zoo (the same, 0 to 1), and
  the TensorFlow Object Detection API (`detection_boxes`: top, left, bottom, right, 0 to 1).
- centernet: "Objects as Points", arXiv 1904.07850: a peak of the map of middles is a thing; sizes and offsets are in
  cells of the map.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from framebus.detector_settings import Layout
from framebus_services.detect.layouts import Plan
from framebus_services.detect.onnx_file import ModelError
from framebus_services.detect.overlaps import Floats, Ints

Array = npt.NDArray[Any]

MOST_PEAKS = 1_000
MOST_LABELS = 10_000
"""a greater number is none of a label"""
LONGEST = 12.0
"""the greatest logarithm of a side that is computed; what is longer is no box of a picture"""
NORMALISED = 2.0
"""corners that are all smaller are shares of the picture, not pixels"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """What may be a thing, before the best of several boxes about one is chosen."""

    corners: Floats
    """rows of left, top, right, bottom, in pixels of the input"""
    scores: Floats
    """0 to 1"""
    labels: Ints


def decode(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> Boxes:
    """The boxes with a score of at least `least`, of an input of this width and height.

    Raises ModelError when the model gives no numbers at all: that one is broken.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is dropped below
        corners, scores, labels = _DECODERS[plan.layout](plan, outputs, size, least)
    is_number = np.isfinite(scores) & np.isfinite(corners).all(axis=1)
    if len(scores) and not is_number.any():
        raise ModelError("the model gives no numbers (NaN) for what it sees: it is broken, or not for such pictures")
    is_known = (labels >= 0) & (labels < MOST_LABELS)
    has_area = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    keep = is_number & is_known & has_area & (scores >= least)
    return Boxes(
        corners=np.asarray(corners[keep], np.float32),
        scores=np.clip(scores[keep], 0.0, 1.0).astype(np.float32),
        labels=labels[keep].astype(np.int64),
    )


_Found = tuple[Array, Array, Array]


def _yolo5(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> _Found:
    return _scored(_rows(plan, outputs), has_presence=True, least=least)


def _yolo8(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> _Found:
    return _scored(_rows(plan, outputs), has_presence=False, least=least)


def _yolox(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> _Found:
    rows = _rows(plan, outputs).copy()
    grid, stride = _grid(size, plan.strides)
    rows[:, :2] = (rows[:, :2] + grid) * stride
    rows[:, 2:4] = np.exp(np.minimum(rows[:, 2:4], LONGEST)) * stride
    return _scored(rows, has_presence=True, least=least)


def _end_to_end(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> _Found:
    rows = _rows(plan, outputs)
    if rows.shape[1] == 7:
        return rows[:, 1:5], rows[:, 6], _whole(rows[:, 5])
    return rows[:, :4], rows[:, 4], _whole(rows[:, 5])


def _ssd(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> _Found:
    corners = _floats(outputs[plan.parts["boxes"]]).reshape(-1, 4)
    if plan.is_down_first:
        corners = corners[:, [1, 0, 3, 2]]
    if corners.size and np.nanmax(corners, initial=0.0) <= NORMALISED:
        corners = corners * np.array((*size, *size), np.float32)
    scores = _floats(outputs[plan.parts["scores"]])
    if "labels" in plan.parts:
        return corners, scores.reshape(-1), _whole(_floats(outputs[plan.parts["labels"]]).reshape(-1))
    shares = scores.reshape(len(corners), -1)
    labels = shares.argmax(axis=1) if shares.size else np.zeros(len(corners), np.int64)
    return corners, shares[np.arange(len(corners)), labels], labels


def _centernet(plan: Plan, outputs: Sequence[Array], size: tuple[int, int], least: float) -> _Found:
    heat = _floats(outputs[plan.parts["middles"]])[0]
    if not np.isfinite(heat).any():
        return np.zeros((1, 4)), np.full(1, np.nan), np.zeros(1, np.int64)
    if np.nanmin(heat) < 0.0 or np.nanmax(heat) > 1.0:  # the last step, a sigmoid, was left out of the export
        heat = 1.0 / (1.0 + np.exp(-heat))
    labels, down, across = _peaks(heat, least)
    scores = heat[labels, down, across]
    sides = _floats(outputs[plan.parts["sizes"]])[0][:, down, across].T
    middles = np.stack((across, down), axis=1).astype(np.float32)
    if "offsets" in plan.parts:
        middles += _floats(outputs[plan.parts["offsets"]])[0][:, down, across].T
    else:
        middles += 0.5
    corners = np.hstack((middles - sides / 2.0, middles + sides / 2.0)) * plan.strides[0]
    return corners, scores, labels


_DECODERS: Mapping[Layout, Callable[[Plan, Sequence[Array], tuple[int, int], float], _Found]] = {
    Layout.YOLO5: _yolo5,
    Layout.YOLO8: _yolo8,
    Layout.YOLOX: _yolox,
    Layout.ROWS: _end_to_end,
    Layout.SSD: _ssd,
    Layout.CENTERNET: _centernet,
}


def _rows(plan: Plan, outputs: Sequence[Array]) -> Floats:
    table = _floats(outputs[plan.parts["rows"]])
    table = table[0] if table.ndim == 3 else table
    return table.T if plan.is_turned else table


def _scored(rows: Floats, *, has_presence: bool, least: float) -> _Found:
    """Rows of middle and size, perhaps how sure it is that there is something, and a share for each label."""
    shares = rows[:, 5:] if has_presence else rows[:, 4:]
    labels = shares.argmax(axis=1)
    scores = shares[np.arange(len(rows)), labels]
    if has_presence:
        scores = scores * rows[:, 4]
    # Most rows are nothing, and need no corners; those without a number stay, so that they are noticed.
    keep = ~(scores < least) if not np.isnan(scores).all() else slice(None)
    rows, scores, labels = rows[keep], scores[keep], labels[keep]
    half = rows[:, 2:4] / 2.0
    return np.hstack((rows[:, :2] - half, rows[:, :2] + half)), scores, labels


def _grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[Floats, Floats]:
    """The corner of each cell, in cells of its own grid, and its stride; the grids one after the other."""
    corners, steps = [], []
    for stride in strides:
        down, across = np.mgrid[: size[1] // stride, : size[0] // stride]
        corners.append(np.stack((across.ravel(), down.ravel()), axis=1))
        steps.append(np.full((down.size, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _peaks(heat: Floats, least: float) -> tuple[Ints, Ints, Ints]:
    """Label, row and column of what is as high as all around it, the highest first."""
    padded = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, columns = heat.shape[1:]
    around = [padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    labels, down, across = np.nonzero((heat >= np.max(around, axis=0)) & (heat >= least))
    order = np.argsort(-heat[labels, down, across], kind="stable")[:MOST_PEAKS]
    return labels[order], down[order], across[order]


def _floats(array: Array) -> Floats:
    return np.asarray(array, np.float32)


def _whole(numbers: Array) -> Ints:
    return np.asarray(np.nan_to_num(numbers, nan=-1.0, posinf=-1.0, neginf=-1.0).round(), np.int64)
