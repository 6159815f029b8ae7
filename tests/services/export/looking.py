"""Looks at clips as players do, and into their boxes, for tests."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from media import Luma, frame_number, luma_of


@dataclass(frozen=True)
class Shown:
    """What a player shows of a file."""

    numbers: list[int]
    times_s: list[float]
    duration_s: float
    packets: int
    """in the file, hidden ones too"""
    size: tuple[int, int]
    sound_s: tuple[float, float] | None
    """from and to"""


def look(path: Path) -> Shown:
    """Play a file to its end."""
    with av.open(str(path)) as container:
        packets = sum(1 for packet in container.demux(video=0) if packet.size)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = [(frame_number(luma_of(frame)), float(frame.time or 0.0)) for frame in container.decode(video)]
        duration_s = float((video.duration or 0) * (video.time_base or 0))
        size = (video.width, video.height)
    sound_s = _sound(path)
    return Shown([number for number, _ in frames], [at_s for _, at_s in frames], duration_s, packets, size, sound_s)


def edit_lists(path: Path) -> list[tuple[int, int]]:
    """Duration and media time of each track's edit list of one entry, as the box `elst` has them."""
    data, found = path.read_bytes(), []
    at = data.find(b"elst")
    while at >= 0:
        words = [int.from_bytes(data[at + 4 * word : at + 4 * word + 4], "big", signed=True) for word in range(1, 5)]
        assert words[1] == 1
        found.append((words[2], words[3]))
        at = data.find(b"elst", at + 4)
    return found


def lumas(path: Path, first: int, count: int) -> list[Luma]:
    """The brightness of some pictures of a file."""
    with av.open(str(path)) as container:
        frames = [luma_of(frame) for number, frame in enumerate(container.decode(video=0)) if number >= first]
    return frames[:count]


def psnr(one: Luma, other: Luma) -> float:
    """How alike two pictures of one size are, in dB: above 30 they look the same."""
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return 100.0 if error == 0 else float(10 * np.log10(255.0**2 / error))


def _sound(path: Path) -> tuple[float, float] | None:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        frames = [(float(frame.time or 0.0), frame.samples / frame.sample_rate) for frame in container.decode(audio=0)]
    return frames[0][0], frames[-1][0] + frames[-1][1]
