"""The pictures of a file: one of an image, the key frames of a video."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from framebus.analyser import AnalysedFile
from framebus.errors import ErrorCode
from framebus.job_requests import FailKind
from framebus.runner import WorkError
from framebus_services.video.formats import VIDEOS

Bgr = npt.NDArray[np.uint8]


def read_pictures(file: AnalysedFile) -> Iterator[tuple[float, float, Bgr]]:
    """The picture, or the key frames: each with its time in seconds, and how much of the file is done, 0 to 1.

    Raises WorkError for a file that does not decode.
    """
    if not file.is_video:
        yield 0.0, 1.0, _read_image(file)
        return
    opened_as = VIDEOS.get(PurePosixPath(_name_of(file)).suffix.lower())
    if opened_as is None:
        raise _broken(file, f"its name ends in none of {' '.join(VIDEOS)}")
    try:
        with av.open(str(file.path), "r", format=opened_as) as container:
            video = container.streams.video[0]
            video.thread_type = "NONE"
            video.codec_context.skip_frame = "NONKEY"
            length_s = container.duration / av.time_base if container.duration else 0.0
            begin_s = (container.start_time or 0) / av.time_base
            for frame in container.decode(video):
                at_s = 0.0 if frame.pts is None else float(frame.pts * (frame.time_base or 0)) - begin_s
                picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                yield at_s, min(1.0, at_s / length_s) if length_s else 0.5, picture
    except (av.FFmpegError, IndexError) as error:
        raise _broken(file, getattr(error, "strerror", None) or error) from None


def read_middle(file: AnalysedFile) -> Bgr:
    """The picture, or the key frame in the middle of a video."""
    chosen: Any = None
    for _, share, picture in read_pictures(file):
        if chosen is None or share <= 0.5:
            chosen = picture
        if share >= 0.5:
            break
    if chosen is None:
        raise _broken(file, "it holds no picture")
    return chosen  # type: ignore[no-any-return]


def _read_image(file: AnalysedFile) -> Bgr:
    try:
        picture = cv2.imdecode(np.frombuffer(file.path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _broken(file, error.err or error) from None
    if picture is None:
        raise _broken(file, "it does not decode")
    return np.asarray(picture, np.uint8)


def _name_of(file: AnalysedFile) -> str:
    return file.name or file.path.name


def _broken(file: AnalysedFile, why: object) -> WorkError:
    return WorkError(FailKind.PERMANENT, f"{_name_of(file)} can't be read: {why}", ErrorCode.NO_SOURCE)
