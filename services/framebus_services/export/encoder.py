"""Encodes pictures into a file: H.264 by hardware where there is some, else by software; threads are few."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framebus.settings import HardwareEncoder
from framebus_services.export.fitting import Fitting
from framebus_services.export.presets import Quality
from framebus_services.export.source import Source

log = logging.getLogger(__name__)

SOFTWARE = "libx264"
HARDWARE = ("h264_nvenc", "h264_qsv", "h264_amf", "h264_v4l2m2m")
"""in the order of trying"""
PIXELS = {"h264_qsv": "nv12"}
TICK_S = Fraction(1, 90_000)
KEY_S = 2
"""seconds from key frame to key frame"""
LOOKAHEAD_FRAMES = 20
"""that software may hold back; each is a picture in memory"""
MAX_THREADS = 4


class EncoderError(Exception):
    """An encoder could not be opened, or gave up."""

    def __init__(self, name: str, error: Exception, *, is_begun: bool) -> None:
        self.is_begun = is_begun
        """it could be opened, and failed at a picture"""
        super().__init__(f"{name}: {getattr(error, 'strerror', None) or error}")


@dataclass(frozen=True)
class Choice:
    """An encoder to try."""

    name: str
    is_expected: bool
    """the configuration names it: that it does not work is worth a word"""


def choices(wanted: HardwareEncoder) -> Sequence[Choice]:
    """The encoders to try, in order; the last is software.

    >>> [choice.name for choice in choices(HardwareEncoder.NONE)]
    ['libx264']
    """
    software = Choice(SOFTWARE, True)
    if wanted is HardwareEncoder.NONE:
        return [software]
    if wanted is HardwareEncoder.AUTO:
        return [*(Choice(name, False) for name in HARDWARE if name in av.codecs_available), software]
    return [Choice(wanted.value, True), software]


class Encoder:
    """One stream of encoded pictures in `output`, all of the size that `first` has by `quality`."""

    def __init__(self, output: OutputContainer, name: str, quality: Quality, first: Source, fps: Fraction) -> None:
        self.name = name
        self.frames = 0
        self.width, self.height = quality.size_of(first.width, first.height)
        self.end_s = Fraction(0)
        """where in the file the last picture ends"""
        self._output = output
        self._last = -1
        self._durations: dict[int, int] = {}
        self._fitting = Fitting(self.width, self.height, PIXELS.get(name, "yuv420p"))
        try:
            self._stream = cast(VideoStream, output.add_stream(name, rate=fps, options=_options(name, quality)))
            self._stream.width, self._stream.height = self.width, self.height
            self._stream.pix_fmt = PIXELS.get(name, "yuv420p")
            context = self._stream.codec_context
            context.time_base = TICK_S
            context.framerate = fps
            context.gop_size = max(1, round(KEY_S * fps))
            context.thread_count = min(MAX_THREADS, max(1, (os.cpu_count() or 1) // 2))
            if name != SOFTWARE:
                context.bit_rate = round(self.width * self.height * float(fps) * quality.bits_per_pixel)
            context.open(strict=False)
        except (av.FFmpegError, ValueError) as error:
            raise EncoderError(name, error, is_begun=False) from None

    def encode(self, frame: VideoFrame, at_s: Fraction, duration_s: Fraction) -> bool:
        """Put in a picture at `at_s` of the file. False: it stands no later than the one before, and is left out.

        Raises EncoderError, OSError when the disk is full.
        """
        ticks, duration = round(at_s / TICK_S), max(1, round(duration_s / TICK_S))
        if ticks <= self._last:
            return False
        picture = self._fitting.fit(frame)
        picture.pts, picture.time_base, picture.pict_type = ticks, TICK_S, 0
        self._last = ticks
        self._durations[ticks] = duration
        self._mux(picture)
        self.frames += 1
        self.end_s = max(self.end_s, (ticks + duration) * TICK_S)
        return True

    def finish(self) -> None:
        """Write what the encoder holds back; raises as `encode`."""
        self._mux(None)

    def _mux(self, picture: VideoFrame | None) -> None:
        try:
            packets = self._stream.encode(picture)
        except (av.FFmpegError, ValueError) as error:
            raise EncoderError(self.name, error, is_begun=True) from None
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts or 0, 0)
            self._output.mux_one(packet)


def _options(name: str, quality: Quality) -> dict[str, str]:
    if name != SOFTWARE:
        return {}
    return {"preset": quality.speed, "crf": str(quality.crf), "rc-lookahead": str(LOOKAHEAD_FRAMES)}
