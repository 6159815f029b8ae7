"""Says what is on a file's pictures: what a detector sees, how much moves, how bright they are, which shows most."""

from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from framebus.analyser import AnalysedFile, Analyser, Analysis
from framebus.detector_settings import DetectorSettings
from framebus.job_requests import FailKind
from framebus.runner import WorkError
from framebus_services.analysers.pictures import Bgr, read_pictures
from framebus_services.detect.model import Model
from framebus_services.detect.onnx_file import ModelError

Grey = npt.NDArray[np.int8]

SMALL = (160, 120)
"""width and height that motion is looked for in"""
CHANGED = 25
"""difference of grey from which a point has changed; noise stays below"""
MAX_LABELS = 40
"""the most frequent ones are told: a result has a limit"""


class Objects(Analyser):
    """`motion`: the changed share of the picture between key frames; with a detector also `labels`."""

    def __init__(
        self, max_pictures: Annotated[int, Meta(ge=1, le=5_000)] = 500, detector: DetectorSettings | None = None
    ) -> None:
        if detector is not None and not Path(detector.model).is_file():
            raise ValueError(f"detector.model: there is no file {detector.model}")
        self._max_pictures = max_pictures
        self._detector = detector
        self._model: Model | None = None

    def analyse(self, file: AnalysedFile, report: Callable[[str, float], None]) -> Analysis:
        motion = _Motion()
        sights = _Sights()
        merits: list[float] = []
        for _, share, picture in islice(read_pictures(file), self._max_pictures):
            report("looking", 90.0 * share)
            motion.add(picture)
            merits.append(0.0 if self._detector is None else sights.add(self._find(picture, self._detector)))
        values = motion.values()
        if self._detector is not None:
            values |= sights.values()
        if not merits:
            return Analysis(values=values)
        merits = [seen + stands_out for seen, stands_out in zip(merits, motion.standing_out(), strict=True)]
        report("the best picture", 90.0)
        at_s, _, best = next(islice(read_pictures(file), merits.index(max(merits)), None))
        if file.is_video:
            values["best_at_s"] = round(at_s, 2)
        jpeg = cv2.imencode(".jpg", best, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
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
        self._greys: list[Grey] = []
        """less the brightness of each: when the sun comes out nothing has moved"""
        self._brightness: list[float] = []

    def add(self, picture: Bgr) -> None:
        grey = cv2.cvtColor(cv2.resize(picture, SMALL, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        self._brightness.append(float(grey.mean()))
        self._greys.append(np.clip(grey.astype(np.int16) - np.int16(np.median(grey)), -128, 127).astype(np.int8))

    def standing_out(self) -> list[float]:
        """Of each picture the share that differs from what is there mostly: where something passes, not after it."""
        mostly = np.median(np.stack(self._greys), axis=0).astype(np.int8)
        return [_changed(grey, mostly) for grey in self._greys]

    def values(self) -> dict[str, Any]:
        values: dict[str, Any] = {"pictures": len(self._brightness)}
        if self._brightness:
            values["brightness"] = round(float(np.mean(self._brightness)), 1)
        changes = [_changed(one, before) for before, one in pairwise(self._greys)]
        if changes:
            values["motion"] = {"mean": round(float(np.mean(changes)), 4), "highest": round(max(changes), 4)}
        return values


def _changed(one: Grey, other: Grey) -> float:
    return float(np.count_nonzero(np.abs(one.astype(np.int16) - other) > CHANGED)) / one.size
