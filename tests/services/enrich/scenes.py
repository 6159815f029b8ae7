"""Things that move as known, seen with noise and gaps: what the tracker makes of them is counted against the truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from framebus_services.enrich.tracker import Detection, Tracker

LEAST_OVERLAP = 0.3

Place = Callable[[float], tuple[float, float] | None]
"""where the middle of a thing is at a time; None while it is not in the picture"""


@dataclass(frozen=True, kw_only=True)
class Thing:
    place: Place
    size: tuple[float, float] = (60.0, 60.0)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How well the tracker did."""

    switches: int
    """how often a thing got another number than before"""
    objects: int
    """how many objects were started in all"""
    seen: float
    """share of the moments a thing was there of which an object told where it is"""


def line(x: float, y: float, across: float, down: float, *, end_s: float = 1e9) -> Place:
    return lambda at_s: (x + across * at_s, y + down * at_s) if at_s < end_s else None


def judge(
    things: Sequence[Thing],
    *,
    seconds: float,
    fps: float = 5.0,
    noise: float = 2.0,
    missed: float = 0.0,
    false_alarms: int = 0,
    hidden: float = 0.0,
    seed: int = 1,
) -> Verdict:
    """Show the things to a tracker. `missed` is the share of sights left out, `false_alarms` how many a picture has
    that are nothing, `hidden` the share of overlap from which the thing behind, the later one, is not seen."""
    chance = np.random.default_rng(seed)
    tracker = Tracker()
    numbers: dict[int, int] = {}
    switches = started = there = told = 0
    for step in range(int(seconds * fps)):
        at_s = step / fps
        truth = {
            index: (at[0] - thing.size[0] / 2, at[1] - thing.size[1] / 2, *thing.size)
            for index, thing in enumerate(things)
            if (at := thing.place(at_s)) is not None
        }
        shown: list[tuple[float, float, float, float]] = []
        for box in truth.values():
            is_hidden = hidden > 0.0 and any(overlap(box, other) > hidden for other in shown)
            if not is_hidden and chance.random() >= missed:
                shown.append(box)
        seen = [tuple(np.array(box) + chance.normal(0.0, noise, 4)) for box in shown]
        seen += [(*chance.uniform((0, 0), (1_200, 650)), 40.0, 40.0) for _ in range(false_alarms)]
        order = chance.permutation(len(seen))
        changes = tracker.update([Detection(box=seen[n], score=0.9, label="x") for n in order], at_s)
        started += len(changes.started)
        live = {track.number: track.box for track in (*changes.started, *changes.seen)}
        there += len(truth)
        # Who has a number keeps it for as long as that is near; the others get what is left: as MOT challenges count.
        for index, box in sorted(truth.items(), key=lambda item: item[0] not in numbers):
            near = {number: overlap(box, at) for number, at in live.items() if overlap(box, at) > LEAST_OVERLAP}
            if near:
                told += 1
                number = numbers[index] if numbers.get(index) in near else max(near, key=lambda each: near[each])
                switches += numbers.get(index, number) != number
                numbers[index] = number
                del live[number]
    return Verdict(switches=switches, objects=started, seen=told / max(1, there))


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0.0, wide) * max(0.0, high)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
