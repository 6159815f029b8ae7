"""Who records what: packets as they are, pictures by way of an encoder."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from framebus.frame import PixelFormat
from framebus_services.capture.encoding import Encoding
from framebus_services.capture.plugin import PluginSource, Shot
from framebus_services.capture.recorder import Recorder
from framebus_services.capture.source import RAW, PacketSource
from framebus_services.capture.timestamps import Arrival
from framebus_services.video.packets import AnyPacket

LAYOUTS = {
    PixelFormat.I420: "yuv420p",
    PixelFormat.BGR24: "bgr24",
    PixelFormat.GRAY8: "gray",
    PixelFormat.GRAY16: "gray16le",
    PixelFormat.BAYER_RGGB8: "bayer_rggb8",
}


class ShotRecorder:
    """Records the pictures of a source of the user's own."""

    def __init__(self, recorder: Recorder, encoding: Encoding) -> None:
        self._recorder = recorder
        self._encoding = encoding

    def open(self, beat: Callable[[], None]) -> None:
        """Repair what an earlier life left behind."""
        self._recorder.open(beat)

    def begin(self, source: PluginSource) -> None:
        """A connection was made; its pictures follow."""
        self._encoding.start()

    def take(self, shot: Shot, arrival: Arrival, /) -> bool:
        """Record a picture."""
        self._encoding.put(partial(_frame_of, shot), arrival)
        return True

    def end(self) -> None:
        """The connection is gone."""
        self._encoding.end()

    def close(self) -> None:
        """The process ends."""
        self._encoding.end()


class PacketRecorder:
    """Records packets as they are; those that are pictures, as of some devices, by way of an encoder."""

    def __init__(self, recorder: Recorder, encoding: Encoding | None) -> None:
        self._recorder = recorder
        self._encoding = encoding
        self._is_raw = False
        self._source: PacketSource | None = None

    def open(self, beat: Callable[[], None]) -> None:
        """Repair what an earlier life left behind."""
        self._recorder.open(beat)

    def begin(self, source: PacketSource) -> None:
        """A connection was made; its packets follow."""
        self._source = source
        self._is_raw = source.kind.codec == RAW
        if not self._is_raw:
            self._recorder.begin(source)
        elif self._encoding is not None:
            self._encoding.start()

    def take(self, packet: AnyPacket, arrival: Arrival, /) -> bool:
        """Record a packet; tells whether it was one of video."""
        if not self._is_raw:
            return self._recorder.take(packet, arrival)
        if self._encoding is None or self._source is None or not self._source.is_video(packet):
            return False
        try:
            for frame in islice(self._source.decoder.decode(packet), 1):
                self._encoding.put(lambda frame=frame: frame, arrival)  # type: ignore[misc]
        except av.FFmpegError:
            self._recorder.tally["dropped.decode"] += 1
        return True

    def end(self) -> None:
        """The connection is gone."""
        self._source = None
        if self._is_raw and self._encoding is not None:
            self._encoding.end()
        else:
            self._recorder.end()

    def close(self) -> None:
        """The process ends."""
        self.end()


def _frame_of(shot: Shot) -> VideoFrame:
    """A copy of its pixels, for another thread."""
    pixels: Any = np.ascontiguousarray(shot.pixels)
    return VideoFrame.from_ndarray(pixels, format=LAYOUTS[shot.shape[2]])
