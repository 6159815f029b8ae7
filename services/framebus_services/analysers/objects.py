"""Says what is on a file's pictures: what a detector sees, how much moves, how bright they are, which shows most."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from msgspec import Meta

from framebus.analyser import AnalysedFile, Analyser, Analysis
from framebus.detector_settings import DetectorSettings
from framebus.job_requests import FailKind
from framebus.runner import WorkError
from framebus_services.analysers.pictures import Bgr, read_pictures
from framebus_services.detect.model import Model
from framebus_services.detect.onnx_file import ModelError

SMALL = (160, 120)
"""width and height that motion is looked for in"""
CHANGED = 25
"""difference of grey from which a point has changed; noise stays below"""
MAX_LABELS = 40
"""the most frequent ones are told: a result has a limit"""


class Objects(Analyser):
    """`motion`: the changed share of the picture between key frames; with a detector also `labels`."""

    def __init__(
        self, max_pictures: Annotated[int, Meta(ge=1, le=100_000)] = 500, detector: DetectorSettings | None = None
    ) -> None:
        if detector is not None and not Path(detector.model).is_file():
            raise ValueError(f"detector.model: there is no file {detector.model}")
        self._max_pictures = max_pictures
        self._detector = detector
        self._model: Model | None = None

    def analyse(self, file: AnalysedFile, report: Callable[[str, float], None]) -> Analysis:
        best: tuple[float, Bgr] | None = None
        motion = _Motion()
        sights = _Sights()
        for number, (_, share, picture) in enumerate(read_pictures(file)):
            if number >= self._max_pictures:
                break
            report("looking", 100.0 * share)
            merit = motion.add(picture)
            if self._detector is not None:
                merit = sights.add(self._find(picture, self._detector)) + merit
            if best is None or merit > best[0]:
                best = (merit, picture)
        values = motion.values()
        if self._detector is not None:
            values |= sights.values()
        jpeg = None if best is None else cv2.imencode(".jpg", best[1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        return Analysis(values=values, jpeg=jpeg)

    def _find(self, picture: Bgr, detector: DetectorSettings) -> list[tuple[str, float]]:
        try:
            if self._model is None:  # not at the start of the service, which a large model would delay
                self._model = Model(detector)
            return [(one.label, one.score) for one in self._model.find(picture, detector.min_score)]
        except ModelError as error:
            raise WorkError(FailKind.PERMANENT, f"the detector {Path(detector.model).name}: {error}") from None


class _Sights:
    """What a detector saw on the pictures so far."""

    def __init__(self) -> None:
        self._most: Counter[str] = Counter()
        self._pictures: Counter[str] = Counter()
        self._best: dict[str, float] = {}

    def add(self, seen: list[tuple[str, float]]) -> float:
        """Note one picture; returns how much it shows: the sum of the scores."""
        for label, count in Counter(label for label, _ in seen).items():
            self._most[label] = max(self._most[label], count)
            self._pictures[label] += 1
        for label, score in seen:
            self._best[label] = max(self._best.get(label, 0.0), score)
        return sum(score for _, score in seen)

    def values(self) -> dict[str, Any]:
        frequent = [label for label, _ in self._pictures.most_common(MAX_LABELS)]
        labels = {
            label: {
                "most": self._most[label],
                "pictures": self._pictures[label],
                "score": round(self._best[label], 3),
            }
            for label in frequent
        }
        return {"labels": labels} | ({"more_labels": more} if (more := len(self._pictures) - len(frequent)) else {})


class _Motion:
    """How much changed from picture to picture, and how bright they were."""

    def __init__(self) -> None:
        self._before: Any = None
        self._changes: list[float] = []
        self._brightness: list[float] = []

    def add(self, picture: Bgr) -> float:
        """Note one picture; returns the share of it that changed."""
        grey = cv2.cvtColor(cv2.resize(picture, SMALL, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        self._brightness.append(float(grey.mean()))
        changed = 0.0
        if self._before is not None:
            changed = float(np.count_nonzero(cv2.absdiff(grey, self._before) > CHANGED)) / grey.size
            self._changes.append(changed)
        self._before = grey
        return changed

    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = {"pictures": len(self._brightness)}
        if self._brightness:
            values["brightness"] = round(float(np.mean(self._brightness)), 1)
        if self._changes:
            values["motion"] = {
                "mean": round(float(np.mean(self._changes)), 4),
                "highest": round(max(self._changes), 4),
            }
        return values
