"""Copies recorded packets into a clip as they are: nothing is decoded, nothing encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.lane import Lane
from framebus_services.export.pace import Pace
from framebus_services.export.source import (
    SegmentError,
    Source,
    open_segment,
    packets,
    video_of,
    wall_zero_s,
)
from framebus_services.video.mp4 import MOVFLAGS
from framebus_services.video.packets import time_base

OPTIONS = {"movflags": MOVFLAGS, "frag_duration": "1000000"}
ROUNDING_S = Fraction(1, 1_000)
"""The name of a segment tells its start in whole milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What stands in the clip."""

    start_at_s: float
    """wall clock of the first picture"""
    duration_s: float
    frames: int
    key_s: float
    """of the key frame nearest to the middle of the range, from the begin of the clip"""

    @property
    def end_at_s(self) -> float:
        return self.start_at_s + self.duration_s


class Copier:
    """Copies what `sources` hold of [start_s, until_s), from the key frame at or before the start."""

    def __init__(
        self, sources: Sequence[Source], start_s: float, until_s: float, *, with_audio: bool, pace: Pace
    ) -> None:
        self._sources = sources
        self._start_s = _exact(start_s)
        self._until_s = _exact(until_s)
        self._with_audio = with_audio
        self._pace = pace
        self._lanes: list[Lane] = []
        self._origin_s = Fraction(0)
        self._key_s = 0.0

    def write(self, path: Path, title: str | None) -> Copied:
        """Write the clip into `path`.

        Raises SegmentError where a segment is gone or broken, OSError when the disk is full, Stopped.
        """
        with av.open(str(path), "w", format="mp4", options=OPTIONS) as output:
            if title:
                output.metadata["title"] = title
            for source in self._sources:
                with open_segment(source.segment) as container:
                    self._copy(source, container, output)
        if not self._lanes or not self._lanes[0].packets:
            raise WorkError(FailKind.NO_SOURCE, "there is no picture in the range")
        return Copied(
            start_at_s=float(self._origin_s),
            duration_s=self._lanes[0].end_s,
            frames=self._lanes[0].packets,
            key_s=self._key_s,
        )

    def _copy(self, source: Source, container: InputContainer, output: OutputContainer) -> None:
        video = video_of(container)
        streams: list[Stream] = [video, *container.streams.audio[: int(self._with_audio)]]
        zero_s = wall_zero_s(source.segment, video)
        if not self._lanes:
            self._lanes = [Lane(output.add_stream_from_template(stream)) for stream in streams]
            self._origin_s = zero_s + self._go_to_key(source, container, self._start_s - zero_s)
        lanes = {stream.index: lane for stream, lane in zip(streams, self._lanes, strict=True)}
        for stream, lane in zip(streams, self._lanes, strict=True):
            lane.begin(stream, zero_s - self._origin_s, self._until_s - self._origin_s)
        self._copy_packets(source, container, output, lanes, video)

    def _copy_packets(
        self,
        source: Source,
        container: InputContainer,
        output: OutputContainer,
        lanes: dict[int, Lane],
        video: VideoStream,
    ) -> None:
        tick_s = float(time_base(video))
        whole_s = float(self._until_s - self._origin_s)
        middle_s = float((self._start_s + self._until_s) / 2 - self._origin_s)
        is_first, share = True, 0.0
        for packet in packets(container, [container.streams[index] for index in lanes], source.segment):
            self._pace(share)
            lane, is_video = lanes[packet.stream_index], packet.stream_index == video.index
            if is_video and is_first:
                is_first, later_s = False, lane.overlap_s(packet)
                for other in lanes.values():
                    other.move(later_s)
            if lane.place(packet):
                if is_video and packet.dts is not None and packet.pts is not None:
                    share = packet.dts * tick_s / whole_s
                    if packet.is_keyframe and abs(packet.pts * tick_s - middle_s) < abs(self._key_s - middle_s):
                        self._key_s = packet.pts * tick_s
                output.mux_one(packet)
            elif all(lane.is_over for lane in lanes.values()):
                return

    def _go_to_key(self, source: Source, container: InputContainer, start_s: Fraction) -> Fraction:
        """Stand at the last key frame at or before `start_s` of the segment, else at its first; tells its time."""
        video = video_of(container)
        base = time_base(video)
        start = int((start_s + ROUNDING_S) // base)
        _seek(container, video, start)
        key: int | None = None
        for packet in packets(container, [video], source.segment):
            self._pace(0.0)
            if packet.is_keyframe and packet.pts is not None and (key is None or packet.pts <= start):
                key = packet.pts
            if key is not None and packet.dts is not None and packet.dts > start:
                break
        if key is None:
            raise SegmentError(source.segment, ValueError("it has no key frame in the range"))
        _seek(container, video, key)
        return key * base


def _exact(at_s: float) -> Fraction:
    """A wall time without the noise of floats: to the millisecond, as the names of segments."""
    return Fraction(round(at_s * 1_000), 1_000)


def _seek(container: InputContainer, video: VideoStream, ticks: int) -> None:
    """Go to the key frame at or before; what is before the first is the begin."""
    container.seek(max(ticks, video.start_time or 0), stream=video)
