"""Records the packets of one camera as they come, in segments that begin with a key frame."""

import errno
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import av
from av.audio.stream import AudioStream

from framebus.clock import Clock
from framebus.messages import Cause, SegmentClosed
from framebus_services.capture.disk import Disk
from framebus_services.capture.salvage import salvage
from framebus_services.capture.segment import OpenSegment
from framebus_services.capture.source import PacketSource
from framebus_services.capture.timestamps import Arrival, Mender, WallTime
from framebus_services.capture.trouble import Trouble
from framebus_services.video.mp4 import UnsupportedError
from framebus_services.video.packets import AnyPacket, time_s

log = logging.getLogger(__name__)

RETRY_S = 5.0
SPACE_CHECK_S = 1.0
SILENCE_S = 2.0
"""A file that announces sound and gets none keeps its pictures in memory; so sound must be fresh."""
SOUND_S = 1.0
"""for so long the first pictures of a connection wait for the sound that the camera announced"""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Recorder:
    """Turns packets into segments below `data`; for the reader's thread."""

    def __init__(
        self,
        data: Path,
        camera: str,
        segment_s: float,
        clock: Clock,
        disk: Disk,
        on_closed: Callable[[SegmentClosed], None],
    ) -> None:
        self._data = data
        self._camera = camera
        self._segment_s = segment_s
        self._clock = clock
        self._disk = disk
        self._on_closed = on_closed
        self.tally: Counter[str] = Counter()
        self.trouble: Trouble | None = None
        """why recording pauses"""
        self._source: PacketSource | None = None
        self._segment: OpenSegment | None = None
        self._is_changing = False
        self._wall = WallTime()
        self._mender = Mender(self.tally)
        self._audio_mender = Mender(self.tally)
        self._audio_at_s = float("-inf")
        self._is_audio_broken = False
        self._is_waiting = False
        self._held: list[tuple[AnyPacket, Arrival]] = []
        """what waits for sound"""
        self._has_leftovers = True
        self._beat: Callable[[], None] = lambda: None
        self._retry_at_s = 0.0
        self._check_at_s = 0.0

    @property
    def is_recording(self) -> bool:
        """Between one segment and the next as well: closing a file on a slow disk is no pause."""
        return self._segment is not None or self._is_changing

    def open(self, beat: Callable[[], None]) -> None:
        """Repair what an earlier life left behind; any repair calls `beat` as it gets on."""
        self._beat = beat
        self._repair()

    def begin(self, source: PacketSource) -> None:
        """A connection was made; its packets follow."""
        self._source = source
        self._restart_time()
        if self.trouble is not None and self.trouble.cause is Cause.CODEC:
            self.trouble = None
        if source.audio is not None and not _fits(source.audio):
            log.info("sound of %s is not recorded: %s", self._camera, source.audio.codec_context.name)
        self._is_waiting = source.audio is not None and _fits(source.audio)

    def take(self, packet: AnyPacket, arrival: Arrival) -> bool:
        """Record a packet, which is changed; tells whether it was one of video."""
        source = self._source
        if source is None:
            return False
        if packet.is_corrupt:
            self.tally["corrupt.packets"] += 1
        if packet.stream_index != source.video.index:
            self._take_audio(packet, arrival)
            return False
        if self._mender.jumps(packet):
            self.tally["jumps"] += 1
            self._stop_waiting()
            self._close()
            self._restart_time()
        if (pts_s := time_s(packet.pts, packet)) is not None:
            self._wall.note(pts_s, arrival)
        for ready in self._mender.mend(packet):
            self._held.append((ready, arrival))
        if not self._is_waiting or (self._held and arrival.boot_s - self._held[0][1].boot_s > SOUND_S):
            self._stop_waiting()
        return True

    def end(self) -> None:
        """The connection is gone."""
        self._stop_waiting()
        self._close()
        self._source = None

    def close(self) -> None:
        """The process ends."""
        self.end()

    def _stop_waiting(self) -> None:
        """Record what is held: there is sound now, or there will be none."""
        self._is_waiting = False
        held, self._held = self._held, []
        for packet, arrival in held:
            if self._source is not None:  # no file can hold this stream
                self._record(packet, arrival)

    def _record(self, packet: AnyPacket, arrival: Arrival) -> None:
        if self.trouble is not None and arrival.boot_s < self._retry_at_s:
            self.tally["dropped.not_recorded"] += 1
            return
        try:
            if self._segment is not None and arrival.boot_s >= self._check_at_s:
                self._check_space(arrival)
            if packet.is_keyframe and self._is_due(packet, arrival):
                self._is_changing = self._segment is not None
                self._start(packet, arrival)
            if self._segment is None:
                self.tally["dropped.before_key_frame"] += 1
                return
            self._segment.write_video(packet)
        except (av.error.ArgumentError, av.error.InvalidDataError):
            self.tally["dropped.refused_by_file"] += 1
        except UnsupportedError as error:
            self._give_up(error)
        except OSError as error:
            self._pause(error)
        finally:
            self._is_changing = False

    def _is_due(self, packet: AnyPacket, arrival: Arrival) -> bool:
        if self._segment is None:
            return True
        reached_s = float((packet.pts or 0) * packet.time_base) - self._segment.first_pts_s
        # A key frame a few milliseconds early must not make the segment a whole group of pictures longer.
        return reached_s > self._segment_s - 0.05 or self._segment.has_audio != self._hears(arrival)

    def _start(self, packet: AnyPacket, arrival: Arrival) -> None:
        assert self._source is not None
        self._close()
        if self._has_leftovers:
            self._repair()
        self._check_space(arrival)
        if self.trouble is not None:
            log.info("recording of %s goes on", self._camera)
        self.trouble = None
        pts_s = float((packet.pts or 0) * packet.time_base)
        if not self._wall.is_known:
            self._wall.note(pts_s, arrival)
        audio = self._source.audio if self._hears(arrival) else None
        self._is_audio_broken = False
        self._segment = OpenSegment(self._data, self._camera, self._wall.at_s(pts_s), packet, self._source.video, audio)

    def _close(self) -> None:
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            self._on_closed(segment.close(self._wall.at_s(segment.first_pts_s)))
            self.tally["recorded.segments"] += 1
        except (OSError, av.FFmpegError) as error:
            self._pause(error)

    def _pause(self, error: OSError | av.FFmpegError) -> None:
        if self._segment is not None:
            self._segment.abandon()
            self._segment = None
        self._has_leftovers = True
        cause = Cause.NO_SPACE if error.errno in NO_SPACE else Cause.UNKNOWN
        room = self._room() if cause is Cause.NO_SPACE else ""  # a wrong permission is not mended by room
        detail = f"not recording: {error.strerror}{room}"
        if self.trouble is None:
            log.error("recording of %s pauses: %s; tried again every %.0f s", self._camera, detail, RETRY_S)
        self.trouble = Trouble(cause, detail)
        self._retry_at_s = self._clock.boot_s() + RETRY_S

    def _give_up(self, error: UnsupportedError) -> None:
        """Record nothing of this connection."""
        self._source = None
        self.trouble = Trouble(Cause.CODEC, f"not recording: {error}")
        log.error("%s is not recorded: %s", self._camera, error)

    def _room(self) -> str:
        try:
            return f" ({self._disk.space()})"
        except OSError:
            return ""

    def _check_space(self, arrival: Arrival) -> None:
        self._check_at_s = arrival.boot_s + SPACE_CHECK_S
        space = self._disk.space()
        if space.is_short:
            self._close()  # there is room for that: the floor is above zero
            raise OSError(errno.ENOSPC, "the disk is too full")

    def _repair(self) -> None:
        self._has_leftovers = False
        try:
            salvage(self._data, self._camera, self._on_closed, self._count_unrepaired, self._beat)
        except OSError as error:  # what can't be repaired must not keep the new from being recorded
            log.warning("a recording of %s could not be repaired: %s", self._camera, error)

    def _count_unrepaired(self, what: str) -> None:
        self.tally[what] += 1

    def _restart_time(self) -> None:
        self._wall = WallTime()
        self._mender = Mender(self.tally)
        self._audio_mender = Mender(self.tally)
        self._audio_at_s = float("-inf")

    # Sound: carried along where it can be; whatever happens to it, the pictures are recorded --------------------------

    def _hears(self, arrival: Arrival) -> bool:
        return arrival.boot_s - self._audio_at_s < SILENCE_S

    def _take_audio(self, packet: AnyPacket, arrival: Arrival) -> None:
        if self._source is None or self._source.audio is None or not _fits(self._source.audio):
            return
        self._audio_at_s = arrival.boot_s
        if self._is_waiting:
            self._stop_waiting()
        if self._audio_mender.jumps(packet):
            self._audio_mender = Mender(self.tally)
            self._is_audio_broken = True  # until the next segment
        for ready in self._audio_mender.mend(packet):
            if self._segment is None or not self._segment.has_audio or self._is_audio_broken:
                continue
            try:
                self._segment.write_audio(ready)
            except (av.error.ArgumentError, av.error.InvalidDataError):
                self.tally["dropped.audio"] += 1
            except OSError as error:
                self._pause(error)


def _fits(audio: AudioStream) -> bool:
    """Whether an MP4 takes this sound as it is."""
    context = audio.codec_context
    return context.codec.canonical_name == "aac" and bool(context.extradata)
