"""Makes a clip by decoding and encoding every picture of its range; sound is copied along."""

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framebus_services.export.encoder import Encoder
from framebus_services.export.lane import Lane
from framebus_services.export.made import Made, Range, nothing_found, open_file
from framebus_services.export.pace import Pace
from framebus_services.export.presets import Quality
from framebus_services.export.seek import ROUNDING_S, find_begin
from framebus_services.export.source import Source, open_segment, packets, video_of, wall_zero_s
from framebus_services.video.packets import AnyPacket, time_base

MAX_EARLY = 20_000
"""packets of sound that wait for the first picture: a group of pictures of some minutes"""


class Recoder:
    """Encodes [start, until) anew with the encoder of this name: begins with the first picture at or after the start.

    `write` raises EncoderError besides: another encoder may do better.
    """

    def __init__(self, wanted: Range, quality: Quality, encoder: str) -> None:
        self._wanted = wanted
        self._quality = quality
        self._name = encoder
        self._sound: Lane | None = None
        self._early: list[AnyPacket] = []
        self._origin_s: Fraction | None = None
        self._end_s: Fraction | None = None
        """wall time at which the last picture ends"""
        self._last_s = Fraction(0)
        self._bounds_s = (wanted.exact_start_s, wanted.exact_until_s)
        self._share = 0.0
        self._damaged = 0
        self._warnings: list[str] = []

    def write(self, path: Path, title: str | None, pace: Pace) -> Made:
        """Write the clip into `path`; raises as `Maker.write`, and EncoderError."""
        first = self._wanted.sources[0]
        with open_file(path, title) as output:
            encoder = Encoder(output, self._name, self._quality, first, first.fps)
            for source in self._wanted.sources:
                with self._wanted.reading(self._warnings), open_segment(source.segment) as container:
                    self._recode(source, container, output, encoder, pace)
            if self._origin_s is None or not encoder.frames:
                raise nothing_found("picture", self._warnings)
            encoder.finish()
        if self._damaged:
            self._warnings.append(f"{self._damaged} pictures are damaged")
        duration_s = float(encoder.end_s)
        return Made(
            start_at_s=float(self._origin_s),
            end_at_s=float(self._origin_s) + duration_s,
            duration_s=duration_s,
            frames=encoder.frames,
            key_s=duration_s / 2,
            width=encoder.width,
            height=encoder.height,
            codec="h264",
            has_audio=self._wanted.with_audio,
            encoder=encoder.name,
            warnings=tuple(self._warnings),
        )

    def _recode(
        self, source: Source, container: InputContainer, output: OutputContainer, encoder: Encoder, pace: Pace
    ) -> None:
        video = video_of(container)
        video.codec_context.thread_count = 1  # cameras go first
        streams: list[Stream] = [video, *container.streams.audio[: int(self._wanted.with_audio)]]
        zero_s = wall_zero_s(source.segment, video)
        start_s = Fraction(source.segment.start_ms, 1_000)
        if self._end_s is None:
            find_begin(source, container, self._wanted.exact_start_s - zero_s, pace)
        elif start_s <= self._last_s:
            zero_s += self._end_s - start_s  # it lies over the one before
        if self._wanted.with_audio and self._sound is None:
            self._sound = Lane(output.add_stream_from_template(streams[1]))
        self._begin_sound(streams, zero_s, output)
        self._recode_packets(source, container, streams, zero_s, output, encoder, pace)
        for frame in self._decoded(video, None):
            self._encode(frame, video, zero_s, encoder, pace)
        if self._early:
            self._begin_sound(streams, zero_s, output)
        self._early.clear()  # it lies before the first picture

    def _recode_packets(
        self,
        source: Source,
        container: InputContainer,
        streams: list[Stream],
        zero_s: Fraction,
        output: OutputContainer,
        encoder: Encoder,
        pace: Pace,
    ) -> None:
        video = video_of(container)
        is_heard, is_over = self._origin_s is not None, False
        for packet in packets(container, streams, source.segment):
            if packet.stream_index != video.index:
                self._hear(packet, output)
            elif not is_over and packet.dts is not None:
                is_over = zero_s + packet.dts * packet.time_base >= self._wanted.exact_until_s
                pace(self._share, packet.size)
                for frame in self._decoded(video, packet):
                    self._encode(frame, video, zero_s, encoder, pace)
                if not is_heard and self._origin_s is not None:
                    is_heard = True
                    self._begin_sound(streams, zero_s, output)
            if is_over and (self._sound is None or self._sound.is_over):
                return

    def _encode(self, frame: VideoFrame, video: VideoStream, zero_s: Fraction, encoder: Encoder, pace: Pace) -> None:
        pace(self._share)
        if frame.pts is None:
            return
        at_s, start_s, until_s = zero_s + frame.pts * time_base(video), *self._bounds_s
        if not start_s - ROUNDING_S <= at_s < until_s:
            return
        if self._origin_s is None:
            self._origin_s = at_s
        duration_s = frame.duration * time_base(video) if frame.duration else 1 / Fraction(video.average_rate or 25)
        if encoder.encode(frame, at_s - self._origin_s, duration_s):
            self._last_s, self._end_s = at_s, at_s + duration_s
            self._share = float((at_s - start_s) / (until_s - start_s))
            self._damaged += frame.is_corrupt

    def _decoded(self, video: VideoStream, packet: AnyPacket | None) -> list[VideoFrame]:
        try:
            return video.codec_context.decode(packet)
        except av.FFmpegError:
            self._damaged += 1  # the next may be sound
            return []

    def _begin_sound(self, streams: list[Stream], zero_s: Fraction, output: OutputContainer) -> None:
        """Take the sound of a segment, from the first picture on: it may be read before that leaves the decoder."""
        if self._sound is None or self._origin_s is None:
            return
        self._sound.begin(streams[1], zero_s - self._origin_s, self._wanted.exact_until_s - self._origin_s)
        early, self._early = self._early, []
        for packet in early:
            self._hear(packet, output)

    def _hear(self, packet: AnyPacket, output: OutputContainer) -> None:
        if self._origin_s is None:
            self._early.append(packet)
            del self._early[:-MAX_EARLY]
        elif self._sound is not None and self._sound.place(packet):
            output.mux_one(packet)
