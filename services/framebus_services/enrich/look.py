"""The detector's own process: reads a frame from its ring, and tells what the model sees in parts of it.

It runs in a WorkerProcess, so that a model that crashes, hangs or leaks costs no camera a frame.
"""

import math
import os
import resource
import threading
import time
from pathlib import Path

import numpy as np

from framebus.detector_settings import DetectorSettings
from framebus.frame import U8
from framebus.ring import RingFormatError, RingReader
from framebus.worker_child import Side
from framebus_services.detect.model import Model
from framebus_services.detect.onnx_file import ModelError
from framebus_services.detect.overlaps import best_boxes
from framebus_services.detect.picture import part_of
from framebus_services.enrich.looked import Describe, Described, Look, Looked, Sight
from framebus_services.enrich.views import View

IDLE_S = 10.0
"""a ring that was not asked for so long is closed, when it is looked for such ones next, as often"""
NICE = 5
"""the loops of the cameras come first"""
EDGE_PIXELS = 2
WEAK = 0.5
"""times the least sure score: so much a sight needs to keep an object alive"""
CUT = 0.99
"""times the least sure score: so much a thing has at most that the edge of a part cuts off"""


class _Ring:
    def __init__(self, reader: RingReader) -> None:
        self.reader = reader
        self.used_s = 0.0


class Looker:
    """A model and the rings that it reads."""

    def __init__(self, settings: DetectorSettings) -> None:
        self.model: Model | None = None
        self.problem = Described()
        self._settings = settings
        self._rings: dict[str, _Ring] = {}
        self._lock = threading.Lock()
        self._closing: threading.Timer | None = None
        try:
            self.model = Model(settings)
        except ModelError as error:
            self.problem = Described(problem=str(error), setting=error.setting)

    def describe(self) -> Described:
        if self.model is None:
            return self.problem
        try:
            run_s = self.model.measure_s()
        except ModelError as error:
            return Described(problem=str(error), setting=error.setting)
        return Described(
            layout=self.model.layout.value,
            engine=self.model.engine,
            labels=self.model.known_labels(),
            size=self.model.size,
            run_s=run_s,
            memory_bytes=_memory_bytes(),
        )

    def look(self, task: Look) -> Looked:
        """What is in the frame; raises ModelError."""
        if self.model is None:
            raise ModelError(self.problem.problem, self.problem.setting)
        with self._lock:
            parts = self._read(task)
            if self._rings and self._closing is None:
                self._close_later()
        if isinstance(parts, str):
            return Looked(dropped=parts)
        start_s = time.perf_counter()
        sights = []
        for view, part in zip(task.views, parts, strict=True):
            sights += self._sights(self.model, part, view, task.size)
        return Looked(
            sights=_chosen(sights) if len(parts) > 1 else sights,
            run_s=time.perf_counter() - start_s,
            memory_bytes=_memory_bytes(),
        )

    def _read(self, task: Look) -> list[U8] | str:
        """The parts of the frame in colour, or why there are none."""
        ring = self._rings.get(task.camera)
        if ring is None or ring.reader.path != Path(task.ring):
            self._rings.pop(task.camera, None)
            try:
                ring = self._rings[task.camera] = _Ring(RingReader.open(Path(task.ring)))
            except (OSError, RingFormatError):
                return "no_ring"
        ring.used_s = time.monotonic()
        frame = ring.reader.read(task.number, camera=task.camera)
        if frame is None:
            return "stale_frame"
        parts = [part_of(frame, view) for view in task.views]
        return parts if frame.still_valid() else "torn_frame"

    def _close_later(self) -> None:
        """Look for rings that nobody asks for any more, for as long as there are any: those of a camera that is gone
        take memory."""
        self._closing = threading.Timer(IDLE_S, self._close_idle)
        self._closing.daemon = True
        self._closing.start()

    def _close_idle(self) -> None:
        idle_since_s = time.monotonic() - IDLE_S
        with self._lock:
            self._rings = {camera: ring for camera, ring in self._rings.items() if ring.used_s > idle_since_s}
            self._closing = None
            if self._rings:
                self._close_later()

    def _sights(self, model: Model, part: U8, view: View, size: tuple[int, int]) -> list[Sight]:
        sure = self._settings.min_score
        # Only within the picture does the edge of a part cut something off.
        low = [EDGE_PIXELS if side > 0 else -1.0 for side in view[:2]]
        high = [
            side - EDGE_PIXELS if start + side < whole - EDGE_PIXELS else math.inf
            for start, side, whole in zip(view[:2], view[2:], size, strict=True)
        ]
        found = []
        for seen in model.find(part, WEAK * sure):
            left, top, width, height = seen.box
            is_cut = left < low[0] or top < low[1] or left + width > high[0] or top + height > high[1]
            score = min(seen.score, CUT * sure) if is_cut else seen.score
            found.append(
                Sight(box=(left + view[0], top + view[1], width, height), score=round(score, 4), label=seen.label)
            )
        return found


def open_looker(side: Side) -> Looker:
    os.nice(NICE)
    return Looker(side.setup(DetectorSettings))


def look(looker: Looker, task: Describe | Look) -> Described | Looked:
    return looker.describe() if isinstance(task, Describe) else looker.look(task)


def _chosen(sights: list[Sight]) -> list[Sight]:
    """The best of the sights of one thing in several parts."""
    if len(sights) < 2:
        return sights
    names = sorted({sight.label for sight in sights})
    corners = np.array([sight.box for sight in sights], np.float32)
    corners[:, 2:] += corners[:, :2]
    scores = np.array([sight.score for sight in sights], np.float32)
    labels = np.array([names.index(sight.label) for sight in sights], np.int64)
    return [sights[index] for index in best_boxes(corners, scores, labels).tolist()]


def _memory_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
