"""Brings pictures of any size into one: scaled, never stretched, with bars where the shape differs."""

from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

LUMA_BLACK, CHROMA_GREY = 16, 128
SAME_SHAPE = 0.02
"""a picture may be stretched by so much before it gets bars"""


class Fitting:
    """Pictures of `width` and `height` in the layout `pixels`, yuv420p or nv12."""

    def __init__(self, width: int, height: int, pixels: str) -> None:
        self._width = width
        self._height = height
        self._pixels = pixels
        self._scaler = VideoReformatter()

    def fit(self, frame: VideoFrame) -> VideoFrame:
        """The picture in the wanted size, in memory of its own or that of `frame`."""
        scale = min(self._width / frame.width, self._height / frame.height)
        width, height = _even(frame.width * scale), _even(frame.height * scale)
        if width >= self._width * (1 - SAME_SHAPE) and height >= self._height * (1 - SAME_SHAPE):
            return self._scaled(frame, self._width, self._height, self._pixels)
        inner = self._scaled(frame, width, height, "yuv420p")
        return self._scaled(_with_bars(inner, self._width, self._height), self._width, self._height, self._pixels)

    def _scaled(self, frame: VideoFrame, width: int, height: int, pixels: str) -> VideoFrame:
        return self._scaler.reformat(frame, width, height, pixels, interpolation=Interpolation.AREA, threads=1)


def _with_bars(inner: VideoFrame, width: int, height: int) -> VideoFrame:
    whole = VideoFrame(width, height, "yuv420p")
    for number, (source, target) in enumerate(zip(inner.planes, whole.planes, strict=True)):
        left, top = (target.width - source.width) // 2, (target.height - source.height) // 2
        rows = bytearray([LUMA_BLACK if number == 0 else CHROMA_GREY]) * (target.line_size * target.height)
        pixels = memoryview(source)
        for row in range(source.height):
            at, begin = (top + row) * target.line_size + left, row * source.line_size
            rows[at : at + source.width] = pixels[begin : begin + source.width]
        target.update(bytes(rows))
    return whole


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
