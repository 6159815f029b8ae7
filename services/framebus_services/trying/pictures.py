"""The pictures of a video, a folder of pictures or the synthetic camera as frames: all of them, in order."""

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from framebus.addresses import Kind, Screen, parse_address
from framebus.errors import FramebusError
from framebus.frame import U8, Frame, PixelFormat
from framebus.settings import Detect
from framebus_services.capture.sampling import FrameGate, picture_size
from framebus_services.capture.scene import Scene
from framebus_services.video.opening import open_video

CAMERA = "video"
PICTURES = (".jpg", ".jpeg", ".png")
PICTURE_FPS = 10.0
"""of a folder of pictures"""
SYNTHETIC_S = 30.0
BOOT_S = 1_000.0
"""boot time of the first frame"""
OPTIONS = {"protocol_whitelist": "file,crypto,data"}
_ANY_SIZE = Detect()


class SourceError(FramebusError):
    """There are no pictures in this source, or no more; the text says why."""


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """One picture and its time, seconds from the start."""

    at_s: float
    payload: U8
    width: int
    height: int


def read_pictures(source: str, fps: float | None, start_at_s: float) -> Generator[Frame, None, None]:
    """Every frame of a source, in order, or `fps` of each second; raises SourceError, ConfigError.

    The first is from the wall time `start_at_s`.
    """
    gate = FrameGate(fps).passes if fps is not None else lambda at_s: True
    number = 0
    for picture in _open(source, fps, gate):
        number += 1
        yield Frame(
            camera=CAMERA,
            number=number,
            epoch=1,
            pts_us=round(picture.at_s * 1e6),
            captured_at_s=start_at_s + picture.at_s,
            captured_boot_ns=round((BOOT_S + picture.at_s) * 1e9),
            width=picture.width,
            height=picture.height,
            pixel_format=PixelFormat.I420,
            payload=picture.payload,
        )
    if not number:
        raise SourceError(f"{source}: there is no picture in it")


def _open(source: str, fps: float | None, wanted: Callable[[float], bool]) -> Iterator[_Picture]:
    address = parse_address(source, "--source")
    if address.kind is Kind.SYNTHETIC:
        return _draw(address.screen, wanted)
    if address.kind is not Kind.FILE:
        raise SourceError("--source: a camera can't be wound back; record a minute of it, and try that file")
    path = Path(address.url)
    if not path.exists():
        raise SourceError(f"--source: there is no file {path}")
    return _read_folder(path, fps or PICTURE_FPS) if path.is_dir() else _decode(path, wanted)


def _decode(path: Path, wanted: Callable[[float], bool]) -> Iterator[_Picture]:
    reformatter = VideoReformatter()
    first_s: float | None = None
    at_s = 0.0
    try:
        with open_video(f"file:{path}", options=OPTIONS) as container:
            if not container.streams.video:
                raise SourceError(f"{path}: there is no video in it")
            for frame in container.decode(container.streams.video[0]):
                shown_s = frame.time if frame.time is not None else at_s
                first_s = shown_s if first_s is None else first_s
                at_s = max(at_s, shown_s - first_s)
                if wanted(at_s):
                    yield _of_video(frame, at_s, reformatter)
    except (av.FFmpegError, OSError) as error:
        what = "is no video that can be read" if first_s is None else f"is broken after {at_s:.1f} s"
        raise SourceError(f"{path} {what}: {error.strerror or error}") from None


def _of_video(frame: VideoFrame, at_s: float, reformatter: VideoReformatter) -> _Picture:
    width, height = picture_size(frame.width, frame.height, _ANY_SIZE)
    frame = reformatter.reformat(
        frame, width, height, "yuv420p", interpolation=Interpolation.AREA, dst_color_range=ColorRange.MPEG, threads=1
    )
    payload = frame.to_ndarray().reshape(-1).astype(np.uint8, copy=False)
    return _Picture(at_s=at_s, payload=payload, width=width, height=height)


def _read_folder(folder: Path, fps: float) -> Iterator[_Picture]:
    names = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES]
    if not names:
        raise SourceError(f"{folder}: has no pictures; they end in {', '.join(PICTURES)}")
    for number, path in enumerate(sorted(names, key=_in_counting_order)):
        bgr = (
            cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
        )
        if bgr is None:
            raise SourceError(f"{path} is no picture that can be read")
        width, height = picture_size(bgr.shape[1], bgr.shape[0], _ANY_SIZE)
        if (width, height) != (bgr.shape[1], bgr.shape[0]):
            bgr = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
        payload = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8).reshape(-1)
        yield _Picture(at_s=number / fps, payload=payload, width=width, height=height)


def _in_counting_order(path: Path) -> list[tuple[int, str]]:
    """So that picture 10 comes after picture 9."""
    return [(int(digits or 0), text) for text, digits in re.findall(r"(\D*)(\d*)", path.name)]


def _draw(screen: Screen, wanted: Callable[[float], bool]) -> Iterator[_Picture]:
    scene = Scene(CAMERA, screen.width, screen.height)
    for number in count():
        at_s = number / screen.fps
        if at_s >= SYNTHETIC_S:
            return
        if wanted(at_s):
            payload = scene.draw(at_s, number, datetime.fromtimestamp(at_s)).reshape(-1)
            yield _Picture(at_s=at_s, payload=payload, width=screen.width, height=screen.height)
