"""Writes MP4 files that can be read while they grow, and are ordinary indexed files once closed."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Stream

from framebus_services.video.edit_list import lengthen_edits
from framebus_services.video.packets import AnyPacket

MOVFLAGS = "hybrid_fragmented+delay_moov+default_base_moof"
BUFFER_BYTES = 256 * 1024


class UnsupportedError(ValueError):
    """An MP4 can't hold what these streams are."""


class Mp4Writer:
    """A new file at `path` with a copy of each of `streams`; packets go in as they are.

    Raises FileExistsError when the name is taken, UnsupportedError when an MP4 can't hold such a stream; any method may
    raise OSError, as when the disk is full.
    """

    def __init__(self, path: Path, streams: Sequence[Stream], *, fragment_s: float = 1.0) -> None:
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
            self._streams = [self._container.add_stream_from_template(stream) for stream in streams]
        except ValueError as error:
            self.abandon()
            path.unlink()
            raise UnsupportedError(str(error)) from None
        self._ends_s = [Fraction(0) for _ in streams]
        self._dts: list[int | None] = [None for _ in streams]

    def mux(self, packet: AnyPacket, index: int, *, base_s: Fraction = Fraction(0)) -> None:
        """Write `packet` to the stream with this index, counting its time from `base_s`.

        The packet is changed. Raises av.error.ArgumentError when its dts is not above the last one's.
        """
        base = round(base_s / packet.time_base)
        if packet.pts is not None:
            packet.pts -= base
        if packet.dts is not None:
            packet.dts -= base
        self._note_end(packet, index)
        packet.stream = self._streams[index]
        self._container.mux_one(packet)

    def close(self) -> None:
        """Complete the file."""
        try:
            self._container.close()
            lengthen_edits(self._sink.file, self._ends_s)
        except BaseException:
            self.abandon()
            raise
        self._sink.close()

    def _note_end(self, packet: AnyPacket, index: int) -> None:
        last_dts, self._dts[index] = self._dts[index], packet.dts
        if packet.pts is None:
            return
        step = packet.duration or 0
        if not step and last_dts is not None and packet.dts is not None:
            step = packet.dts - last_dts
        self._ends_s[index] = max(self._ends_s[index], (packet.pts + step) * packet.time_base)

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
