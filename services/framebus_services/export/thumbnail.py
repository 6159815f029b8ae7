"""A small picture of a clip."""

from pathlib import Path

import av

from framebus_services.video.jpeg import encode_bgr
from framebus_services.video.opening import open_video

MAX_WIDTH = 640


def write_thumbnail(clip: Path, at_s: float, target: Path) -> None:
    """Write the clip's key frame at or before `at_s` into `target` as JPEG.

    Raises ValueError when the frame can't be decoded, OSError when the disk is full.
    """
    with open_video(str(clip), format="mp4") as container:
        video = container.streams.video[0]
        video.codec_context.skip_frame = "NONKEY"
        video.codec_context.thread_count = 1
        container.seek(round((at_s + 0.001) * av.time_base))
        frame = next(container.decode(video), None)
        if frame is None:
            raise ValueError(f"{clip.name} shows nothing at {at_s:.3f} s")
        width = min(frame.width, MAX_WIDTH)
        height = max(2, round(frame.height * width / frame.width / 2) * 2)
        picture = frame.reformat(width, height, "bgr24").to_ndarray()
    target.write_bytes(encode_bgr(picture))
