"""Small ONNX models whose answers are known: each finds the one thing of a colour in a picture, in a layout of choice.

The box is exact: the first and last column and row that have the colour. What is wider than high is a `car`, the rest
is a `person`; the score is 0.9.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from framebus.detector_settings import Layout

LABELS = ["car", "person"]
SCORE = 0.9
TOLERANCE = 30.0
SIDE = 1_000
"""of the matrices that take time"""
STRIDES = (8, 16, 32)
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet's pictures, red, green, blue


class Graph:
    """A graph that grows node by node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def scaled(self, value: str, factor: float, shift: float = 0.0) -> str:
        return self.add("Add", self.add("Mul", value, self.constant(factor)), self.constant(shift))

    def clipped(self, value: str, low: float = 0.0, high: float = 1.0) -> str:
        return self.add("Clip", value, self.constant(low), self.constant(high))

    def shaped(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, self.constant(shape, np.int64))


class Thing:
    """What a graph knows of the one thing in the picture, each of one number."""

    def __init__(self, graph: Graph, picture: str, size: tuple[int, int], colour: Sequence[int]) -> None:
        width, height = size
        away = graph.add("Abs", graph.add("Sub", picture, graph.constant(np.reshape(colour, (1, 3, 1, 1)))))
        away = graph.add("ReduceMax", away, axes=[1], keepdims=1)
        mask = graph.clipped(graph.scaled(away, -1.0, TOLERANCE))
        self.left, self.right = _ends(graph, graph.add("ReduceMax", mask, axes=[2], keepdims=1), width, 3)
        self.top, self.bottom = _ends(graph, graph.add("ReduceMax", mask, axes=[3], keepdims=1), height, 2)
        self.there = graph.add("ReduceMax", mask, axes=[2, 3], keepdims=1)
        self.width = graph.add("Sub", self.right, self.left)
        self.height = graph.add("Sub", self.bottom, self.top)
        self.across = graph.scaled(graph.add("Add", self.left, self.right), 0.5)
        self.down = graph.scaled(graph.add("Add", self.top, self.bottom), 0.5)
        self.is_car = graph.clipped(graph.add("Sub", self.width, self.height))
        self.is_person = graph.scaled(self.is_car, -1.0, 1.0)
        self.score = graph.scaled(self.there, SCORE)


def _ends(graph: Graph, line: str, length: int, axis: int) -> tuple[str, str]:
    """First and last place, counted from the edge of the picture, where a line is not zero."""
    shape = [1, 1, 1, 1]
    shape[axis] = length
    places = np.arange(length, dtype=np.float32).reshape(shape)
    last = graph.add("ReduceMax", graph.add("Mul", line, graph.constant(places + 1)), axes=[axis], keepdims=1)
    back = graph.add("ReduceMax", graph.add("Mul", line, graph.constant(length - places)), axes=[axis], keepdims=1)
    return graph.scaled(back, -1.0, float(length)), last


def make_model(
    path: Path,
    layout: Layout,
    *,
    size: tuple[int, int] = (64, 64),
    colour: Sequence[int] = (255, 255, 255),
    notes: dict[str, str] | None = None,
    is_turned: bool = False,
    is_dynamic: bool = False,
    element: int = TensorProto.FLOAT,
    is_channels_last: bool = False,
    broken: str = "",
    loops: int = 0,
    hangs_from: int | None = None,
) -> Path:
    """Write a model; `colour` is red, green, blue. `broken` may be `nan` or `shape`; each of `loops` takes time.

    It hangs when it sees the thing to the right of `hangs_from`.
    """
    graph = Graph()
    picture = "images"
    if element != TensorProto.FLOAT:
        picture = graph.add("Cast", picture, to=TensorProto.FLOAT)
    if is_channels_last:
        picture = graph.add("Transpose", picture, perm=[0, 3, 1, 2])
    if loops:
        times = graph.constant(loops, np.int64)
        picture = graph.add("Add", picture, _long_work(graph, times, picture))
    picture, ordered = _as_bytes(graph, picture, layout, colour, is_byte=element == TensorProto.UINT8)
    thing = Thing(graph, picture, size, ordered)
    outputs = _LAYOUTS[layout](graph, thing, size, is_turned)
    if hangs_from is not None:
        is_right = graph.clipped(graph.scaled(thing.left, 1.0, -float(hangs_from)))
        is_right = graph.add("Mul", is_right, thing.there)
        times = graph.add("Cast", graph.shaped(graph.scaled(is_right, 1e6)), to=TensorProto.INT64)
        nothing = _long_work(graph, times, outputs[0])
        outputs[0] = graph.add("Add", outputs[0], nothing, name="output_late")
    if broken == "nan":
        zero = graph.scaled(outputs[0], 0.0)
        outputs[0] = graph.add("Div", zero, graph.scaled(zero, 0.0), name="output_nan")
    elif broken == "shape":
        outputs = [graph.add("Concat", outputs[0], outputs[0], axis=-1, name="output_odd")]
    height, width = ("height", "width") if is_dynamic else (size[1], size[0])
    shape = [1, height, width, 3] if is_channels_last else [1, 3, height, width]
    whole = {"labels": TensorProto.INT64}
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "toy",
            [helper.make_tensor_value_info("images", element, shape)],
            [helper.make_tensor_value_info(name, whole.get(name, TensorProto.FLOAT), None) for name in outputs],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    for key, value in (notes or {}).items():
        made.metadata_props.add(key=key, value=value)
    path.write_bytes(onnx.shape_inference.infer_shapes(made).SerializeToString())
    return path


