"""Goals 1 to 3: pictures from one process to others, beside what a user would take: `python -m benchmarks.frames`.

Ours is the whole way as a user writes it: RingWriter and a notice on the bus, the group's proxy (its processor time is
counted), `framebus.frames` with its checks. Each consumer looks at a byte of every page. None loses a frame.
"""

import argparse
from collections.abc import Callable
from functools import partial

from benchmarks.goals import (
    ADDED,
    BARE_RING,
    CPU_FRAME_US,
    FIVE_MEGAPIXELS,
    FRAMES_S,
    FRIGATE_SHM,
    ICEORYX,
    IMAGEZMQ_PUB,
    IMAGEZMQ_REQ,
    ONE,
    PACED,
    SIZES,
    STOPPED,
    THREE,
)
from benchmarks.seen import OURS, Figures, in_turns, tell
from benchmarks.stream import stream
from benchmarks.torn import TORN
from benchmarks.transports import ARRAYS_IN_QUEUE, ARRAYS_IN_ZMQ, TRANSPORTS

SHAPES = {"360p": (360, 640, 3), "720p": (720, 1280, 3), "1080p": (1080, 1920, 3)}
FULL_HD = SHAPES["1080p"]
MONO = (2048, 2448)
MONO_FPS = 60.0
FPS = 30.0

Run = Callable[[], Figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    is_quick = parser.parse_args().quick
    full_s, paced_s = (0.15, 0.3) if is_quick else (1.0, 2.0)

    def turns(goal: int, case: str, systems: dict[str, Run], runs: int) -> None:
        for line in in_turns(goal, case, systems, 1 if is_quick else runs):
            tell(line)

    one = (
        OURS,
        BARE_RING,
        ICEORYX,
        IMAGEZMQ_REQ,
        IMAGEZMQ_PUB,
        FRIGATE_SHM,
        ARRAYS_IN_ZMQ,
        ARRAYS_IN_QUEUE,
    )
    turns(1, ONE, {name: partial(_full_speed, name, 1, full_s) for name in one}, 5)
    three = (OURS, BARE_RING, ICEORYX, IMAGEZMQ_PUB, FRIGATE_SHM, ARRAYS_IN_ZMQ)
    turns(1, THREE, {name: partial(_full_speed, name, 3, full_s) for name in three}, 3)
    paced = (OURS, BARE_RING, ICEORYX, IMAGEZMQ_REQ, FRIGATE_SHM)
    turns(2, PACED, {name: partial(_paced, name, paced_s) for name in paced}, 5)
    for size in SIZES:
        turns(2, ADDED.format(size=size), {OURS: partial(_added, SHAPES[size], paced_s)}, 5)
    turns(3, STOPPED, {name: partial(torn, is_quick=is_quick) for name, torn in TORN.items()}, 2)
    turns(2, FIVE_MEGAPIXELS, {OURS: partial(_five_megapixels, paced_s)}, 2)


def _full_speed(name: str, consumers: int, seconds: float) -> Figures:
    seen = stream(TRANSPORTS[name], FULL_HD, consumers=consumers, seconds=seconds)
    return {FRAMES_S: seen.frames_s, CPU_FRAME_US: seen.cpu_us, "wrong frames": seen.wrong}


def _paced(name: str, seconds: float) -> Figures:
    seen = stream(TRANSPORTS[name], FULL_HD, consumers=1, seconds=seconds, fps=FPS)
    return {CPU_FRAME_US: seen.cpu_us, "p50 us": seen.p50_us, "p99 us": seen.p99_us}


def _added(shape: tuple[int, ...], seconds: float) -> Figures:
    """What each of two more consumers adds to the processor time of all, apart from its looking at the pixels."""
    runs = [
        stream(TRANSPORTS[OURS], shape, consumers=consumers, seconds=seconds, fps=FPS, looked_at_bytes=4_096)
        for consumers in (1, 3)
    ]
    cpu_us = [run.cpu_us for run in runs]
    return {CPU_FRAME_US: (cpu_us[1] - cpu_us[0]) / 2}


def _five_megapixels(seconds: float) -> Figures:
    seen = stream(TRANSPORTS[OURS], MONO, consumers=1, seconds=seconds, fps=MONO_FPS)
    return {
        "% of a core": seen.cpu_us * MONO_FPS / 1e4,
        "% of a core, writer and proxy": seen.producer_cpu_us * MONO_FPS / 1e4,
        FRAMES_S: seen.frames_s,
        "p99 us": seen.p99_us,
        "lost or wrong": seen.wrong,
    }


if __name__ == "__main__":
    main()
