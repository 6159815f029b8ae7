"""Tells how bright a camera's picture is, each so many frames."""

from collections.abc import Iterator

from framebus import Finding, Frame, Processor


class Hello(Processor):
    def __init__(self, every_frames: int = 10) -> None:
        self._every_frames = every_frames

    def process_frame(self, frame: Frame) -> Iterator[Finding]:
        if frame.number % self._every_frames == 0:
            mean = float(frame.luma.mean())  # 16 is black, 235 is white
            yield Finding(processor="hello", camera=frame.camera, label="brightness", value=round(mean, 1))