def _long_work(graph: Graph, times: str, before: str) -> str:
    """Zero, after so many products of large matrices that nobody can reckon before there is a picture."""
    zero = graph.scaled(graph.add("ReduceMax", graph.clipped(before), keepdims=0), 0.0)
    side = graph.constant(np.full((SIDE, SIDE), 1.0 / SIDE))
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", side], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
    )
    start = graph.add("Add", side, zero)
    end = graph.add("Loop", times, graph.constant(True, np.bool_), start, body=body)
    return graph.scaled(graph.add("ReduceMax", end, keepdims=0), 0.0)


def _as_bytes(
    graph: Graph, picture: str, layout: Layout, colour: Sequence[int], *, is_byte: bool
) -> tuple[str, Sequence[int]]:
    """The picture with values of 0 to 255, and the colour in the order of its channels."""
    if layout is Layout.YOLOX or is_byte:
        return picture, colour if is_byte else colour[::-1]
    if layout is Layout.CENTERNET:
        by, more = (graph.constant(np.reshape(row[::-1], (1, 3, 1, 1))) for row in (DEVIATION, MEAN))
        return graph.add("Add", graph.add("Mul", picture, by), more), colour[::-1]
    return graph.scaled(picture, 255.0), colour


def cells(size: tuple[int, int]) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def _column(graph: Graph, values: Sequence[str], number: int, *, is_rows: bool) -> str:
    """The values as the first of so many rows, or columns; the others are zero."""
    shape = (1, 1, len(values)) if is_rows else (1, len(values), 1)
    one = graph.shaped(graph.add("Concat", *values, axis=1), *shape)
    first = np.zeros(number, np.float32)
    first[0] = 1.0
    place = graph.constant(first.reshape((1, number, 1) if is_rows else (1, 1, number)))
    return graph.add("Mul", one, place, name="output")


def _shares(graph: Graph, thing: Thing, score: str) -> list[str]:
    return [graph.add("Mul", thing.is_car, score), graph.add("Mul", thing.is_person, score)]


def _yolo5(graph: Graph, thing: Thing, size: tuple[int, int], is_turned: bool) -> list[str]:
    values = [thing.across, thing.down, thing.width, thing.height, thing.there, *_shares(graph, thing, thing.score)]
    return [_column(graph, values, 3 * cells(size), is_rows=not is_turned)]


def _yolo8(graph: Graph, thing: Thing, size: tuple[int, int], is_turned: bool) -> list[str]:
    values = [thing.across, thing.down, thing.width, thing.height, *_shares(graph, thing, thing.score)]
    return [_column(graph, values, cells(size), is_rows=is_turned)]


def _yolox(graph: Graph, thing: Thing, size: tuple[int, int], is_turned: bool) -> list[str]:
    middle = [graph.scaled(value, 1 / STRIDES[0]) for value in (thing.across, thing.down)]
    sides = [
        graph.add("Log", graph.clipped(graph.scaled(value, 1 / STRIDES[0]), 1e-3, 1e3))
        for value in (thing.width, thing.height)
    ]
    values = [*middle, *sides, thing.there, *_shares(graph, thing, thing.score)]
    return [_column(graph, values, cells(size), is_rows=not is_turned)]


def _rows(graph: Graph, thing: Thing, size: tuple[int, int], is_turned: bool) -> list[str]:
    values = [thing.left, thing.top, thing.right, thing.bottom, thing.score, thing.is_person]
    return [_column(graph, values, 100, is_rows=True)]


def _ssd(graph: Graph, thing: Thing, size: tuple[int, int], is_turned: bool) -> list[str]:
    sides = [(thing.left, size[0]), (thing.top, size[1]), (thing.right, size[0]), (thing.bottom, size[1])]
    corners = graph.add("Concat", *[graph.scaled(value, 1 / whole) for value, whole in sides], axis=1)
    flat = graph.constant((1, 1), np.int64)
    return [
        graph.add("Reshape", corners, graph.constant((1, 1, 4), np.int64), name="boxes"),
        graph.add("Reshape", thing.score, flat, name="scores"),
        graph.add("Cast", graph.add("Reshape", thing.is_person, flat), to=TensorProto.INT64, name="labels"),
    ]


def _centernet(graph: Graph, thing: Thing, size: tuple[int, int], is_turned: bool) -> list[str]:
    across, down = size[0] // 4, size[1] // 4
    places = [graph.scaled(value, 0.25) for value in (thing.across, thing.down)]
    corners = [graph.add("Floor", value) for value in places]
    grids = [np.arange(across).reshape(1, 1, 1, across), np.arange(down).reshape(1, 1, down, 1)]
    near = [
        graph.clipped(graph.scaled(graph.add("Abs", graph.add("Sub", graph.constant(grid), corner)), -1.0, 1.0))
        for grid, corner in zip(grids, corners, strict=True)
    ]
    peak = graph.add("Mul", near[0], near[1])
    everywhere = graph.constant(np.ones((1, 1, down, across)))
    sides = graph.add("Concat", graph.scaled(thing.width, 0.25), graph.scaled(thing.height, 0.25), axis=1)
    offsets = [graph.add("Sub", place, corner) for place, corner in zip(places, corners, strict=True)]
    return [
        graph.add("Mul", graph.add("Concat", *_shares(graph, thing, thing.score), axis=1), peak, name="hm"),
        graph.add("Mul", sides, everywhere, name="wh"),
        graph.add("Mul", graph.add("Concat", *offsets, axis=1), everywhere, name="reg"),
    ]


_LAYOUTS = {
    Layout.YOLO5: _yolo5,
    Layout.YOLO8: _yolo8,
    Layout.YOLOX: _yolox,
    Layout.ROWS: _rows,
    Layout.SSD: _ssd,
    Layout.CENTERNET: _centernet,
}
