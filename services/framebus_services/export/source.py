"""A segment as a source of packets: what it holds, and its packets with their place on the wall clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Stream
from av.video.stream import VideoStream

from framebus.recordings import Segment
from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.plan import find_again
from framebus_services.video.fragments import open_growing
from framebus_services.video.opening import BY_INDEX, open_video
from framebus_services.video.packets import AnyPacket, time_base

LENGTH_BYTES = 4
MAX_FPS = 240


@dataclass(frozen=True)
class Format:
    """What must be equal for packets of two segments to stand in one file."""

    codec: str
    shape: str
    """width and height, or rate and channels"""
    extradata: bytes

    def __str__(self) -> str:
        return f"{self.codec} {self.shape}"


@dataclass(frozen=True)
class Source:
    """What a look into a segment told."""

    segment: Segment
    end_s: float
    """wall time at which its pictures end"""
    size_bytes: int
    width: int
    height: int
    video: Format
    audio: Format | None
    fps: Fraction = Fraction(25)
    """the usual number of pictures a second"""

    @property
    def start_s(self) -> float:
        return self.segment.start_ms / 1_000


class SegmentError(WorkError):
    """A segment is gone or can't be read."""

    def __init__(self, segment: Segment, error: Exception) -> None:
        self.segment = segment
        self.reason = getattr(error, "strerror", None) or str(error)
        super().__init__(FailKind.NO_SOURCE, f"segment {segment.path.name} can't be read: {self.reason}")


def inspect(segment: Segment) -> Source:
    """Look into a segment; raises SegmentError."""
    with open_segment(segment) as container:
        video = video_of(container)
        context = video.codec_context
        return Source(
            segment=segment,
            end_s=segment.start_ms / 1_000 + float((video.duration or 0) * time_base(video)),
            size_bytes=container.size,
            width=context.width,
            height=context.height,
            video=Format(context.name, f"{context.width}x{context.height}", bytes(context.extradata or b"")),
            audio=_audio_format(container),
            fps=_fps(video),
        )


def open_segment(segment: Segment) -> InputContainer:
    """Open a segment under the name that it has by now; raises SegmentError, also for a file without pictures."""
    try:
        return _open(segment)
    except SegmentError:
        again = find_again(segment) if segment.is_open else None  # it may have been closed this moment
        if again is None:
            raise
        return _open(again)


def video_of(container: InputContainer) -> VideoStream:
    """The pictures of an opened segment."""
    return container.streams.video[0]


def packets(container: InputContainer, streams: list[Stream], segment: Segment) -> Iterator[AnyPacket]:
    """The packets of a segment in order of decoding; raises SegmentError where it can't be read."""
    has_lengths = _has_lengths(video_of(container))
    video = video_of(container).index
    try:
        for packet in container.demux(streams):
            if packet.dts is None or packet.pts is None:
                continue
            if has_lengths and packet.stream_index == video and not _is_sound(packet):
                raise SegmentError(segment, ValueError("its pictures are destroyed"))
            yield packet
    except av.FFmpegError as error:
        raise SegmentError(segment, error) from None


def wall_zero_s(segment: Segment, video: VideoStream) -> Fraction:
    """The wall time of timestamp 0: a segment's name tells that of its first picture."""
    return Fraction(segment.start_ms, 1_000) - (video.start_time or 0) * time_base(video)


def _open(segment: Segment) -> InputContainer:
    try:
        if segment.is_open:
            container = open_growing(segment.path, BY_INDEX)
        else:
            container = open_video(str(segment.path), format="mp4", options=BY_INDEX)
    except (av.FFmpegError, OSError, EOFError) as error:
        raise SegmentError(segment, error) from None
    if not container.streams.video:
        container.close()
        raise SegmentError(segment, ValueError("it has no pictures"))
    return container


def _has_lengths(video: VideoStream) -> bool:
    """Whether each piece of a packet begins with its length in four bytes, as is usual in MP4."""
    extradata = bytes(video.codec_context.extradata or b"")
    at = {"h264": 4, "hevc": 21}.get(video.codec_context.name, len(extradata))
    return len(extradata) > at and extradata[0] == 1 and extradata[at] & 3 == LENGTH_BYTES - 1


def _is_sound(packet: AnyPacket) -> bool:
    """Whether a packet begins as packets do: where a disk lost what was written, there are zeros or other files."""
    length = int.from_bytes(memoryview(packet)[:LENGTH_BYTES], "big")
    return 0 < length <= packet.size - LENGTH_BYTES


def _fps(video: VideoStream) -> Fraction:
    rate = Fraction(video.average_rate or video.guessed_rate or 25)
    return min(max(rate, Fraction(1)), Fraction(MAX_FPS)).limit_denominator(1_001)


def _audio_format(container: InputContainer) -> Format | None:
    if not container.streams.audio:
        return None
    context = container.streams.audio[0].codec_context
    return Format(context.name, f"{context.sample_rate} Hz {context.layout.name}", bytes(context.extradata or b""))
