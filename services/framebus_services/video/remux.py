"""Copies what can be read of a damaged video into a new file, without re-encoding."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Stream

from framebus_services.video.fragments import open_growing
from framebus_services.video.mp4 import Mp4Writer
from framebus_services.video.opening import open_video
from framebus_services.video.packets import AnyPacket


class UnreadableError(ValueError):
    """The file holds no video that could be saved."""


@dataclass(frozen=True)
class Remuxed:
    """What came out of a copy."""

    duration_s: float
    packets: int
    """of video"""


def remux_prefix(source: Path, target: Path, beat: Callable[[], None]) -> Remuxed:
    """Copy `source` up to its first unreadable byte into the new MP4 file `target`; calls `beat` with every packet.

    Raises UnreadableError when nothing can be read, OSError when `target` can't be written, and whatever else of
    av.FFmpegError, ValueError and MemoryError a damaged file leads to; then leaves no `target`.
    """
    with _open(source) as container:
        videos = container.streams.video
        if not videos:
            raise UnreadableError(f"{source.name}: has no video")
        streams: list[Stream] = [videos[0], *container.streams.audio[:1]]
        writer = Mp4Writer(target, streams)
        try:
            remuxed = _copy(container, streams, writer, beat)
            writer.close()
        except BaseException:
            writer.abandon()
            target.unlink()
            raise
    if not remuxed.packets:
        target.unlink()
        raise UnreadableError(f"{source.name}: has no frame")
    return remuxed


def _open(source: Path) -> InputContainer:
    try:
        return open_video(str(source))
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        with contextlib.suppress(EOFError, av.FFmpegError):  # FFmpeg opens none that is cut in a fragment's index
            return open_growing(source)
        raise UnreadableError(f"{source.name}: {error.strerror}") from None


def _copy(container: InputContainer, streams: list[Stream], writer: Mp4Writer, beat: Callable[[], None]) -> Remuxed:
    end_s, packets = 0.0, 0
    indexes = [stream.index for stream in streams]
    for packet in _readable(container, streams):
        beat()
        if packet.stream_index == streams[0].index and packet.pts is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            packets += 1
        try:
            writer.mux(packet, indexes.index(packet.stream_index))
        except (av.error.ArgumentError, av.error.InvalidDataError, av.error.PatchWelcomeError):
            continue  # damaged timestamps or content: the rest is still worth having
    return Remuxed(end_s, packets)


def _readable(container: InputContainer, streams: list[Stream]) -> Iterator[AnyPacket]:
    try:
        for packet in container.demux(streams):
            if packet.is_corrupt:
                return  # cut off in the middle
            if packet.size and packet.dts is not None:
                yield packet
    except av.FFmpegError:
        return  # the end of what can be read
