"""Writes MP4 files that can be read while they grow, and are ordinary indexed files once closed."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream

from framebus_services.video.edit_list import lengthen_edits
from framebus_services.video.packets import AnyPacket, time_base

MOVFLAGS = "hybrid_fragmented+delay_moov+default_base_moof"
BUFFER_BYTES = 256 * 1024


class UnsupportedError(ValueError):
    """An MP4 can't hold what these streams are."""


@dataclass(eq=False)
class _Track:
    """A stream of the file, and how far it is: in ticks, for fractions of seconds take their time with each packet."""

    stream: Stream
    tick_s: Fraction | None = None
    base: int = 0
    end: int = 0
    dts: int | None = None

    @property
    def length_s(self) -> Fraction:
        return self.end * self.tick_s if self.tick_s is not None else Fraction(0)


class Mp4Writer:
    """A new file at `path` with a copy of each of `streams`; packets go in as they are, but for their times.

    These count from `base_s`. Raises FileExistsError when the name is taken, UnsupportedError when an MP4 can't hold
    such a stream; any method may raise OSError, as when the disk is full.
    """

    def __init__(
        self, path: Path, streams: Sequence[Stream], *, fragment_s: float = 1.0, base_s: Fraction = Fraction(0)
    ) -> None:
        self._sink = _Sink(path)
        self._container = av.open(
            self._sink,
            "w",
            format="mp4",
            buffer_size=BUFFER_BYTES,
            options={
                "movflags": MOVFLAGS,
                "frag_duration": str(round(fragment_s * 1e6)),
                "flush_packets": "1",  # else data waits for seconds in a buffer
                "max_interleave_delta": "500000",  # microseconds that video waits for audio
            },
        )
        try:
            made = [self._container.add_stream_from_template(stream) for stream in streams]
        except ValueError as error:
            self.abandon()
            path.unlink()
            raise UnsupportedError(str(error)) from None
        self._base_s = base_s
        self._tracks = [_Track(stream) for stream in made]

    def mux(self, packet: AnyPacket, index: int) -> None:
        """Write `packet`, which is changed, to the stream with this index; all of a stream have ticks of one length.

        Raises av.error.ArgumentError when its dts is not above the last one's.
        """
        track = self._tracks[index]
        if track.tick_s is None:
            track.tick_s = time_base(packet)
            track.base = round(self._base_s / track.tick_s)
        pts = dts = None
        if packet.pts is not None:
            packet.pts = pts = packet.pts - track.base
        if packet.dts is not None:
            packet.dts = dts = packet.dts - track.base
        step = packet.duration or (dts - track.dts if dts is not None and track.dts is not None else 0)
        packet.stream = track.stream
        self._container.mux_one(packet)
        track.dts = dts
        if pts is not None:
            track.end = max(track.end, pts + step)

    def length_s(self, index: int) -> Fraction:
        """Up to the end of the last picture or sound of a stream."""
        return self._tracks[index].length_s

    def close(self) -> None:
        """Complete the file."""
        try:
            self._container.close()
            lengthen_edits(self._sink.file, [track.length_s for track in self._tracks])
        except BaseException:
            self.abandon()
            raise
        self._sink.close()

    def abandon(self) -> None:
        """Leave the file as it is: what was flushed so far can be read."""
        self._sink.is_deaf = True  # closing writes an index, which half written would spoil what is there
        try:
            self._container.close()
        except (av.FFmpegError, OSError, ValueError):
            pass  # nothing of it reaches the file
        self._sink.close()


class _Sink(io.RawIOBase):
    """The file under a container; takes everything or raises, and can be told to take nothing any more."""

    def __init__(self, path: Path) -> None:
        self.is_deaf = False
        self.file = path.open("x+b", buffering=0)

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # any buffer; typing has no name for it
        view = memoryview(data)
        done = 0
        while done < len(view) and not self.is_deaf:
            done += self.file.write(view[done:]) or 0
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()
        super().close()
