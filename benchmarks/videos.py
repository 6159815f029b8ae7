"""Videos for the benchmarks: encoded as a camera would, and recordings of them as capture leaves them."""

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from framebus.recordings import closed_name, hour_folder
from framebus_services.capture.scene import Scene
from framebus_services.video.mp4 import Mp4Writer

VARIABLE = "FRAMEBUS_BENCH_VIDEO"
CAMERA = "front"
START_S = 1_790_000_000.0
SEGMENT_S = 10.0
SOUND_HZ = 48_000
ENCODER = {"preset": "ultrafast", "x264-params": "cabac=1:8x8dct=1:no-deblock=0:scenecut=0"}
"""fast to make, and to decode as dear as what cameras send"""
NOISE = 6
"""of the drawn pictures, to either side: a sensor's, so that packets are as large as those of a camera"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a camera sends."""

    width: int
    height: int
    fps: int
    key_s: int = 2
    bits_per_s: int
    b_frames: int = 0
    has_sound: bool = False


def add_video_option(parser: ArgumentParser) -> None:
    """`--video FILE`; where it is not given a street is drawn."""
    given = os.environ.get(VARIABLE)
    text = f"pictures of this file instead of a drawn street; or ${VARIABLE}"
    parser.add_argument("--video", type=Path, default=Path(given) if given else None, help=text)


def encode_video(path: Path, shape: Shape, seconds: int, source: Path | None = None) -> Path:
    """Write `seconds` of video, of the pictures in `source` or drawn ones."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=shape.fps, options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
        stream.bit_rate = shape.bits_per_s
        context = stream.codec_context
        context.gop_size, context.max_b_frames = shape.fps * shape.key_s, shape.b_frames
        sound: Any = container.add_stream("aac", rate=SOUND_HZ, layout="mono") if shape.has_sound else None
        for number, picture in enumerate(islice(_pictures(shape, source), seconds * shape.fps)):
            frame = picture.reformat(shape.width, shape.height, "yuv420p")
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, shape.fps), 0
            container.mux(stream.encode(frame))
            if sound:
                container.mux(sound.encode(_noise(number, shape.fps)))
        container.mux(stream.encode(None))
        if sound:
            container.mux(sound.encode(None))
    return path


def record_video(data: Path, video: Path, seconds: float) -> list[Path]:
    """Play a video over and over into segments below `data`, each closed at the first key frame after 10 s."""
    paths: list[Path] = []
    at_s = Fraction(0)
    while at_s < seconds:
        start_s = START_S + float(at_s)
        part = data / "part.mp4"
        length_s = Fraction(0)
        with av.open(str(video)) as source:
            streams = [source.streams.video[0], *source.streams.audio]
            writer = Mp4Writer(part, streams)
            for packet in source.demux(streams):
                if packet.dts is not None and packet.pts is not None:
                    if packet.stream_index == streams[0].index:
                        length_s = max(length_s, (packet.pts + (packet.duration or 0)) * packet.time_base)
                    writer.mux(packet, packet.stream_index)
            writer.close()
        folder = hour_folder(data, CAMERA, start_s)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / closed_name(round(start_s * 1_000), round(length_s * 1_000))
        paths.append(part.rename(path))
        at_s += Fraction(round(length_s * 1_000), 1_000)
    return paths


def _pictures(shape: Shape, source: Path | None) -> Iterator[av.VideoFrame]:
    if source is None:
        yield from _drawn(shape)
        return
    while True:
        with av.open(str(source)) as container:
            yield from container.decode(video=0)


def _drawn(shape: Shape) -> Iterator[av.VideoFrame]:
    """A street with things that move, as a sensor with noise sees it."""
    scene = Scene(CAMERA, shape.width, shape.height)
    chance = np.random.default_rng(1)
    noises = cycle(
        [chance.integers(-NOISE, NOISE + 1, (shape.height * 3 // 2, shape.width), np.int16) for _ in "12345"]
    )
    for number, noise in enumerate(noises):
        at = datetime.fromtimestamp(START_S + number // shape.fps, UTC)
        picture = scene.draw(number / shape.fps, number, at)
        yield av.VideoFrame.from_ndarray(np.clip(picture + noise, 0, 255).astype(np.uint8), format="yuv420p")


def _noise(number: int, fps: int) -> av.AudioFrame:
    samples = SOUND_HZ // fps
    quiet = np.random.default_rng(number).uniform(-0.05, 0.05, (1, samples)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(quiet, format="fltp", layout="mono")
    frame.rate, frame.pts, frame.time_base = SOUND_HZ, number * samples, Fraction(1, SOUND_HZ)
    return frame
