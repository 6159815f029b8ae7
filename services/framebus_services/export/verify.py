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
            _check_number(video.frames, frames, spare)
            _check_end(container, video, pace)
    except av.FFmpegError as error:
        raise _wrong(f"{error.strerror}") from None


def _check_length(video: VideoStream, duration_s: float) -> None:
    found_s = float((video.duration or 0) * time_base(video))
    if abs(found_s - duration_s) > TOLERANCE_S:
        raise _wrong(f"it is {found_s:.2f} s long; {duration_s:.2f} s were written")


def _check_number(found: int, frames: int, spare: float) -> None:
    """By the index; that all it names is in the file is known by now."""
    if abs(found - frames) > frames * spare:
        raise _wrong(f"it has {found} pictures; {frames} were written")


def _check_end(container: InputContainer, video: VideoStream, pace: Pace) -> None:
    """Decode from the last key frame on: what is shown last is made from all that follows it."""
    video.codec_context.thread_count = 1  # cameras go first
    container.seek((video.start_time or 0) + (video.duration or 0), stream=video)
    last_pts, shown = 0, -1
    for packet in container.demux(video):
        pace(1.0, packet.size)
        last_pts = max(last_pts, packet.pts or 0)
        for frame in packet.decode():
            shown = max(shown, frame.pts or 0)
    if shown < last_pts:
        raise _wrong("its last picture can't be decoded")


def _wrong(what: str) -> WorkError:
    return WorkError(FailKind.TRANSIENT, f"the clip is not whole: {what}")
