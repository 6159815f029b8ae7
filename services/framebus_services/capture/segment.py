"""One piece of recording, from its first key frame to its final name."""

import itertools
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from framebus.messages import SegmentClosed
from framebus.recordings import closed_name, hour_folder, open_name
from framebus.replacing import give_name
from framebus_services.video.mp4 import Mp4Writer
from framebus_services.video.packets import AnyPacket

FRAGMENT_S = 1.0
FRAGMENT_WITH_AUDIO_S = 0.5
"""interleaving adds to what a kill costs"""


class OpenSegment:
    """A segment that is being written; its first packet must be a key frame with timestamps."""

    def __init__(
        self,
        data: Path,
        camera: str,
        start_s: float,
        first: AnyPacket,
        video: VideoStream,
        audio: AudioStream | None,
    ) -> None:
        assert first.pts is not None
        self._data = data
        self._camera = camera
        self._base_s = Fraction(first.pts * first.time_base)
        self.has_audio = audio is not None
        streams: list[Stream] = [video] if audio is None else [video, audio]
        fragment_s = FRAGMENT_WITH_AUDIO_S if self.has_audio else FRAGMENT_S
        self.path, self._writer = _create(data, camera, start_s, streams, fragment_s, self._base_s)

    @property
    def first_pts_s(self) -> float:
        """The camera's own time of the first frame."""
        return float(self._base_s)

    def write_video(self, packet: AnyPacket) -> None:
        """Add a packet with mended timestamps, which is changed; raises av.error.ArgumentError or OSError."""
        self._writer.mux(packet, 0)

    def write_audio(self, packet: AnyPacket) -> None:
        """As `write_video`; sound from before the first frame is left out."""
        if packet.pts is not None and packet.pts * packet.time_base >= self._base_s:
            self._writer.mux(packet, 1)

    def close(self, start_s: float) -> SegmentClosed:
        """Complete the file and give it its final name, by the wall time of its first frame; raises OSError."""
        self._writer.close()
        return publish_segment(self.path, self._data, self._camera, start_s, float(self._writer.length_s(0)))

    def abandon(self) -> None:
        """Leave the `.part` as it is, to be salvaged."""
        self._writer.abandon()


def publish_segment(part: Path, data: Path, camera: str, start_s: float, duration_s: float) -> SegmentClosed:
    """Give a complete file its final name, never that of another; `part` is gone then."""
    start_ms, duration_ms = round(start_s * 1_000), round(duration_s * 1_000)
    folder = hour_folder(data, camera, start_ms / 1_000)
    folder.mkdir(parents=True, exist_ok=True)
    for copy in itertools.count(1):
        final = folder / closed_name(start_ms, duration_ms, copy)
        try:
            give_name(part, final)
        except FileExistsError:
            continue
        part.unlink(missing_ok=True)  # gone where there are no links
        break
    return SegmentClosed(
        camera=camera,
        path=str(final.relative_to(data)),
        start_at_s=start_ms / 1_000,
        duration_s=duration_ms / 1_000,
        size_bytes=final.stat().st_size,
    )


def _create(
    data: Path, camera: str, start_s: float, streams: list[Stream], fragment_s: float, base_s: Fraction
) -> tuple[Path, Mp4Writer]:
    """The new `.part`; a name that is taken is left alone."""
    for start_ms in itertools.count(round(start_s * 1_000)):
        folder = hour_folder(data, camera, start_ms / 1_000)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / open_name(start_ms)
        try:
            return path, Mp4Writer(path, streams, fragment_s=fragment_s, base_s=base_s)
        except FileExistsError:
            continue
    raise AssertionError("counting does not end")
