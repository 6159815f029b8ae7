"""What the loop of enrich costs for each frame: lines of JSON with median, mean and 99th percentile in microseconds.

    .venv/bin/python benchmarks/enrich_loop.py [--rounds 300] [--video FILE]

Each part stands beside a plain peer on the same pictures in the same run: compare those, not runs. The time is that of
the processor, so that others on the machine count little. Pictures come out of a ring's worth of memory in turn, as
from a camera. With a video its frames are taken, else a street is drawn.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from framebus.frame import U8, Frame, PixelFormat
from framebus.messages import Box, ObjectEvent, Phase
from framebus_services.enrich.motion import MotionGate
from framebus_services.enrich.tracker import Detection, Tracker
from framebus_services.processors.best_shot import BestShot
from framebus_services.processors.brightness import Brightness
from framebus_services.processors.linger import Linger
from framebus_services.processors.tamper import Tamper

SLOTS = 8
SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
BOXES = (1, 5, 20, 50)
STEP_S = 0.2
WARM_UP = 20

Step = Callable[[int], object]
"""one measured call; it gets the number of its round"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--video", type=Path)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    street = list(_decoded(given.video)) if given.video else [_drawn(number) for number in range(SLOTS)]
    for size in SIZES:
        frames = [_frame(street[number * len(street) // SLOTS], number, size) for number in range(SLOTS)]
        _tell("motion", size, _motion(frames), given.rounds)
        _tell("peer: MOG2 of 320 x 180", size, _background_subtractor(frames), given.rounds)
        _tell("peer: one copy of the luma", size, _copy(frames), given.rounds)
        for name, step in _processors(frames).items():
            _tell(name, size, step, given.rounds)
    for count in BOXES:
        _tell("tracker", f"{count} boxes", _tracker(count), given.rounds)


def _tell(what: str, of: str, step: Step, rounds: int) -> None:
    taken_us = []
    for number in range(rounds + WARM_UP):
        start_ns = time.thread_time_ns()
        step(number)
        taken_us.append((time.thread_time_ns() - start_ns) / 1_000)
    p50, p99 = np.percentile(taken_us[WARM_UP:], (50, 99))
    figures = {"p50_us": float(p50), "mean_us": float(np.mean(taken_us[WARM_UP:])), "p99_us": float(p99)}
    line = {"what": what, "of": of} | {name: round(us, 1) for name, us in figures.items()} | {"rounds": rounds}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _motion(frames: list[Frame]) -> Step:
    gate = MotionGate()
    return lambda round: gate.find(frames[round % SLOTS].luma, round * STEP_S)


def _copy(frames: list[Frame]) -> Step:
    return lambda round: frames[round % SLOTS].luma.copy()


def _background_subtractor(frames: list[Frame]) -> Step:
    known = cv2.createBackgroundSubtractorMOG2(detectShadows=False)

    def find(round: int) -> object:
        small = cv2.resize(frames[round % SLOTS].luma, (320, 180), interpolation=cv2.INTER_AREA)
        return cv2.findContours(known.apply(small), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)

    return find


def _processors(frames: list[Frame]) -> dict[str, Step]:
    """Each on every frame; `tamper` looks at two a second, so its cost for each look is told too."""
    brightness, tamper, looking = Brightness(), Tamper(), Tamper()
    best, linger = BestShot(), Linger(after_s=5.0, zones=["near"])
    seen = [_seen(frame) for frame in frames]
    task = best.defer_object(seen[0], frames[0])
    assert task is not None

    def at(round: int, step_s: float) -> Frame:
        frame = frames[round % SLOTS]
        frame.captured_boot_ns = int(round * step_s * 1e9)
        return frame

    return {
        "brightness": lambda round: list(brightness.process_frame(frames[round % SLOTS])),
        "tamper, 25 frames a second": lambda round: list(tamper.process_frame(at(round, 0.04))),
        "tamper, each look": lambda round: list(looking.process_frame(at(round, 0.5))),
        "linger, an object": lambda round: list(linger.process_object(seen[round % SLOTS], at(round, STEP_S))),
        "best_shot, an object": lambda round: best.defer_object(seen[round % SLOTS], frames[round % SLOTS]),
        "best_shot, on its worker": lambda round: best._pictured(task),
        "peer: JPEG of the whole picture": lambda round: cv2.imencode(".jpg", frames[round % SLOTS].luma),
    }


def _tracker(count: int) -> Step:
    chance = np.random.default_rng(1)
    places, speeds = chance.uniform(0, 1_000, (count, 2)), chance.uniform(-100, 100, (count, 2))
    tracker = Tracker()
    rounds = [
        [
            Detection(box=(x, y, 60.0, 60.0), score=0.9, label="car")
            for x, y in (places + speeds * STEP_S * step).tolist()
        ]
        for step in range(50)
    ]
    return lambda round: tracker.update(rounds[min(round % 100, 99 - round % 100)], round * STEP_S)


def _seen(frame: Frame) -> ObjectEvent:
    box = Box(x=frame.width // 3, y=frame.height // 3, width=frame.width // 5, height=frame.height // 4)
    return ObjectEvent(
        camera=frame.camera,
        id="one",
        phase=Phase.UPDATE,
        label="car",
        score=0.9,
        box=box,
        since_at_s=0.0,
        captured_at_s=0.0,
        number=frame.number,
        zones=["near"],
    )


def _frame(luma: U8, number: int, size: str) -> Frame:
    width, height = SIZES[size]
    plane = np.asarray(cv2.resize(luma, (width, height)), np.uint8)
    return Frame(
        camera="street",
        number=number,
        epoch=1,
        pts_us=0,
        captured_at_s=0.0,
        captured_boot_ns=int(number * STEP_S * 1e9),
        width=width,
        height=height,
        pixel_format=PixelFormat.I420,
        payload=np.concatenate((plane.ravel(), np.full(plane.size // 2, 128, np.uint8))),
    )


def _decoded(video: Path) -> Iterator[U8]:
    with av.open(str(video)) as container:
        for number, picture in enumerate(container.decode(video=0)):
            if number % 6 == 0:
                yield np.ascontiguousarray(picture.to_ndarray(format="yuv420p")[: picture.height])


def _drawn(number: int) -> U8:
    """A street with noise, on which two cars drive."""
    chance = np.random.default_rng(1)
    street = cv2.resize(chance.integers(50, 170, (27, 48), np.uint8), (1920, 1080), interpolation=cv2.INTER_CUBIC)
    for x, y in ((200 + 90 * number, 300), (1_500 - 110 * number, 640)):
        street[y : y + 150, x : x + 260] = chance.integers(0, 255, (1, 260), np.uint8)
    noise = np.random.default_rng(number).integers(-4, 5, street.shape)
    drawn: U8 = np.clip(street + noise, 0, 255).astype(np.uint8)
    return drawn


if __name__ == "__main__":
    main()
