"""Connections to cameras and files: packets as they come, each source at its own pace."""

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from framebus.addresses import Address
from framebus.clock import Clock
from framebus_services.capture.pacing import Pacer
from framebus_services.capture.trouble import EndedError, NoVideoError
from framebus_services.video.opening import open_video
from framebus_services.video.packets import AnyPacket

CONNECT_S = 5.0
READ_S = 5.0
PROBE_QUICKLY = {"probesize": "200000", "analyzeduration": "200000"}
"""Half a second instead of two; enough where the camera describes its stream before it sends it."""
RTSP = {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,tcp,tls,udp,crypto"}  # udp: a part of rtp's own check
RAW = "rawvideo"
"""the codec of packets that are pictures as they are, as of some cameras at this machine"""
FILES = {"protocol_whitelist": "file,crypto,data"}
LEAST_S = Fraction(1, 25)
"""that a file lasts at least: one of a single frame would be played as fast as it can be read"""

Wait = Callable[[float], bool]
"""waits so many seconds; True as soon as the process is to end"""
Item = TypeVar("Item")


@dataclass(frozen=True)
class StreamKind:
    """What a source sends, for a status."""

    codec: str
    width: int
    height: int


class Source(Protocol[Item]):
    """A camera that is connected, and gives packets or pictures."""

    @property
    def kind(self) -> StreamKind:
        """What it sends."""

    def items(self) -> Iterator[Item]:
        """What comes in or is due; ends when asked to; raises OSError, ValueError, av.FFmpegError or a SourceError."""

    def is_video(self, item: Item) -> bool:
        """Whether it is of the pictures; sound may come between them."""

    def interrupt(self) -> None:
        """Wake who waits in `items`, as far as that can be done; from another thread, when the process is to end."""

    def close(self) -> None:
        """Give the connection back."""


class PacketSource(ABC):
    """A camera that sends packets."""

    video: VideoStream
    """what the packets of video are, as a template for a file"""
    audio: AudioStream | None = None
    """what the other packets are"""
    decoder: VideoCodecContext
    """decodes the packets of video"""

    @property
    def kind(self) -> StreamKind:
        context = self.video.codec_context
        return StreamKind(context.codec.canonical_name, context.width, context.height)

    def is_video(self, item: AnyPacket) -> bool:
        return item.stream_index == self.video.index

    def interrupt(self) -> None:  # noqa: B027  most can't
        """Nothing can be done: FFmpeg ends by its own limits."""

    @abstractmethod
    def items(self) -> Iterator[AnyPacket]:
        """As of a `Source`."""

    @abstractmethod
    def close(self) -> None:
        """As of a `Source`."""


class FFmpegSource(PacketSource):
    """One that FFmpeg reads. Raises NoVideoError, and closes the container, when there is no video in it."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        if not container.streams.video:
            container.close()
            raise NoVideoError("there is no video in it")
        self.video = container.streams.video[0]
        self.audio = next(iter(container.streams.audio), None)
        context = self.video.codec_context
        self.decoder = make_decoder(context.name, context.extradata)
        if context.name == RAW:  # whose packets do not say what is in them
            self.decoder.width, self.decoder.height = context.width, context.height
            self.decoder.pix_fmt = context.pix_fmt

    def close(self) -> None:
        self._container.close()

    def _packets(self) -> Iterator[AnyPacket]:
        """Of the pictures and their sound; an empty one marks the end of a stream."""
        return self._container.demux([self.video] if self.audio is None else [self.video, self.audio])


class NetworkSource(FFmpegSource):
    """A camera in the network. Raises OSError, av.FFmpegError or NoVideoError when it can't be reached."""

    def __init__(self, address: Address) -> None:
        begun_s = time.monotonic()
        try:
            super().__init__(open_stream(address.url, RTSP))
        except av.error.InvalidDataError:  # FFmpeg says so of a host, too, whose first answer our limit cuts off
            if time.monotonic() - begun_s < CONNECT_S:
                raise
            raise TimeoutError(f"no answer within {CONNECT_S:.0f} s") from None

    def items(self) -> Iterator[AnyPacket]:
        for packet in self._packets():
            if packet.size:
                yield packet
        raise EndedError("the camera closed the connection")


class FileSource(FFmpegSource):
    """A video file, played at its own pace: for ever, or once."""

    def __init__(self, address: Address, clock: Clock, wait: Wait) -> None:
        self._clock = clock
        self._wait = wait
        self._is_once = address.is_once
        super().__init__(open_video(f"file:{address.url}", options=FILES))
        self._is_bare = self.video.start_time is None and self._container.duration is None

    def items(self) -> Iterator[AnyPacket]:
        pacer = Pacer()
        offset_s = Fraction(0)
        while True:
            spans: dict[int, Span] = {}
            for packet in self._timed():
                if packet.dts is not None and packet.size:
                    at_s = packet.dts * packet.time_base
                    spans.setdefault(packet.stream_index, Span(at_s)).end_s = (
                        at_s + (packet.duration or 0) * packet.time_base
                    )
                    _shift(packet, offset_s)
                    if self._wait(pacer.wait_s(float(at_s + offset_s), self._clock.boot_s())):
                        return
                if packet.size:
                    yield packet
            if not spans:
                raise NoVideoError("the file has no packet with a time")
            if self._is_once:
                raise EndedError("the file was played to its end")
            # Streams begin and end at different times, B-frames below 0: no stream's time may go back.
            offset_s += max(LEAST_S, *(span.end_s - span.first_s for span in spans.values()))
            self._rewind(min(span.first_s for span in spans.values()))

    def _timed(self) -> Iterator[AnyPacket]:
        """The packets of the file; those of a bare stream, as of `.h264`, have no times: they come at its own rate."""
        at = 0
        for packet in self._packets():
            if self._is_bare and packet.size:
                packet.dts = packet.pts = at
                at += packet.duration or round(LEAST_S / packet.time_base)
            yield packet

    def _rewind(self, first_s: Fraction) -> None:
        if self._is_bare:
            self._container.seek(0, unsupported_byte_offset=True)
            return
        try:
            self._container.seek(round(first_s * 1_000_000))
        except OSError:  # it was cut, and does not begin with a key frame
            self._container.seek(round(first_s * 1_000_000), any_frame=True)


@dataclass
class Span:
    """From when to when the packets of a stream go, in the file's own time."""

    first_s: Fraction
    end_s: Fraction = field(default_factory=Fraction)


def resolve(address: Address) -> None:
    """Look the host up; raises socket.gaierror, where FFmpeg would only say that input and output failed."""
    socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)


def open_stream(url: str, options: dict[str, str], read_s: float = READ_S) -> InputContainer:
    """A connection whose stream is described, with limits; raises OSError or av.FFmpegError."""
    limits = (CONNECT_S, read_s)
    container = open_video(url, options={**options, **PROBE_QUICKLY}, timeout=limits)
    if _is_described(container):
        return container
    container.close()
    return open_video(url, options=options, timeout=limits)


def _is_described(container: InputContainer) -> bool:
    return bool(container.streams.video) and container.streams.video[0].codec_context.width > 0


def make_decoder(name: str, extradata: bytes | None) -> VideoCodecContext:
    """A decoder of its own: the stream's loses the frames that it holds back when a file is wound back."""
    decoder = av.CodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_type = "NONE"
    decoder.thread_count = 1  # more threads give the same frames later, for more CPU time
    if extradata:
        decoder.extradata = extradata
    return decoder


def _shift(packet: AnyPacket, offset_s: Fraction) -> None:
    ticks = round(offset_s / packet.time_base)
    if packet.dts is not None:
        packet.dts += ticks
    if packet.pts is not None:
        packet.pts += ticks
