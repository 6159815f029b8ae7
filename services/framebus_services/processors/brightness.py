"""Tells when a camera's picture turns dark or bright: a covered lens, a light switched on."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from framebus.frame import Frame
from framebus.messages import Finding
from framebus.processor import Processor

Luma = Annotated[float, Meta(ge=0.0, le=255.0)]

MARGIN = 4.0
"""steps of luma above the limit at which a dark picture is lit again, so that it does not flicker"""


class Brightness(Processor):
    def __init__(self, dark_below: Luma = 20.0) -> None:
        self._dark_below = dark_below  # mean luma; black is 16 in most streams
        self._was_dark: dict[str, bool] = {}

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        mean = float(frame.luma[::8, ::8].mean())
        was_dark = self._was_dark.get(frame.camera)
        dark = mean < self._dark_below + (MARGIN if was_dark else 0.0)
        if dark is not was_dark:
            self._was_dark[frame.camera] = dark
            yield Finding(processor="brightness", camera=frame.camera, label="dark" if dark else "lit", value=mean)
