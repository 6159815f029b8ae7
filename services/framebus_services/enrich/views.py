"""Which parts of a picture a model is given: squares about what moves, in whole pixels, few of them."""

from collections.abc import Sequence

from framebus_services.enrich.boxes import Boxes

View = tuple[int, int, int, int]
"""left, top, width, height in pixels, all even"""

ROOM = 1.5
"""times its size a thing gets: it may be larger than what moves of it"""
MOST = 3
"""more parts than that, and the whole picture is the cheaper way"""
WHOLE = 1.5
"""a picture at most so many times as wide and high as the model's is given as a whole"""


def views_of(boxes: Boxes, width: int, height: int, model: tuple[int, int]) -> list[View]:
    """The parts of a picture of this size for a model with an input of `model` pixels."""
    whole = [(0, 0, width // 2 * 2, height // 2 * 2)]
    if width <= WHOLE * model[0] and height <= WHOLE * model[1]:
        return whole
    views: list[View] = []
    for left, top, across, down in sorted(boxes.tolist(), key=lambda box: -box[2] * box[3]):
        if any(_holds(view, left, top, across, down) for view in views):
            continue
        # Never smaller than the model's input: more than all pixels there are can't be shown.
        scale = max(ROOM * across / model[0], ROOM * down / model[1], 1.0)
        views.append(_about(left + across / 2.0, top + down / 2.0, scale, width, height, model))
    area = sum(view[2] * view[3] for view in views)
    return whole if len(views) > MOST or area >= width * height else views


def _about(x: float, y: float, scale: float, width: int, height: int, model: tuple[int, int]) -> View:
    across, down = min(round(model[0] * scale), width), min(round(model[1] * scale), height)
    left = min(max(0, round(x - across / 2.0)), width - across)
    top = min(max(0, round(y - down / 2.0)), height - down)
    return left // 2 * 2, top // 2 * 2, across // 2 * 2, down // 2 * 2


def _holds(view: Sequence[int], left: float, top: float, across: float, down: float) -> bool:
    return view[0] <= left and view[1] <= top and left + across <= view[0] + view[2] and top + down <= view[1] + view[3]
