"""Makes small test videos whose frames carry their own number, and reads the numbers back, for tests."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

BITS_ACROSS, BITS_DOWN = 8, 2  # 16 blocks, the highest bit first, in the top quarter of the picture
TOP_SHARE = 4
BLACK, GREY, WHITE = 16, 110, 235
AUDIO_RATE_HZ = 48_000
ENCODER_OPTIONS = {
    "libx264": {"preset": "ultrafast", "x264-params": "scenecut=0"},
    "mjpeg": {"strict": "unofficial"},
    "libx265": {"preset": "ultrafast", "x265-params": "scenecut=0:log-level=none"},
}

Luma = NDArray[np.uint8]


def make_video(
    path: Path | str,
    *,
    seconds: float,
    fps: int = 10,
    width: int = 320,
    height: int = 240,
    gop_frames: int = 10,
    b_frames: int = 0,
    audio: bool = False,
    codec: str = "libx264",
) -> None:
    """Write a video of `round(seconds * fps)` frames, numbered from 0, in the container the name's ending asks for.

    `width` and `height` are even; up to 65,536 frames. With `audio` there is a quiet AAC tone of the same length.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps, options=ENCODER_OPTIONS.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = gop_frames
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        sound: Any = container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono") if audio else None
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
            if sound:
                container.mux(sound.encode(_tone(number, fps)))
        container.mux(stream.encode(None))
        if sound:
            container.mux(sound.encode(None))


def picture(number: int, width: int, height: int) -> Luma:
    """The frame with this number as planar I420: the number's bits on top, a white square wandering below."""
    yuv = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    luma = yuv[:height]
    luma[:] = GREY
    for bit in range(BITS_ACROSS * BITS_DOWN):
        rows, columns = _block(bit, height, width)
        luma[rows, columns] = WHITE if number >> (BITS_ACROSS * BITS_DOWN - 1 - bit) & 1 else BLACK
    side = height // 6
    x = number * max(2, width // 40) % (width - side)
    y = height // 2 + number * 2 % max(1, height // 2 - side)
    luma[y : y + side, x : x + side] = WHITE
    return yuv


def frame_number(luma: Luma) -> int:
    """The number a decoded luma plane shows; its size may differ from the one the video was made with."""
    height, width = luma.shape
    number = 0
    for bit in range(BITS_ACROSS * BITS_DOWN):
        rows, columns = _block(bit, height, width, middle=True)
        number = number << 1 | int(luma[rows, columns].mean() > (BLACK + WHITE) / 2)
    return number


def luma_of(frame: av.VideoFrame) -> Luma:
    """The luma plane of a decoded planar YUV frame, copied."""
    plane = frame.planes[0]
    return np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def frames_of(path: Path | str) -> list[int]:
    """The numbers of all frames of a file, in the order of showing."""
    with av.open(str(path)) as container:
        return [frame_number(luma_of(frame)) for frame in container.decode(video=0)]


def packets_of(path: Path | str) -> list[bytes]:
    """The payloads of all video packets of a file, in the order of decoding."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def _block(bit: int, height: int, width: int, *, middle: bool = False) -> tuple[slice, slice]:
    """Rows and columns of a bit's block; with `middle` only its inner half, away from blurred edges."""
    inset = 0.25 if middle else 0.0
    row, column = divmod(bit, BITS_ACROSS)
    high, wide = height / TOP_SHARE / BITS_DOWN, width / BITS_ACROSS
    return (
        slice(round((row + inset) * high), round((row + 1 - inset) * high)),
        slice(round((column + inset) * wide), round((column + 1 - inset) * wide)),
    )


def _tone(number: int, fps: int) -> av.AudioFrame:
    """The sound that lies under one video frame."""
    first, end = number * AUDIO_RATE_HZ // fps, (number + 1) * AUDIO_RATE_HZ // fps
    wave = 0.1 * np.sin(2 * np.pi * 440 / AUDIO_RATE_HZ * np.arange(first, end, dtype=np.float32))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE_HZ, first, Fraction(1, AUDIO_RATE_HZ)
    return frame
