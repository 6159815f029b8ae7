"""Makes pieces of fragmented MP4 out of the packets of one connection, for browsers (Media Source Extensions)."""

import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.stream import VideoStream

from framebus_services.video.packets import AnyPacket

OPTIONS = {
    # delay_moov: cameras that put their parameters into the stream have no header before the first packet.
    "movflags": "frag_keyframe+delay_moov+default_base_moof",
    "frag_duration": "200000",
    "flush_packets": "1",
}
BUFFER_BYTES = 256 * 1_024


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Whole boxes: the init segment, or a fragment."""

    data: bytes
    is_init: bool = False
    is_key: bool = False
    """it begins with a key frame"""


class LiveMuxer:
    """One beginning: its first packet must be a key frame with timestamps.

    Raises ValueError, OSError or av.FFmpegError.
    """

    def __init__(self, video: VideoStream, first: AnyPacket) -> None:
        self._sink = _Sink()
        self._container = av.open(self._sink, "w", format="mp4", buffer_size=BUFFER_BYTES, options=OPTIONS)
        # No two beginnings have the same init segment: so a reader can tell a new one from one that is told again.
        self._container.metadata["comment"] = secrets.token_hex(8)
        self._stream = self._container.add_stream_from_template(video)
        self._base_s = Fraction(first.dts or 0) * Fraction(first.time_base)
        self._is_key = True
        """the fragment that is being made begins with a key frame"""

    def mux(self, packet: AnyPacket) -> list[Piece]:
        """What became whole by this packet, which is changed."""
        base = round(self._base_s / Fraction(packet.time_base))
        if packet.pts is not None:
            packet.pts -= base
        if packet.dts is not None:
            packet.dts -= base
        is_key = packet.is_keyframe
        packet.stream = self._stream
        self._container.mux_one(packet)
        # A packet completes the fragment of those before it, and begins the next.
        pieces = list(self._take())
        if any(not piece.is_init for piece in pieces):
            self._is_key = is_key
        return pieces

    def close(self) -> None:
        self._sink.is_deaf = True
        try:
            self._container.close()
        except (av.FFmpegError, OSError, ValueError):
            pass  # nothing of it goes anywhere

    def _take(self) -> Iterator[Piece]:
        init: list[bytes] = []
        fragment: list[bytes] = []
        for kind, box in self._sink.take():
            if kind in (b"ftyp", b"moov"):
                init.append(box)
                if kind == b"moov":
                    yield Piece(data=b"".join(init), is_init=True)
            else:
                fragment.append(box)
                if kind == b"mdat":
                    yield Piece(data=b"".join(fragment), is_key=self._is_key)
                    self._is_key = False
                    fragment = []


class _Sink(io.RawIOBase):
    """Collects what the container writes; can't seek, so that all is written once and in order."""

    def __init__(self) -> None:
        self.is_deaf = False
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # any buffer; typing has no name for it
        if not self.is_deaf:
            self._data += data
        return len(data)

    def take(self) -> Iterator[tuple[bytes, bytes]]:
        """The boxes up to the last `moov` or `mdat` that is whole, by name; the rest stays."""
        boxes, offset, end = [], 0, 0
        while offset + 8 <= len(self._data):
            size = int.from_bytes(self._data[offset : offset + 4], "big")
            if size < 8 or offset + size > len(self._data):
                break
            kind = bytes(self._data[offset + 4 : offset + 8])
            boxes.append((kind, bytes(self._data[offset : offset + size])))
            offset += size
            if kind in (b"moov", b"mdat"):
                end = len(boxes)
        del self._data[: sum(len(box) for _, box in boxes[:end])]
        yield from boxes[:end]
