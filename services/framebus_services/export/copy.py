"""Copies recorded packets into a clip as they are: nothing is decoded, nothing encoded."""

from fractions import Fraction
from pathlib import Path

from av.container import InputContainer, OutputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from framebus_services.export.lane import Lane
from framebus_services.export.made import Made, Range, nothing_found, open_file
from framebus_services.export.pace import Pace
from framebus_services.export.seek import find_begin
from framebus_services.export.source import Source, open_segment, packets, video_of, wall_zero_s
from framebus_services.video.packets import time_base


class Copier:
    """Copies a range from the key frame at or before its start; `precise` hides what stands before the start.

    Hidden frames lie before time 0: the file's edit list lets players begin behind them.
    """

    def __init__(self, wanted: Range, *, precise: bool = False) -> None:
        self._wanted = wanted
        self._is_precise = precise
        self._lanes: list[Lane] = []
        self._origin_s = Fraction(0)
        self._hidden_s = Fraction(0)
        self._key_s = 0.0
        self._share = 0.0
        self._warnings: list[str] = []

    def write(self, path: Path, title: str | None, pace: Pace) -> Made:
        """Write the clip into `path`; raises as `Maker.write`."""
        first = self._wanted.sources[0]
        with open_file(path, title) as output:
            for source in self._wanted.sources:
                with self._wanted.reading(self._warnings), open_segment(source.segment) as container:
                    self._copy(source, container, output, pace)
        if not self._lanes or self._lanes[0].packets == self._lanes[0].hidden:
            raise nothing_found("picture", self._warnings)
        return Made(
            start_at_s=float(self._origin_s),
            end_at_s=float(self._origin_s) + self._lanes[0].end_s,
            duration_s=self._lanes[0].end_s,
            frames=self._lanes[0].packets - self._lanes[0].hidden,
            hidden_frames=self._lanes[0].hidden,
            hidden_s=float(self._hidden_s) if self._lanes[0].hidden else 0.0,
            key_s=self._key_s,
            width=first.width,
            height=first.height,
            codec=first.video.codec,
            has_audio=self._wanted.with_audio,
            warnings=tuple(self._warnings),
        )

    def _copy(self, source: Source, container: InputContainer, output: OutputContainer, pace: Pace) -> None:
        video = video_of(container)
        streams: list[Stream] = [video, *container.streams.audio[: int(self._wanted.with_audio)]]
        zero_s = wall_zero_s(source.segment, video)
        if not self._lanes:
            start_s = self._wanted.exact_start_s - zero_s
            begin = find_begin(source, container, start_s, pace, is_exact=self._is_precise)
            shown = begin.shown if self._is_precise else begin.key
            if shown is None:
                return  # all of this segment lies before the start
            base = time_base(video)
            self._origin_s, self._hidden_s = zero_s + shown * base, max(Fraction(0), (shown - begin.key) * base)
            self._lanes = [Lane(output.add_stream_from_template(video), self._hidden_s)]
            self._lanes += [Lane(output.add_stream_from_template(stream)) for stream in streams[1:]]
        lanes = {stream.index: lane for stream, lane in zip(streams, self._lanes, strict=True)}
        for stream, lane in zip(streams, self._lanes, strict=True):
            lane.begin(stream, zero_s - self._origin_s, self._wanted.exact_until_s - self._origin_s)
        self._copy_packets(source, container, output, lanes, video, pace)

    def _copy_packets(
        self,
        source: Source,
        container: InputContainer,
        output: OutputContainer,
        lanes: dict[int, Lane],
        video: VideoStream,
        pace: Pace,
    ) -> None:
        tick_s = float(time_base(video))
        # A precise clip that ends before its first picture has no length; that it is empty is told in the end.
        whole_s = max(tick_s, float(self._wanted.exact_until_s - self._origin_s))
        middle_s = float((self._wanted.exact_start_s + self._wanted.exact_until_s) / 2 - self._origin_s)
        is_first = True
        for packet in packets(container, [container.streams[index] for index in lanes], source.segment):
            pace(self._share, packet.size)
            lane, is_video = lanes[packet.stream_index], packet.stream_index == video.index
            if is_video and is_first:
                is_first, later_s = False, lane.overlap_s(packet)
                for other in lanes.values():
                    other.move(later_s)
            if lane.place(packet):
                if is_video and packet.dts is not None and packet.pts is not None:
                    self._share = packet.dts * tick_s / whole_s
                    if packet.is_keyframe and abs(packet.pts * tick_s - middle_s) < abs(self._key_s - middle_s):
                        self._key_s = max(0.0, packet.pts * tick_s)
                output.mux_one(packet)
            elif all(lane.is_over for lane in lanes.values()):
                return
