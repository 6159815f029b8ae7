"""Outputs of every layout against boxes that were reckoned by hand, and against whatever numbers there may be."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from framebus.detector_settings import Layout
from framebus_services.detect.decoding import Boxes, decode
from framebus_services.detect.layouts import Plan
from framebus_services.detect.onnx_file import ModelError

SIZE = (64, 32)
CELLS = 8 * 4 + 4 * 2 + 2 * 1
TABLE = {"rows": 0}


def found(boxes: Boxes) -> list[tuple[list[float], float, int]]:
    """Corners, score and label of each, rounded."""
    rows = zip(boxes.corners.tolist(), boxes.scores.tolist(), boxes.labels.tolist(), strict=True)
    return [([round(side, 2) for side in corners], round(score, 3), label) for corners, score, label in rows]


def plan(layout: Layout, parts: dict[str, int] = TABLE, **more: Any) -> Plan:
    return Plan(layout=layout, labels=None, parts=parts, strides=(8, 16, 32), **more)


def test_yolo5_multiplies_presence_and_share() -> None:
    rows = np.array([[20, 10, 8, 4, 0.9, 0.1, 0.8], [40, 10, 8, 4, 0.3, 0.9, 0.1]], np.float32)

    boxes = decode(plan(Layout.YOLO5), [rows[np.newaxis]], SIZE, 0.4)

    assert found(boxes) == [([16, 8, 24, 12], 0.72, 1)]


def test_yolo8_has_shares_after_the_box_in_columns() -> None:
    columns = np.array([[20, 40], [10, 10], [8, 8], [4, 4], [0.5, 0.1], [0.2, 0.3]], np.float32)

    boxes = decode(plan(Layout.YOLO8, is_turned=True), [columns[np.newaxis]], SIZE, 0.4)

    assert found(boxes) == [([16, 8, 24, 12], 0.5, 0)]


def test_yolox_counts_in_cells_of_the_grid_of_a_row() -> None:
    rows = np.zeros((1, CELLS, 6), np.float32)
    rows[0, 9] = [0.5, 0.25, np.log(2), 0.0, 1.0, 0.8]  # second row, second column of the grid of 8 pixels
    rows[0, 32 + 5] = [0.0, 0.0, 0.0, 0.0, 1.0, 0.7]  # the same of that of 16 pixels

    boxes = decode(plan(Layout.YOLOX), [rows], SIZE, 0.4)

    assert found(boxes) == [([4, 6, 20, 14], 0.8, 0), ([8, 8, 24, 24], 0.7, 0)]


def test_rows_are_as_they_are() -> None:
    six = np.array([[[1, 2, 3, 4, 0.9, 1], [1, 2, 3, 4, 0.1, 1], [5, 5, 5, 9, 0.9, 0]]], np.float32)
    seven = np.array([[0, 1, 2, 3, 4, 2, 0.9]], np.float32)

    assert found(decode(plan(Layout.ROWS), [six], SIZE, 0.4)) == [([1, 2, 3, 4], 0.9, 1)]
    assert found(decode(plan(Layout.ROWS), [seven], SIZE, 0.4)) == [([1, 2, 3, 4], 0.9, 2)]


@pytest.mark.parametrize(
    ("corners", "is_down_first"),
    [([16, 8, 32, 24], False), ([0.25, 0.25, 0.5, 0.75], False), ([0.25, 0.25, 0.75, 0.5], True)],
)
def test_boxes_in_pixels_or_shares_with_scores_and_labels_of_their_own(
    corners: list[float], is_down_first: bool
) -> None:
    outputs = [np.array([[corners]], np.float32), np.array([[0.6]], np.float32), np.array([[3]], np.int64)]
    parts = {"boxes": 0, "scores": 1, "labels": 2}

    boxes = decode(plan(Layout.SSD, parts, is_down_first=is_down_first), outputs, SIZE, 0.4)

    assert found(boxes) == [([16, 8, 32, 24], 0.6, 3)]


def test_of_a_share_for_each_label_the_greatest_counts() -> None:
    outputs = [np.array([[[16, 8, 32, 24]]], np.float32), np.array([[[0.1, 0.6, 0.3]]], np.float32)]

    boxes = decode(plan(Layout.SSD, {"boxes": 0, "scores": 1}), outputs, SIZE, 0.4)

    assert found(boxes) == [([16, 8, 32, 24], 0.6, 1)]


@pytest.mark.parametrize("has_sigmoid", [True, False])
def test_a_peak_of_the_map_is_a_middle(has_sigmoid: bool) -> None:
    heat = np.full((1, 2, 8, 16), 0.01, np.float32)
    heat[0, 1, 3, 5], heat[0, 1, 3, 6] = 0.8, 0.7  # the second is the slope of the first
    given = heat if has_sigmoid else np.log(heat / (1 - heat))
    sizes, offsets = np.zeros((1, 2, 8, 16), np.float32), np.zeros((1, 2, 8, 16), np.float32)
    sizes[0, :, 3, 5], offsets[0, :, 3, 5] = (4, 2), (0.5, 0.25)
    centre = Plan(layout=Layout.CENTERNET, labels=2, parts={"middles": 0, "sizes": 1, "offsets": 2}, strides=(4,))

    boxes = decode(centre, [given, sizes, offsets], SIZE, 0.4)

    assert found(boxes) == [([14, 9, 30, 17], 0.8, 1)]


@pytest.mark.parametrize("layout", [Layout.YOLO5, Layout.YOLO8, Layout.YOLOX, Layout.ROWS])
def test_a_model_that_gives_no_numbers_is_broken(layout: Layout) -> None:
    with pytest.raises(ModelError, match="no numbers"):
        decode(plan(layout), [np.full((1, CELLS, 6), np.nan, np.float32)], SIZE, 0.4)


def test_a_row_without_numbers_is_left_out() -> None:
    rows = np.array([[[1, 2, 3, 4, np.nan, 1], [1, 2, np.inf, 4, 0.9, 1], [1, 2, 3, 4, 0.9, 1]]], np.float32)

    assert found(decode(plan(Layout.ROWS), [rows], SIZE, 0.4)) == [([1, 2, 3, 4], 0.9, 1)]


def test_no_rows_are_no_boxes() -> None:
    assert found(decode(plan(Layout.ROWS), [np.zeros((0, 6), np.float32)], SIZE, 0.4)) == []


ANY = st.floats(width=32)


@given(
    layout=st.sampled_from([Layout.YOLO5, Layout.YOLO8, Layout.YOLOX, Layout.ROWS]),
    rows=arrays(np.float32, (1, CELLS, 6), elements=ANY, fill=ANY),
)
def test_whatever_a_model_gives_boxes_are_finite_and_scores_shares(layout: Layout, rows: np.ndarray[Any, Any]) -> None:
    try:
        boxes = decode(plan(layout), [rows], SIZE, 0.4)
    except ModelError:
        return

    assert np.isfinite(boxes.corners).all()
    assert ((boxes.scores >= 0.4 - 1e-6) & (boxes.scores <= 1.0)).all()
    assert (boxes.corners[:, 2:] > boxes.corners[:, :2]).all()
    assert len(boxes.corners) == len(boxes.scores) == len(boxes.labels)


@given(maps=arrays(np.float32, (3, 1, 2, 8, 16), elements=ANY, fill=ANY))
def test_whatever_maps_a_model_gives_boxes_are_finite(maps: np.ndarray[Any, Any]) -> None:
    centre = Plan(layout=Layout.CENTERNET, labels=2, parts={"middles": 0, "sizes": 1, "offsets": 2}, strides=(4,))
    try:
        boxes = decode(centre, list(maps), SIZE, 0.4)
    except ModelError:
        return

    assert np.isfinite(boxes.corners).all()
    assert ((boxes.scores >= 0.0) & (boxes.scores <= 1.0)).all()
