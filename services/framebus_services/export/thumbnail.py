"""A small picture of a clip."""

from pathlib import Path

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framebus_services.export.pace import Pace
from framebus_services.video.jpeg import encode_bgr
from framebus_services.video.opening import BY_INDEX, open_video
from framebus_services.video.packets import time_base

MAX_WIDTH = 640
ROUNDING_S = 0.001


def write_thumbnail(clip: Path, at_s: float, target: Path, *, is_exact: bool, pace: Pace) -> None:
    """Write the picture that the clip shows at `at_s` into `target` as JPEG; if not `is_exact`, the key frame before.

    Where nothing is shown at that moment it is the newest picture before it. Raises ValueError when there is none that
    can be decoded, OSError when the disk is full, Stopped.
    """
    try:
        with open_video(str(clip), format="mp4", options=BY_INDEX) as container:
            video = container.streams.video[0]
            video.codec_context.thread_count = 1
            if not is_exact:
                video.codec_context.skip_frame = "NONKEY"
            frame = _picture(container, video, at_s + ROUNDING_S, is_exact, pace)
            if frame is None:
                raise ValueError(f"{clip.name} shows nothing at {at_s:.3f} s")
            width = min(frame.width, MAX_WIDTH)
            height = max(2, round(frame.height * width / frame.width / 2) * 2)
            picture = frame.reformat(width, height, "bgr24").to_ndarray()
    except av.FFmpegError as error:
        raise ValueError(f"{clip.name}: {error.strerror}") from None
    target.write_bytes(encode_bgr(picture))


def _picture(
    container: InputContainer, video: VideoStream, at_s: float, is_exact: bool, pace: Pace
) -> VideoFrame | None:
    container.seek(round(at_s * av.time_base))
    newest: VideoFrame | None = None
    for frame in container.decode(video):
        pace(1.0)
        if newest is not None and float((frame.pts or 0) * time_base(video)) > at_s:
            break
        newest = frame
        if not is_exact:
            break
    return newest
