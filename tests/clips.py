"""Looks at a clip as a player would: opens it, counts its packets, decodes it all."""

from dataclasses import dataclass
from pathlib import Path

import av


@dataclass(frozen=True)
class Clip:
    codec: str
    width: int
    height: int
    packets: int
    frames: int
    duration_s: float


def probe(path: Path) -> Clip:
    """What is in a clip; raises av.error.FFmpegError when it does not play."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        duration_s = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    return Clip(stream.codec.name, stream.width, stream.height, len(packets), frames, duration_s)
