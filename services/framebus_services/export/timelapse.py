"""Timelapses: the key frames of a range, played faster; encoded anew at a fixed rate, or copied as they are."""

from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framebus_services.export.encoder import Encoder
from framebus_services.export.keys import FPS, Key, Keys
from framebus_services.export.made import Made, Range, nothing_found, open_file
from framebus_services.export.pace import Pace
from framebus_services.export.presets import Quality
from framebus_services.video.packets import AnyPacket

SLOT_S = Fraction(1, FPS)


class Timelapse:
    """Decodes key frames and encodes them; a picture is repeated until the next one is due.

    `write` raises EncoderError besides: another encoder may do better.
    """

    def __init__(self, wanted: Range, speed: float, quality: Quality, encoder: str) -> None:
        self._wanted = wanted
        self._speed = speed
        self._quality = quality
        self._name = encoder
        self._keys = Keys(wanted, speed)
        self._shown: VideoFrame | None = None
        self._next = 0
        """the slot that is encoded next"""
        self._damaged = 0

    def write(self, path: Path, title: str | None, pace: Pace) -> Made:
        """Write the timelapse into `path`; raises as `Maker.write`, and EncoderError."""
        with open_file(path, title) as output:
            encoder = Encoder(output, self._name, self._quality, self._wanted.sources[0], Fraction(FPS))
            for key in self._keys.read(pace):
                frame = self._decoded(key)
                if frame is None:
                    self._damaged += 1
                    continue
                self._show(encoder, key.slot, pace)
                self._shown = frame
            self._show(encoder, self._keys.slots, pace)
            if not encoder.frames:
                raise nothing_found("key frame", self._keys.warnings)
            encoder.finish()
        if self._damaged:
            self._keys.warnings.append(f"{self._damaged} pictures are damaged")
        return _made(self._wanted, self._keys, self._speed, encoder.frames, encoder.width, encoder.height, encoder.name)

    def _show(self, encoder: Encoder, until: int, pace: Pace) -> None:
        """Encode the picture at hand up to slot `until`."""
        while self._shown is not None and self._next < until:
            encoder.encode(self._shown, self._next * SLOT_S, SLOT_S)
            self._next += 1
            pace(self._next / self._keys.slots)

    @staticmethod
    def _decoded(key: Key) -> VideoFrame | None:
        """A key frame needs no other: it is decoded alone, and asked for at once."""
        context = key.video.codec_context
        try:
            frames = [*context.decode(key.packet), *context.decode(None)]
        except av.FFmpegError:
            frames = []
        context.flush_buffers()
        return frames[0] if frames and isinstance(frames[0], VideoFrame) else None


class InstantTimelapse:
    """Copies key frames: a moment's work, for a larger file."""

    def __init__(self, wanted: Range, speed: float) -> None:
        self._wanted = wanted
        self._speed = speed
        self._keys = Keys(wanted, speed)
        self._frames = 0

    def write(self, path: Path, title: str | None, pace: Pace) -> Made:
        """Write the timelapse into `path`; raises as `Maker.write`."""
        first = self._wanted.sources[0]
        with open_file(path, title) as output:
            stream: VideoStream | None = None
            held: tuple[int, AnyPacket] | None = None
            for key in self._keys.read(pace):
                stream = stream or output.add_stream_from_template(key.video)
                if held is not None:
                    self._mux(output, stream, *held, key.slot)
                held = (key.slot if held else 0, key.packet)
            if held is None or stream is None:
                raise nothing_found("key frame", self._keys.warnings)
            self._mux(output, stream, *held, self._keys.slots)
        return _made(self._wanted, self._keys, self._speed, self._frames, first.width, first.height, None)

    def _mux(
        self, output: av.container.OutputContainer, stream: VideoStream, slot: int, packet: AnyPacket, until: int
    ) -> None:
        packet.stream = stream
        packet.time_base = SLOT_S
        packet.pts = packet.dts = slot
        packet.duration = max(1, until - slot)
        output.mux_one(packet)
        self._frames += 1


def _made(wanted: Range, keys: Keys, speed: float, frames: int, width: int, height: int, encoder: str | None) -> Made:
    duration_s = float(keys.slots * SLOT_S)
    return Made(
        start_at_s=keys.start_at_s,
        end_at_s=wanted.until_s,
        duration_s=duration_s,
        frames=frames,
        key_s=duration_s / 2,
        width=width,
        height=height,
        codec="h264" if encoder else wanted.sources[0].video.codec,
        has_audio=False,
        encoder=encoder,
        speed=speed,
        warnings=tuple(keys.warnings),
    )
