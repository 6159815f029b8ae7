"""Shows a camera's own packets to who watches live, and costs nothing while nobody does."""

import logging
from collections import Counter
from collections.abc import Callable

import av

from framebus.messages import LiveFragment, LiveKind, SmallFragment
from framebus_services.capture.live_muxer import LiveMuxer, Piece
from framebus_services.capture.source import PacketSource
from framebus_services.capture.timestamps import Arrival, Mender
from framebus_services.video.packets import AnyPacket, copy_of

log = logging.getLogger(__name__)

SHOWN = "h264"
"""the one codec that every browser plays"""


class Live:
    """A sink of packets; for the reader's thread, but for `watch`."""

    def __init__(
        self,
        camera: str,
        publish: Callable[[LiveFragment, bytes], None],
        *,
        is_small: bool = False,
    ) -> None:
        self._camera = camera
        self._is_small = is_small
        self._publish = publish
        self.tally: Counter[str] = Counter()
        self._source: PacketSource | None = None
        self._muxer: LiveMuxer | None = None
        self._mender = Mender(Counter())
        self._video_index = 0
        self._init: Piece | None = None
        self._codec = ""
        self._is_watched = False
        self._wants_init = False

    def watch(self, is_watched: bool) -> None:
        """Somebody has come, or nobody is there any more. From any thread."""
        self._wants_init = is_watched
        self._is_watched = is_watched

    def open(self, beat: Callable[[], None]) -> None: ...

    def begin(self, source: PacketSource) -> None:
        self._source = source if source.video.codec_context.codec.canonical_name == SHOWN else None
        self._video_index = source.video.index

    def take(self, packet: AnyPacket, arrival: Arrival) -> bool:
        """Show a packet, which stays as it is; tells whether it was one of video."""
        is_video = packet.stream_index == self._video_index
        if not self._is_watched:
            self._stop()
        elif is_video and self._source is not None:
            self._show(packet, self._source)
        return is_video

    def end(self) -> None:
        self._stop()
        self._source = None

    def close(self) -> None: ...

    def _show(self, packet: AnyPacket, source: PacketSource) -> None:
        if self._muxer is not None and self._mender.jumps(packet):
            self._stop()
        if self._muxer is None:
            if not packet.is_keyframe or packet.dts is None:
                return
            self._mender = Mender(Counter())
        try:
            for ready in self._mender.mend(copy_of(packet)):
                if self._muxer is None:
                    self._muxer = LiveMuxer(source.video, ready)
                for piece in self._muxer.mux(ready):
                    self._tell(piece)
        except (av.FFmpegError, OSError, ValueError) as error:
            self.tally["live.failed"] += 1
            log.warning("%s: live video begins again: %s", self._camera, error)
            self._stop()

    def _tell(self, piece: Piece) -> None:
        if piece.is_init:
            self._init, self._codec = piece, codec_string(piece.data)
        elif self._wants_init and self._init is not None:  # who came later needs it, too
            self._send(self._init)
        self._send(piece)

    def _send(self, piece: Piece) -> None:
        if piece.is_init:
            self._wants_init = False
        else:
            self.tally["live.fragments"] += 1
        kind = LiveKind.INIT if piece.is_init else LiveKind.FRAGMENT
        message = LiveFragment(camera=self._camera, kind=kind, codec=self._codec, is_key=piece.is_key)
        if self._is_small:
            message = SmallFragment(camera=self._camera, kind=kind, codec=self._codec, is_key=piece.is_key)
        self._publish(message, piece.data)

    def _stop(self) -> None:
        if self._muxer is not None:
            self._muxer.close()
            self._muxer = None
            self._init = None


def codec_string(init: bytes) -> str:
    """RFC 6381 for the H.264 of an init segment, as in `avc1.640028`; empty where it has none."""
    at = init.find(b"avcC")
    return f"avc1.{init[at + 5 : at + 8].hex()}" if at >= 0 and len(init) >= at + 8 else ""
