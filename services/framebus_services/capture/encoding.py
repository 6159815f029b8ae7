"""Encodes pictures for the recorder, in a thread of its own: who is slow there leaves pictures out, and never the ring.

What the encoders are told is a closed table; nobody hands them an option.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import av
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream

from framebus.messages import Cause
from framebus.settings import Encoder
from framebus_services.capture.recorder import Recorder
from framebus_services.capture.source import PacketSource
from framebus_services.capture.timestamps import Arrival
from framebus_services.capture.trouble import Trouble
from framebus_services.video.packets import AnyPacket

log = logging.getLogger(__name__)

WAITING = 4
"""pictures; more are left out"""
KEY_S = 1.0
SLOW_S = 5.0
"""so long after a picture was left out it is told"""
DRAIN_S, END_S = 0.7, 1.5
"""until what waits is left out, and for the one in hand then; a process that ends has 5 s in all"""
TICKS_PER_S = 90_000
RATE_HZ = 30
"""only a hint to the encoder: each picture has its own time"""

SLOW = Trouble(Cause.UNKNOWN, "not all is recorded: encoding can't keep up; see record.encoder in docs/cameras.md")


@dataclass(frozen=True)
class Preset:
    """How pictures of one layout are encoded."""

    codec: str
    pixels: str
    """the layout that the encoder gets"""
    options: MappingProxyType[str, str]


_SMALL = MappingProxyType({"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "forced-idr": "1"})
_EXACT = MappingProxyType({"preset": "ultrafast", "tune": "zerolatency", "qp": "0", "forced-idr": "1"})
_FAST_PNG = MappingProxyType({"compression_level": "1"})
SMALL = Preset("libx264", "yuv420p", _SMALL)
LOSSLESS = MappingProxyType(
    {
        "gray": Preset("libx264", "gray", _EXACT),
        "bayer_rggb8": Preset("libx264", "gray", _EXACT),  # the mosaic itself
        "gray16le": Preset("png", "gray16be", _FAST_PNG),  # H.264 ends at 10 bits, and MP4 takes no FFV1
        "bgr24": Preset("libx264rgb", "bgr24", _EXACT),
        "rgb24": Preset("libx264rgb", "rgb24", _EXACT),
        "yuv420p": Preset("libx264", "yuv420p", _EXACT),
        "nv12": Preset("libx264", "yuv420p", _EXACT),
        "yuyv422": Preset("libx264", "yuv422p", _EXACT),
        "uyvy422": Preset("libx264", "yuv422p", _EXACT),
    }
)


class EncodedSource(PacketSource):
    """An encoder, as the recorder sees it."""

    def __init__(self, preset: Preset, width: int, height: int) -> None:
        # A stream of the `null` container: a recorder takes it as a template, which it does not take an encoder for.
        self._container = av.open("encoded", "w", format="null")
        stream = self._container.add_stream(preset.codec, rate=RATE_HZ, options=dict(preset.options))
        assert isinstance(stream, VideoStream)
        self.video = stream
        self.video.width, self.video.height, self.video.pix_fmt = width, height, preset.pixels
        context = self.video.codec_context
        context.time_base = Fraction(1, TICKS_PER_S)
        context.gop_size = 600  # key frames are asked for by time
        context.thread_count = 1

    def items(self) -> Iterator[AnyPacket]:
        raise NotImplementedError

    def close(self) -> None:
        self._container.close()


class Encoding:
    """Takes pictures, and hands their packets to a recorder; between `start` and `end` the recorder is its own."""

    def __init__(self, recorder: Recorder, encoder: Encoder) -> None:
        self._recorder = recorder
        self._encoder = encoder
        self._waiting: queue.Queue[tuple[VideoFrame, Arrival] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._stuck: threading.Thread | None = None
        self._failure: Trouble | None = None
        self._left_out_s: float | None = None
        self._now_s = 0.0

    @property
    def trouble(self) -> Trouble | None:
        """Why pictures are not recorded."""
        if self._failure is not None:
            return self._failure
        is_slow = self._left_out_s is not None and self._now_s - self._left_out_s < SLOW_S
        return SLOW if is_slow else None

    def start(self) -> None:
        """Pictures of a new connection follow."""
        self._failure, self._left_out_s = None, None
        if self._stuck is not None and self._stuck.is_alive():  # the recorder is still its
            self._fail("the encoder is stuck")
            return
        self._waiting = queue.Queue(WAITING)
        work = _Work(self._recorder, self._encoder, self._waiting, self._fail)
        self._thread = threading.Thread(target=work.run, name="encoder", daemon=True)
        self._thread.start()

    def put(self, make: Callable[[], VideoFrame], arrival: Arrival) -> None:
        """Encode what `make` copies, or count that there was no time for it; never waits."""
        self._now_s = arrival.boot_s
        if self._thread is None or self._failure is not None or self._waiting.full():
            self._left_out_s = arrival.boot_s
            self._recorder.tally["dropped.not_encoded"] += 1
            return
        self._waiting.put_nowait((make(), arrival))  # this thread alone puts: there still is room

    def end(self) -> None:
        """The connection is gone: what waits is encoded as far as there is time for it, the segment closed."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            self._waiting.put(None, timeout=DRAIN_S)
        except queue.Full:
            self._leave_out_waiting()
            self._waiting.put_nowait(None)
        thread.join(DRAIN_S)
        if thread.is_alive():
            self._leave_out_waiting()
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            thread.join(END_S)
        if thread.is_alive():
            log.warning("the encoder is stuck; the recording is repaired at the next start")
            self._stuck = thread

    def _leave_out_waiting(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._recorder.tally["dropped.not_encoded"] += self._waiting.get_nowait() is not None

    def _fail(self, text: str) -> None:
        self._failure = Trouble(Cause.CODEC, f"not recorded: {text}")


class _Work:
    """The thread: one encoder for pictures of one shape, and another when the shape changes."""

    def __init__(
        self,
        recorder: Recorder,
        encoder: Encoder,
        waiting: queue.Queue[tuple[VideoFrame, Arrival] | None],
        fail: Callable[[str], None],
    ) -> None:
        self._recorder = recorder
        self._encoder = encoder
        self._waiting = waiting
        self._fail = fail
        self._reformatter = VideoReformatter()
        self._source: EncodedSource | None = None
        self._shape: tuple[str, int, int] = ("", 0, 0)
        self._ticks = 0
        self._key_ticks = 0

    def run(self) -> None:
        try:
            while (item := self._waiting.get()) is not None:
                self._encode(*item)
            self._finish()
        except (av.FFmpegError, OSError, ValueError) as error:
            log.error("pictures can't be encoded: %s", error)
            self._fail(str(error))
            self._recorder.end()

    def _encode(self, frame: VideoFrame, arrival: Arrival) -> None:
        shape = (frame.format.name, frame.width, frame.height)
        if self._source is None or shape != self._shape:
            self._finish()
            self._shape, self._source = shape, self._make(*shape)
            self._recorder.begin(self._source)
            self._key_ticks = 0
        video = self._source.video
        frame = self._fitting(frame, video.width, video.height, str(video.pix_fmt))
        self._ticks = max(self._ticks + 1, round(arrival.boot_s * TICKS_PER_S))
        frame.pts, frame.time_base = self._ticks, Fraction(1, TICKS_PER_S)
        is_key = self._ticks - self._key_ticks >= KEY_S * TICKS_PER_S
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        if is_key:
            self._key_ticks = self._ticks
        for packet in video.encode(frame):
            packet.duration = 0
            self._recorder.take(packet, arrival)

    def _make(self, layout: str, width: int, height: int) -> EncodedSource:
        if self._encoder is Encoder.SMALL:
            return EncodedSource(SMALL, max(2, width // 2 * 2), max(2, height // 2 * 2))
        preset = LOSSLESS.get(layout)
        if preset is None:
            raise ValueError(f"there is no lossless preset for pictures of {layout}; write record.encoder: small")
        return EncodedSource(preset, width, height)

    def _fitting(self, frame: VideoFrame, width: int, height: int, layout: str) -> VideoFrame:
        if frame.format.name == "bayer_rggb8" and layout == "gray":
            return VideoFrame.from_ndarray(frame.to_ndarray(), format="gray")
        if (frame.width, frame.height, frame.format.name) == (width, height, layout):
            return frame
        colour_range = ColorRange.MPEG if self._encoder is Encoder.SMALL else None
        return self._reformatter.reformat(frame, width, height, layout, dst_color_range=colour_range, threads=1)

    def _finish(self) -> None:
        if self._source is None:
            return
        self._recorder.end()
        self._source.close()
        self._source = None
