"""Decodes what is needed of a camera's packets, and puts the wanted frames into its ring, one copy each."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from framebus.clock import Clock
from framebus.frame import U8, PixelFormat
from framebus.ring import RingSlot, RingWriter
from framebus.settings import DEFAULT_FPS, Detect
from framebus_services.capture.feed import OnPicture, RingFeed
from framebus_services.capture.sampling import FrameGate, picture_size
from framebus_services.capture.source import PacketSource
from framebus_services.capture.sparing import Sparing
from framebus_services.capture.timestamps import Arrival, WallTime
from framebus_services.capture.trouble import Trouble
from framebus_services.video.packets import AnyPacket, time_base, time_s
from framebus_services.video.roles import Roles

LATE_S, LATE_NO_MORE_S = 4.0, 1.0
MAX_ARRIVALS = 64
"""frames that a decoder may hold back"""


class Pictures:
    """The ring of one camera and what fills it; for the reader's thread."""

    def __init__(self, camera: str, detect: Detect, shm: Path, epoch: int, clock: Clock, on_picture: OnPicture) -> None:
        self._detect = detect
        self.tally: Counter[str] = Counter()
        self._feed = RingFeed(camera, shm, epoch, clock, on_picture, self.tally)
        self._source: PacketSource | None = None
        self._gate = FrameGate(detect.fps or DEFAULT_FPS)
        self._sparing: Sparing
        self._reformatter = VideoReformatter()
        self._wall = WallTime()
        self._tick_s = Fraction(1)
        self._arrivals: dict[int, Arrival] = {}
        self._is_late = False
        self._last_arrival: Arrival | None = None

    @property
    def ring(self) -> RingWriter | None:
        return self._feed.ring

    @property
    def trouble(self) -> Trouble | None:
        """Why there are no pictures."""
        return self._feed.trouble

    def make_ring(self, width: int, height: int) -> RingWriter:
        """The ring for pictures of this size; each new size is a new epoch. Raises OSError, RingSpaceError too."""
        return self._feed.make_ring((width, height, PixelFormat.I420))

    def open(self, beat: Callable[[], None]) -> None:
        """Nothing to do: the ring is made when the size of the pictures is known."""

    def begin(self, source: PacketSource) -> None:
        """A connection was made; its packets follow."""
        self._source = source
        self._gate = FrameGate(self._detect.fps or DEFAULT_FPS)
        self._sparing = Sparing(Roles(source.decoder), self._gate, self.tally)
        self._wall = WallTime()
        self._arrivals.clear()
        self._tick_s = Fraction(0)
        self._is_late = False

    def take(self, packet: AnyPacket, arrival: Arrival) -> bool:
        """Decode a packet; tells whether a frame came out."""
        if self._source is None or packet.stream_index != self._source.video.index:
            return False
        at_s = time_s(packet.pts, packet)
        if self._falls_behind(at_s, packet, arrival):
            self._sparing.forget()
            self.tally["dropped.late"] += 1
            return False
        due = self._sparing.pick(packet, arrival, at_s)
        has_frame = False
        for each in due:
            has_frame |= self._decode(*each)
        return has_frame

    def end(self) -> None:
        """The connection is gone; frames that the decoder held back are shown."""
        source, self._source = self._source, None
        if source is None:
            return
        self._sparing.forget()
        try:
            for frame in source.decoder.decode(None):
                if frame.pts in self._arrivals:
                    self._show(frame, self._arrivals.pop(frame.pts))
        except av.FFmpegError:
            self.tally["dropped.decode"] += 1

    def close(self) -> None:
        """The process ends: the ring goes."""
        self._source = None
        self._feed.close()

    def _falls_behind(self, at_s: float | None, packet: AnyPacket, arrival: Arrival) -> bool:
        """Who can't keep up leaves out whole groups of pictures; recording has the time then."""
        if at_s is not None:
            late_s = self._wall.note(at_s, arrival)
            if late_s > LATE_S:
                self._is_late = True
            elif late_s < LATE_NO_MORE_S and packet.is_keyframe:
                self._is_late = False
        return self._is_late

    def _decode(self, packet: AnyPacket, arrival: Arrival) -> bool:
        """Show the frames that come out; tells whether there were any."""
        assert self._source is not None
        if packet.pts is not None:
            self._tick_s = self._tick_s or time_base(packet)
            self._arrivals[packet.pts] = arrival
            if len(self._arrivals) > MAX_ARRIVALS:
                del self._arrivals[next(iter(self._arrivals))]
        try:
            frames = self._source.decoder.decode(packet)
        except av.FFmpegError:
            self.tally["dropped.decode"] += 1
            return False
        for frame in frames:
            self._show(frame, arrival if frame.pts is None else self._arrivals.pop(frame.pts, arrival))
        return bool(frames)

    def _show(self, frame: VideoFrame, arrival: Arrival) -> None:
        self.tally["frames"] += 1
        if frame.is_corrupt:
            self.tally["corrupt.frames"] += 1
        at_s = arrival.boot_s if frame.pts is None else frame.pts * self._tick_s.numerator / self._tick_s.denominator
        if not self._gate.passes(at_s):
            return
        if self._last_arrival is not None and self._last_arrival.boot_s > arrival.boot_s:
            arrival = self._last_arrival  # a B-frame is shown before one that came earlier
        self._last_arrival = arrival
        width, height = picture_size(frame.width, frame.height, self._detect)
        shape = (width, height, PixelFormat.I420)
        self._feed.put(shape, partial(self._fill, frame, width, height), round(at_s * 1e6), arrival)

    def _fill(self, frame: VideoFrame, width: int, height: int, slot: RingSlot) -> None:
        is_ready = frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG
        if not is_ready or (frame.width, frame.height) != (width, height):
            frame = self._reformatter.reformat(
                frame,
                width,
                height,
                "yuv420p",
                interpolation=Interpolation.AREA,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        for target, plane in zip(slot.planes, frame.planes, strict=True):
            rows: U8 = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            np.copyto(target, rows[: target.shape[0], : target.shape[1]])
