"""Looks into uploaded files, which may be hostile: runs in a `WorkerProcess` with a limit on its memory and time."""

import hashlib
import os
import time
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from framebus_services.video.formats import MAX_PICTURE_PIXELS, VIDEOS

os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MAX_PICTURE_PIXELS)  # before cv2 is imported

import av
import cv2
import numpy as np
from av.container import InputContainer
from msgspec.structs import replace

from framebus_services.below import NotPlainError, open_below
from framebus_services.ingest.files import check_own, stamp_of
from framebus_services.ingest.look import Look, Looked
from framebus_services.ingest.names import Kind
from framebus_services.ingest.reason import Reason
from framebus_services.ingest.wholeness import image_problem

MAX_IMAGE_BYTES = 256 * 1024 * 1024
DECODE_S = 5.0
"""for the pictures of a video; the rest of it is then only read"""
READ_S = 10.0
"""for each read of a video"""
TAIL_S = 2.0
"""the end of a video is looked for in so much of it"""
MISSING_S = 1.0
"""a video that ends so much earlier than it says is cut off"""


class _BrokenError(Exception):
    """The content does not decode."""


def look(task: Look) -> Looked:
    """What the file is; never raises for what a file may be."""
    try:
        file = os.fdopen(open_below(Path(task.root), task.path), "rb")
    except NotPlainError as error:
        return Looked(reason=Reason(error.reason), text=str(error))
    except OSError as error:
        return _unread(error)
    with file:
        try:
            check_own(os.fstat(file.fileno()))
        except NotPlainError as error:
            return Looked(reason=Reason(error.reason), text=str(error))
        before = stamp_of(os.fstat(file.fileno()))
        looked = Looked(stamp=before)
        if before.size_bytes > task.max_bytes:
            text = f"it has {before.size_bytes} bytes; at most {task.max_bytes} are taken (services.ingest.max_bytes)"
            return replace(looked, reason=Reason.TOO_LARGE, text=text)
        if task.kind is Kind.IMAGE and before.size_bytes > MAX_IMAGE_BYTES:
            return replace(looked, reason=Reason.BROKEN, text=f"a picture of more than {MAX_IMAGE_BYTES} bytes")
        try:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            if task.kind is Kind.IMAGE:
                _check_image(file)
            else:
                _check_video(file, task.path)
        except _BrokenError as error:
            return replace(looked, reason=Reason.BROKEN, text=str(error))
        except OSError as error:
            return _unread(error)
        if stamp_of(os.fstat(file.fileno())) != before:
            return Looked(reason=Reason.CHANGED, text="it changed while it was read")
        return replace(looked, sha256=sha256)


def _unread(error: OSError) -> Looked:
    """No fault of the file: rights that are missing, a share that is away, a disk that fails."""
    if isinstance(error, FileNotFoundError):
        return Looked(reason=Reason.GONE, text="it is gone")
    return Looked(reason=Reason.UNREAD, text=f"it can't be read: {error.strerror or error}")


def _check_image(file: BinaryIO) -> None:
    """Raises _BrokenError for one that does not decode whole."""
    content = file.read(MAX_IMAGE_BYTES)
    if problem := image_problem(content):
        raise _BrokenError(problem)
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        wrong = f"it does not decode: {error.err or error}"
        if "pixels" in str(error).lower() or "CV_IO_MAX_IMAGE" in str(error):
            wrong = f"it has more than {MAX_PICTURE_PIXELS // 1_000_000} million pixels"
        raise _BrokenError(wrong) from None
    if picture is None:
        raise _BrokenError("it does not decode")


def _check_video(file: BinaryIO, path: str) -> None:
    """Raises _BrokenError for one whose first or last picture does not decode."""
    until_s = time.monotonic() + DECODE_S
    try:
        with av.open(file, "r", format=VIDEOS[PurePosixPath(path).suffix.lower()], timeout=READ_S) as container:
            if not container.streams.video:
                raise _BrokenError("it holds no video")
            video = container.streams.video[0]
            video.thread_type = "NONE"
            if next(container.decode(video), None) is None:
                raise _BrokenError("its first picture does not decode")
            length_s = container.duration / av.time_base if container.duration else 0.0
            begin_s = (container.start_time or 0) / av.time_base
            end_s = _last_picture_s(container, begin_s + length_s, until_s)
            if end_s is None:
                raise _BrokenError("it is cut off: its last pictures are missing")
            missing_s = begin_s + length_s - end_s
            if length_s and missing_s > max(MISSING_S, 0.02 * length_s):
                raise _BrokenError(f"it is cut off: it should last {length_s:.1f} s, and {missing_s:.1f} s are missing")
    except av.FFmpegError as error:
        raise _BrokenError(f"it does not open as a video: {error.strerror}") from None


def _last_picture_s(container: InputContainer, end_s: float, until_s: float) -> float | None:
    """The time of the last picture that decodes."""
    video = container.streams.video[0]
    if end_s > TAIL_S:
        container.seek(int((end_s - TAIL_S) * av.time_base), backward=True)
    last_s = None
    for packet in container.demux(video):
        # A long way from the last key frame, or a file that does not say how long it is: the rest is only read.
        parts = packet.decode() if time.monotonic() < until_s else [packet]
        for part in parts:
            if part.pts is not None and part.time_base is not None:
                last_s = max(last_s or 0.0, float(part.pts * part.time_base))
    return last_s
