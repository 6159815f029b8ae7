"""An object detector: a model that was loaded, and what it sees in pictures."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from framebus.detector_settings import Colours, DetectorSettings, Layout, Values
from framebus.frame import U8
from framebus_services.detect.decoding import Array, decode
from framebus_services.detect.engines import open_model
from framebus_services.detect.labels import name_of, read_labels
from framebus_services.detect.layouts import Output, Plan, tell_layout
from framebus_services.detect.onnx_file import ModelError, read_onnx
from framebus_services.detect.overlaps import best_boxes
from framebus_services.detect.picture import GREY, Entry, fitted

# What the training of each layout's best known models gives them: the pages that `decoding` names.
_USUAL: Mapping[Layout, tuple[Colours, Values]] = {
    Layout.YOLO5: (Colours.RGB, Values.UNIT),
    Layout.YOLO8: (Colours.RGB, Values.UNIT),
    Layout.YOLOX: (Colours.BGR, Values.BYTE),
    Layout.ROWS: (Colours.RGB, Values.UNIT),
    Layout.SSD: (Colours.RGB, Values.UNIT),
    Layout.CENTERNET: (Colours.BGR, Values.IMAGENET),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Something that a model sees in a picture."""

    box: tuple[float, float, float, float]
    """left, top, width, height in pixels of the picture"""
    score: float
    label: str


class Model:
    """A model at work; use it from one thread."""

    def __init__(self, settings: DetectorSettings) -> None:
        """Load it and run it once on a grey picture; raises ModelError, which says what would be right."""
        path = Path(settings.model)
        file = read_onnx(path)
        if len(file.inputs) != 1:
            names = ", ".join(one.name for one in file.inputs) or "none"
            raise ModelError(f"it must have one input, a picture; it has {names}")
        self._entry = Entry.of(file.inputs[0])
        self.labels = read_labels(settings.labels, file)
        self._runner = open_model(path, file.inputs[0], settings.engine, settings.threads)
        self._settings = settings
        self._colours, self._values = settings.colours or Colours.RGB, settings.values or Values.BYTE
        outputs = self._run(self._grey())
        shapes = [
            Output(name=name, shape=array.shape, is_whole=bool(np.issubdtype(array.dtype, np.integer)))
            for name, array in outputs
        ]
        self._plan = self._tell(shapes)
        usual = _USUAL[self._plan.layout]
        self._colours, self._values = settings.colours or usual[0], settings.values or usual[1]
        self._check_choice()
        decode(self._plan, [array for _, array in self._run(self._grey())], self._entry.size, settings.min_score)

    @property
    def layout(self) -> Layout:
        return self._plan.layout

    @property
    def engine(self) -> str:
        return self._runner.name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture that goes in, in pixels."""
        return self._entry.size

    def known_labels(self) -> list[str]:
        """All that it may tell; where nobody says their names, numbers; empty where nobody knows how many."""
        number = self._plan.labels if self.labels is None else len(self.labels)
        return [name_of(self.labels, label) for label in range(number or 0)]

    def measure_s(self) -> float:
        """How long it takes for a picture, in seconds."""
        start_s = time.perf_counter()
        self.find(self._grey(), 0.5)
        return time.perf_counter() - start_s

    def find(self, picture: U8, least: float) -> list[Seen]:
        """What is in a picture (blue, green, red) with a score of at least `least`; raises ModelError."""
        fit, scale = fitted(picture, self._entry.size)
        found = decode(self._plan, [array for _, array in self._run(fit)], self._entry.size, least)
        height, width = picture.shape[:2]
        seen = []
        for index in best_boxes(found.corners, found.scores, found.labels).tolist():
            label = name_of(self.labels, int(found.labels[index]))
            corners = found.corners[index] / scale
            left, right = np.clip(corners[[0, 2]], 0.0, width).tolist()
            top, bottom = np.clip(corners[[1, 3]], 0.0, height).tolist()
            is_wanted = self._settings.only is None or label in self._settings.only
            if is_wanted and right - left >= 1.0 and bottom - top >= 1.0:
                box = (left, top, right - left, bottom - top)
                seen.append(Seen(box=box, score=float(found.scores[index]), label=label))
        return seen

    def _tell(self, shapes: list[Output]) -> Plan:
        size, layout = self._entry.size, self._settings.layout
        number = None if self.labels is None else len(self.labels)
        try:
            return tell_layout(shapes, size, number, layout)
        except ModelError as error:
            if error.setting != "labels" or self._settings.labels is not None:
                raise
        self.labels = None  # the model's own notes are about something else
        return tell_layout(shapes, size, None, layout)

    def _run(self, picture: U8) -> list[tuple[str, Array]]:
        return self._runner.run(self._entry.blob(picture, self._colours, self._values))

    def _grey(self) -> U8:
        return np.full((self._entry.size[1], self._entry.size[0], 3), GREY, np.uint8)

    def _check_choice(self) -> None:
        known = self.known_labels()
        unknown = [label for label in self._settings.only or () if known and label not in known]
        if unknown:
            shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            raise ModelError(f"the model has no label {unknown[0]!r}; it has {shown}", "only")
