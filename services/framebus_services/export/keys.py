"""Picks the key frames of a timelapse: at most one for each picture of the output, and reads no other."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from av.stream import Discard
from av.video.stream import VideoStream

from framebus_services.export.made import Range
from framebus_services.export.pace import Pace
from framebus_services.export.seek import find_begin
from framebus_services.export.source import Source, open_segment, packets, video_of, wall_zero_s
from framebus_services.video.packets import AnyPacket, time_base

FPS = 25


@dataclass(frozen=True)
class Key:
    """A key frame, and the number of the output's picture from which on it is shown."""

    slot: int
    packet: AnyPacket
    video: VideoStream
    source: Source


class Keys:
    """The key frames of a range, from the one at or before its start; played `speed` times faster."""

    def __init__(self, wanted: Range, speed: float) -> None:
        self._wanted = wanted
        self._step_s = Fraction(speed).limit_denominator(1_000) / FPS
        self._begin_s: Fraction | None = None
        self.start_at_s = 0.0
        """wall clock of the first; known with it"""
        self.warnings: list[str] = []

    @property
    def slots(self) -> int:
        """How many pictures the output has; known with the first key frame."""
        begin_s = self._wanted.exact_start_s if self._begin_s is None else self._begin_s
        return max(1, math.ceil((self._wanted.exact_until_s - begin_s) / self._step_s))

    def read(self, pace: Pace) -> Iterator[Key]:
        """Slots rise from 0. A container is closed before the next is opened: use a packet before asking for more.

        Raises SegmentError where a segment is gone or broken, unless the range skips those; Stopped.
        """
        newest = -1
        for source in self._wanted.sources:
            if self._begin_s is not None and self._slot(Fraction(source.end_s)) <= newest:
                continue  # the pictures that it could give are given
            with self._wanted.reading(self.warnings):
                for key in self._of(source, newest, pace):
                    newest = key.slot
                    yield key

    def _of(self, source: Source, newest: int, pace: Pace) -> Iterator[Key]:
        with open_segment(source.segment) as container:
            video = video_of(container)
            zero_s = wall_zero_s(source.segment, video)
            if self._begin_s is None:
                begin = find_begin(source, container, self._wanted.exact_start_s - zero_s, pace)
                key_s = zero_s + begin.key * time_base(video)
                self._begin_s, self.start_at_s = max(self._wanted.exact_start_s, key_s), float(key_s)
            video.codec_context.thread_count = 1  # cameras go first
            video.discard = Discard.nonkey
            delay: int | None = None
            for packet in packets(container, [video], source.segment):
                if packet.pts is None or packet.dts is None or not packet.is_keyframe:
                    continue
                delay = packet.pts - packet.dts if delay is None else delay  # with frames left out, pts after it errs
                at_s = zero_s + (packet.dts + delay) * packet.time_base
                if at_s >= self._wanted.exact_until_s:
                    return
                slot = self._slot(at_s)
                pace(slot / self.slots, packet.size)
                if slot > newest:
                    newest = slot
                    yield Key(slot, packet, video, source)

    def _slot(self, at_s: Fraction) -> int:
        return max(0, math.floor((at_s - (self._begin_s or 0)) / self._step_s))
