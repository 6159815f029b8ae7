"""Tells from the shapes of what a model gives what its numbers mean. Shapes in, a plan for `decoding` out.

| layout | outputs, for an input of W x H pixels and C labels |
| --- | --- |
| yolo5 | one, 1 x 3K x (5+C) |
| yolo8 | one, 1 x (4+C) x K; named, also turned |
| yolox | one, 1 x K x (5+C); named, also turned |
| rows | one, 1 x N x 6 or N x 6; N x 7 |
| ssd | boxes 1 x N x 4, scores 1 x N, numbers of labels 1 x N, perhaps a count; or scores 1 x N x C without numbers |
| centernet | middles 1 x C x H/s x W/s, sizes 1 x 2 x H/s x W/s, perhaps offsets of the same shape |

K is the number of cells of the grids: W/8 x H/8 + W/16 x H/16 + W/32 x H/32, or with other strides (see STRIDES); yolo5
has three boxes in each cell. `decoding` says where each layout is defined.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from framebus.detector_settings import Layout
from framebus_services.detect.onnx_file import ModelError

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
"""pixels from one cell of a grid to the next"""
ANCHORS = 3

_BEFORE_SCORES = {Layout.YOLO5: 5, Layout.YOLO8: 4, Layout.YOLOX: 5}


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """One output of a model as it was when the model ran."""

    name: str
    shape: tuple[int, ...]
    is_whole: bool = False
    """whole numbers"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How to read the outputs."""

    layout: Layout
    labels: int | None
    """how many the model tells apart; None: its shapes do not say"""
    parts: dict[str, int]
    """what is which output, by its place among them"""
    is_turned: bool = False
    """what should be rows are columns"""
    strides: tuple[int, ...] = ()
    is_down_first: bool = False
    """of ssd: boxes are top, left, bottom, right"""


def tell_layout(
    outputs: Sequence[Output], size: tuple[int, int], labels: int | None = None, named: Layout | None = None
) -> Plan:
    """The plan for a model whose input has this width and height; `labels` is how many names there are for it.

    Raises ModelError, with the shapes and what would be right.
    """
    plans = [
        plan
        for plan in (_as_maps(outputs, size), _as_lists(outputs), *_as_table(outputs, size))
        if plan is not None and named in (None, plan.layout)
    ]
    if not plans:
        raise ModelError(_why_unknown(outputs, size, named), "model" if named is None else "layout")
    plan = plans[0]
    if labels is not None and plan.labels is not None and labels != plan.labels:
        # One label more or less is as likely a mistake in the labels as another layout: nobody guesses.
        other = next((f"; or is it `layout: {one.layout}`?" for one in plans if one.labels == labels), "")
        raise ModelError(
            f"there are {labels} labels, but the model tells {plan.labels} apart ({_shown(outputs)}, read as "
            f"{plan.layout}); give one name for each, in the order in which it was trained{other}",
            "labels",
        )
    return plan


def cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    """How many cells the grids with these strides have together."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)


def _as_table(outputs: Sequence[Output], size: tuple[int, int]) -> list[Plan]:
    """What one output with a row for each box may be, the likeliest first."""
    tables = [index for index, output in enumerate(outputs) if len(_inner(output)) == 2]
    if len(tables) != 1:
        return []
    shape = _inner(outputs[tables[0]])
    parts = {"rows": tables[0]}
    plans = []
    for is_turned in (False, True):
        rows, fields = shape[::-1] if is_turned else shape
        for strides in STRIDES:
            number = cells(size, strides)
            # In rows YOLOX is the likelier one, in columns YOLO 8 and later.
            grids = (Layout.YOLO8, Layout.YOLOX) if is_turned else (Layout.YOLOX, Layout.YOLO8)
            found = grids if rows == number else (Layout.YOLO5,) if rows == ANCHORS * number else ()
            plans += [
                Plan(layout=one, labels=count, parts=parts, is_turned=is_turned, strides=strides)
                for one in found
                if (count := fields - _BEFORE_SCORES[one]) > 0
            ]
    if shape[1] == 6 or (shape[1] == 7 and len(outputs[tables[0]].shape) == 2):
        plans.append(Plan(layout=Layout.ROWS, labels=None, parts=parts))
    return plans


def _as_lists(outputs: Sequence[Output]) -> Plan | None:
    """Boxes, scores and labels, each in an output of its own."""
    boxes = [index for index, output in enumerate(outputs) if len(_inner(output)) == 2 and _inner(output)[1] == 4]
    if len(boxes) != 1 or len(outputs) < 2:
        return None
    number = _inner(outputs[boxes[0]])[0]
    lists = [index for index, output in enumerate(outputs) if index not in boxes and _inner(output)[:1] == (number,)]
    flat = [index for index in lists if len(_inner(outputs[index])) == 1]
    wide = [index for index in lists if len(_inner(outputs[index])) == 2]
    parts = {"boxes": boxes[0]}
    is_down_first = "detection_boxes" in outputs[boxes[0]].name
    if len(flat) >= 2:
        parts["labels"] = _likeliest(outputs, flat, ("class", "label"), is_whole=True, default=flat[-1])
        left = [index for index in flat if index != parts["labels"]]
        parts["scores"] = _likeliest(outputs, left, ("score", "conf", "prob"), is_whole=False, default=left[0])
        return Plan(layout=Layout.SSD, labels=None, parts=parts, is_down_first=is_down_first)
    if len(wide) == 1:
        parts["scores"] = wide[0]
        return Plan(layout=Layout.SSD, labels=_inner(outputs[wide[0]])[1], parts=parts, is_down_first=is_down_first)
    return None


def _as_maps(outputs: Sequence[Output], size: tuple[int, int]) -> Plan | None:
    """Maps of middles, sizes and offsets."""
    maps = [index for index, output in enumerate(outputs) if len(output.shape) == 4 and output.shape[0] == 1]
    if len(maps) not in (2, 3) or len({outputs[index].shape[2:] for index in maps}) != 1:
        return None
    down, across = outputs[maps[0]].shape[2:]
    if not down or size[1] % down or size[0] * down != size[1] * across:
        return None
    pairs = [index for index in maps if outputs[index].shape[1] == 2]
    middles = [index for index in maps if index not in pairs] or [
        _likeliest(outputs, pairs, ("hm", "heat", "center"), is_whole=False, default=maps[0])
    ]
    left = [index for index in maps if index not in middles]
    if len(middles) != 1 or any(index not in pairs for index in left):
        return None
    parts = {"middles": middles[0]}
    parts["sizes"] = _likeliest(outputs, left, ("wh", "size"), is_whole=False, default=left[0])
    if len(left) == 2:
        parts["offsets"] = next(index for index in left if index != parts["sizes"])
    labels = outputs[middles[0]].shape[1]
    return Plan(layout=Layout.CENTERNET, labels=labels, parts=parts, strides=(size[1] // down,))


def _likeliest(
    outputs: Sequence[Output], choice: Sequence[int], words: Sequence[str], *, is_whole: bool, default: int
) -> int:
    """The output whose name has one of the words; else the one of whole numbers, if that is asked for."""
    for index in choice:
        if any(word in outputs[index].name.lower() for word in words):
            return index
    return next((index for index in choice if is_whole and outputs[index].is_whole), default)


def _inner(output: Output) -> tuple[int, ...]:
    """The shape without the batch of one."""
    shape = output.shape
    return shape[1:] if len(shape) > 1 and shape[0] == 1 else shape


def _why_unknown(outputs: Sequence[Output], size: tuple[int, int], named: Layout | None) -> str:
    given = f"for an input of {size[0]}x{size[1]} the model gives {_shown(outputs)}"
    number = cells(size, STRIDES[0])
    right = {
        Layout.YOLO5: f"1x{ANCHORS * number}x(5+labels)",
        Layout.YOLO8: f"1x(4+labels)x{number}",
        Layout.YOLOX: f"1x{number}x(5+labels)",
        Layout.ROWS: "1xNx6",
        Layout.SSD: "boxes 1xNx4, scores 1xN, labels 1xN",
        Layout.CENTERNET: f"maps 1x(labels)x{size[1] // 4}x{size[0] // 4} and 1x2x{size[1] // 4}x{size[0] // 4}",
    }
    if named is not None:
        return f"{given}: that is not {named}, which would be {right[named]}"
    known = "; ".join(f"{layout} {shape}" for layout, shape in right.items())
    return f"{given}: no layout that is known. Known are {known}"


def _shown(outputs: Sequence[Output]) -> str:
    shapes = [f"{output.name} {'x'.join(map(str, output.shape)) or 'one number'}" for output in outputs[:6]]
    return ", ".join(shapes) or "nothing"
