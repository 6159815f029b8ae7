"""Says what is on a file's pictures: how much moves, how bright they are, and which shows it best."""

from collections.abc import Callable
from typing import Annotated, Any

import cv2
import numpy as np
from msgspec import Meta

from framebus.analyser import AnalysedFile, Analyser, Analysis
from framebus_services.analysers.pictures import Bgr, read_pictures

SMALL = (160, 120)
"""width and height that motion is looked for in"""
CHANGED = 25
"""difference of grey from which a point has changed; noise stays below"""


class Objects(Analyser):
    """Without a model: `motion`, the changed share of the picture between key frames, mean and highest."""

    def __init__(self, max_pictures: Annotated[int, Meta(ge=1, le=100_000)] = 500) -> None:
        self._max_pictures = max_pictures

    def analyse(self, file: AnalysedFile, report: Callable[[str, float], None]) -> Analysis:
        best: tuple[float, Bgr] | None = None
        before: Any = None
        motion: list[float] = []
        brightness: list[float] = []
        for number, (_, share, picture) in enumerate(read_pictures(file)):
            if number >= self._max_pictures:
                break
            report("looking", 100.0 * share)
            grey = cv2.cvtColor(cv2.resize(picture, SMALL, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            brightness.append(float(grey.mean()))
            changed = 0.0
            if before is not None:
                changed = float(np.count_nonzero(cv2.absdiff(grey, before) > CHANGED)) / grey.size
                motion.append(changed)
            before = grey
            if best is None or changed > best[0]:
                best = (changed, picture)
        values: dict[str, Any] = {"pictures": len(brightness)}
        if brightness:
            values["brightness"] = round(float(np.mean(brightness)), 1)
        if motion:
            values["motion"] = {"mean": round(float(np.mean(motion)), 4), "highest": round(max(motion), 4)}
        jpeg = None if best is None else cv2.imencode(".jpg", best[1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        return Analysis(values=values, jpeg=jpeg)
