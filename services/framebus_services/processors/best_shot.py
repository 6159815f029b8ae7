"""Keeps the best picture of each object, large, sharp and whole, and tells it as a JPEG when the object ends."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

import cv2
from msgspec import Meta

from framebus.frame import Frame, PixelFormat
from framebus.messages import Finding, ObjectEvent
from framebus.processor import DeferredProcessor, Pictured
from framebus_services.enrich.shots import BETTER, quality_of
from framebus_services.video.jpeg import encode_bgr

T = TypeVar("T")

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Side = Annotated[int, Meta(ge=32, le=1280)]
Quality = Annotated[int, Meta(ge=1, le=95)]

FORGET = 0.99
"""how the best so far fades with each sight, should the queue have dropped it"""
MAX_OBJECTS = 128
"""of more at once, those that go longest without a better picture lose theirs"""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """An object cut out of a frame, in the frame's format."""

    object: ObjectEvent
    score: float
    part: Frame


class BestShot(DeferredProcessor[Cut]):
    def __init__(
        self, labels: list[str] | None = None, margin: Share = 0.15, max_side: Side = 640, quality: Quality = 85
    ) -> None:
        self._labels = labels  # None: all
        self._margin = margin  # what is shown about the object, times its longer side
        self._max_side = max_side  # pixels
        self._quality = quality  # of the JPEG
        self._offered: OrderedDict[str, float] = OrderedDict()  # scores by object; of the loop
        self._best: OrderedDict[str, tuple[float, Pictured]] = OrderedDict()  # of the worker

    def defer_object(self, object: ObjectEvent, frame: Frame) -> Cut | None:
        if self._labels is not None and object.label not in self._labels:
            return None
        box = object.box
        best, score = FORGET * self._offered.get(object.id, 0.0), quality_of(box, frame)
        is_better = score >= BETTER * best
        _keep(self._offered, object.id, score if is_better else best)
        if not is_better:
            return None
        part = frame.cut((box.x, box.y, box.width, box.height), margin=self._margin)
        if part is None:  # the writer came round: there will be others
            return None
        return Cut(object=object, score=score, part=part)

    def process_task(self, task: Cut) -> Iterable[Pictured]:
        id = task.object.id
        if id not in self._best or task.score > self._best[id][0]:
            _keep(self._best, id, (task.score, self._pictured(task)))
        return ()

    def expire_object(self, id: str, camera: str) -> Iterator[Pictured]:
        if id in self._best:
            yield self._best.pop(id)[1]

    def shutdown(self) -> list[Pictured]:
        return [self._best.popitem(last=False)[1][1] for _ in range(len(self._best))]

    def _pictured(self, task: Cut) -> Pictured:
        finding = Finding(
            processor="best_shot",
            camera=task.object.camera,
            label=task.object.label,
            value=round(task.score, 1),
            object_id=task.object.id,
            number=task.part.number,
            captured_at_s=task.part.captured_at_s,
            box=task.object.box,
        )
        bgr = bgr_of(task.part)
        scale = self._max_side / max(bgr.shape)
        if scale < 1.0:
            bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return Pictured(finding=finding, jpeg=encode_bgr(bgr, self._quality))


def bgr_of(part: Frame) -> cv2.typing.MatLike:
    return cv2.cvtColor(part.pixels, cv2.COLOR_YUV2BGR_I420) if part.pixel_format is PixelFormat.I420 else part.bgr()


def _keep(kept: OrderedDict[str, T], id: str, value: T) -> None:
    kept[id] = value
    kept.move_to_end(id)
    if len(kept) > MAX_OBJECTS:
        kept.popitem(last=False)
