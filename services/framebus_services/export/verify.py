"""Looks at a finished clip as a player would, before anybody sees it."""

from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.pace import Pace
from framebus_services.video.fragments import whole_bytes
from framebus_services.video.opening import BY_INDEX, open_video
from framebus_services.video.packets import time_base

TOLERANCE_S = 0.5


def verify(path: Path, *, frames: int, duration_s: float, pace: Pace, spare: float = 0.0) -> None:
    """Raises WorkError when the file can't be opened, lacks packets, has another length, or its end can't be shown.

    `spare` is the share of packets that may lack or be too many.
    """
    try:
        with open_video(str(path), format="mp4", options=BY_INDEX) as container:
            if not container.streams.video:
                raise _wrong("it has no pictures")
            if whole_bytes(path) < path.stat().st_size:
                raise _wrong("its end is missing")
            video = container.streams.video[0]
            _check_length(video, duration_s)
            last_pts = _check_packets(container, video, frames, spare, pace)
            _check_last_frame(container, video, last_pts, pace)
    except av.FFmpegError as error:
        raise _wrong(f"{error.strerror}") from None


def _check_length(video: VideoStream, duration_s: float) -> None:
    found_s = float((video.duration or 0) * time_base(video))
    if abs(found_s - duration_s) > TOLERANCE_S:
        raise _wrong(f"it is {found_s:.2f} s long; {duration_s:.2f} s were written")


def _check_packets(container: InputContainer, video: VideoStream, frames: int, spare: float, pace: Pace) -> int:
    """Count what is there; returns the last picture's time in ticks."""
    found, last_pts = 0, 0
    for packet in container.demux(video):
        if packet.size:
            pace(found / frames, packet.size)
            found += 1
            last_pts = max(last_pts, packet.pts or 0)
    if abs(found - frames) > frames * spare:
        raise _wrong(f"it has {found} pictures; {frames} were written")
    return last_pts


def _check_last_frame(container: InputContainer, video: VideoStream, last_pts: int, pace: Pace) -> None:
    video.codec_context.thread_count = 1  # cameras go first
    container.seek(last_pts, stream=video)
    shown = -1
    for frame in container.decode(video):
        pace(1.0)
        shown = max(shown, frame.pts or 0)
    if shown < last_pts:
        raise _wrong("its last picture can't be decoded")


def _wrong(what: str) -> WorkError:
    return WorkError(FailKind.TRANSIENT, f"the clip is not whole: {what}")
