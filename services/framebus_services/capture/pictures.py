"""Decodes a camera's packets and puts the wanted frames into its ring, one copy each."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from framebus.clock import Clock
from framebus.frame import U8, PixelFormat
from framebus.messages import Cause, FrameNotice
from framebus.ring import RingSlot, RingSpaceError, RingWriter
from framebus.settings import Detect
from framebus_services.capture.sampling import FrameGate, picture_size
from framebus_services.capture.source import Source
from framebus_services.capture.timestamps import Arrival, WallTime
from framebus_services.capture.trouble import Trouble
from framebus_services.video.packets import AnyPacket, time_base, time_s

SLOTS = 8
RETRY_S = 5.0
LATE_S, LATE_NO_MORE_S = 4.0, 1.0
MAX_ARRIVALS = 64
"""frames that a decoder may hold back"""

OnPicture = Callable[[FrameNotice, float], None]
"""called with the notice, and the seconds from the packet's arrival until the picture stood in the ring"""


class Pictures:
    """The ring of one camera and what fills it; for the reader's thread."""

    def __init__(self, camera: str, detect: Detect, shm: Path, epoch: int, clock: Clock, on_picture: OnPicture) -> None:
        self._camera = camera
        self._detect = detect
        self._shm = shm
        self._epoch = epoch
        self._clock = clock
        self._on_picture = on_picture
        self.tally: Counter[str] = Counter()
        self.trouble: Trouble | None = None
        """why there are no pictures"""
        self.ring: RingWriter | None = None
        self._ring_size = (0, 0)
        self._retry_at_s = 0.0
        self._source: Source | None = None
        self._gate = FrameGate(detect.fps)
        self._reformatter = VideoReformatter()
        self._wall = WallTime()
        self._tick_s = Fraction(1)
        self._arrivals: dict[int, Arrival] = {}
        self._is_late = False
        self._last_arrival: Arrival | None = None

    def make_ring(self, width: int, height: int) -> RingWriter:
        """The ring for pictures of this size; each new size is a new epoch. Raises OSError, RingSpaceError too."""
        if self.ring is not None and self._ring_size == (width, height):
            return self.ring
        path = self._shm / f"{self._camera}.{self._epoch}.ring"
        ring = RingWriter.create(path, width=width, height=height, slots=SLOTS, epoch=self._epoch)
        self._epoch += 1
        self._drop_ring()
        self.ring, self._ring_size = ring, (width, height)
        return ring

    def open(self, beat: Callable[[], None]) -> None:
        """Nothing to do: the ring is made when the size of the pictures is known."""

    def begin(self, source: Source) -> None:
        """A connection was made; its packets follow."""
        self._source = source
        self._gate = FrameGate(self._detect.fps)
        self._wall = WallTime()
        self._arrivals.clear()
        self._is_late = False

    def take(self, packet: AnyPacket, arrival: Arrival) -> bool:
        """Decode a packet; tells whether a frame came out."""
        if self._source is None or packet.stream_index != self._source.video.index:
            return False
        self._note_time(packet, arrival)
        if self._is_late:
            self.tally["dropped.late"] += 1
            return False
        try:
            frames = self._source.decoder.decode(packet)
        except av.FFmpegError:
            self.tally["dropped.decode"] += 1
            return False
        for frame in frames:
            self._show(frame, arrival if frame.pts is None else self._arrivals.pop(frame.pts, arrival))
        return bool(frames)

    def end(self) -> None:
        """The connection is gone; frames that the decoder held back are shown."""
        source, self._source = self._source, None
        if source is None or not self._arrivals:
            return
        try:
            for frame in source.decoder.decode(None):
                if frame.pts in self._arrivals:
                    self._show(frame, self._arrivals.pop(frame.pts))
        except av.FFmpegError:
            self.tally["dropped.decode"] += 1

    def close(self) -> None:
        """The process ends: the ring goes."""
        self._source = None
        self._drop_ring()

    def _note_time(self, packet: AnyPacket, arrival: Arrival) -> None:
        """Who can't keep up leaves out whole groups of pictures; recording has the time then."""
        pts_s = time_s(packet.pts, packet)
        if packet.pts is None or pts_s is None:
            return
        self._tick_s = time_base(packet)
        self._arrivals[packet.pts] = arrival
        if len(self._arrivals) > MAX_ARRIVALS:
            del self._arrivals[next(iter(self._arrivals))]
        late_s = self._wall.note(pts_s, arrival)
        if late_s > LATE_S:
            self._is_late = True
        elif late_s < LATE_NO_MORE_S and packet.is_keyframe:
            self._is_late = False

    def _show(self, frame: VideoFrame, arrival: Arrival) -> None:
        self.tally["frames"] += 1
        if frame.is_corrupt:
            self.tally["corrupt.frames"] += 1
        at_s = arrival.boot_s if frame.pts is None else float(frame.pts * self._tick_s)
        if not self._gate.passes(at_s):
            return
        ring = self._ring_for(frame)
        if ring is None:
            self.tally["dropped.no_ring"] += 1
            return
        if self._last_arrival is not None and self._last_arrival.boot_s > arrival.boot_s:
            arrival = self._last_arrival  # a B-frame is shown before one that came earlier
        self._last_arrival = arrival
        slot = ring.begin()
        self._fill(slot, frame)
        captured_boot_ns = round(arrival.boot_s * 1e9)
        pts_us = round(at_s * 1e6)
        number = ring.commit(slot, pts_us=pts_us, captured_at_s=arrival.wall_s, captured_boot_ns=captured_boot_ns)
        self.tally["pictures"] += 1
        width, height = self._ring_size
        notice = FrameNotice(
            camera=self._camera,
            ring=str(ring.path),
            slot=number % SLOTS,
            number=number,
            ring_epoch=ring.epoch,
            width=width,
            height=height,
            format=PixelFormat.I420,
            pts_us=pts_us,
            captured_at_s=arrival.wall_s,
            captured_up_s=arrival.boot_s,
        )
        self._on_picture(notice, self._clock.boot_s() - arrival.boot_s)

    def _fill(self, slot: RingSlot, frame: VideoFrame) -> None:
        width, height = self._ring_size
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

    def _ring_for(self, frame: VideoFrame) -> RingWriter | None:
        width, height = picture_size(frame.width, frame.height, self._detect)
        if self.trouble is not None and self._clock.boot_s() < self._retry_at_s:
            return None
        try:
            ring = self.make_ring(width, height)
        except RingSpaceError as error:
            self.trouble = Trouble(Cause.NO_SPACE, space_detail(error))
        except OSError as error:
            self.trouble = Trouble(Cause.UNKNOWN, f"no pictures: the ring can't be made: {error.strerror}")
        else:
            self.trouble = None
            return ring
        self._retry_at_s = self._clock.boot_s() + RETRY_S
        return None

    def _drop_ring(self) -> None:
        ring, self.ring = self.ring, None
        if ring is not None:
            ring.unlink()
            ring.close()


def space_detail(error: RingSpaceError) -> str:
    """What is missing, in words, and which setting would help."""
    return (
        f"no pictures: the ring needs {error.needed_bytes} bytes of shared memory, {error.free_bytes} are free; "
        "set a smaller detect.width and detect.height, or enlarge the shared memory"
    )
