"""Regions of motion as objects: parts that are one, and one that is several; a synthetic street, its truth known."""

from datetime import UTC, datetime

import numpy as np
import pytest

from framebus_services.capture.scene import Scene
from framebus_services.enrich.motion import MotionGate
from framebus_services.enrich.regions import Regions
from framebus_services.enrich.tracker import Changes
from services.enrich.scenes import overlap

STEP_S = 0.2
Region = tuple[float, float, float, float]


def shown(regions: Regions, *pictures: list[Region], start_s: float = 0.0, fill: float = 0.7) -> list[Changes]:
    return [
        regions.see(np.array(seen, float), [fill] * len(seen), start_s + number * STEP_S)
        for number, seen in enumerate(pictures)
    ]


def started(changes: list[Changes]) -> list[int]:
    return [track.number for change in changes for track in change.started]


def ended(changes: list[Changes]) -> list[int]:
    return [track.number for change in changes for track in change.ended]


def car(step: int) -> list[Region]:
    return [(20 + 30 * step, 200, 120, 60)]


def parts_of_a_car(step: int) -> list[Region]:
    x = 20 + 30 * step
    return [(x, 205, 40, 50), (x + 55, 200, 30, 20), (x + 70, 235, 50, 25)]


def test_a_car_that_falls_into_parts_stays_one_object() -> None:
    pictures = [parts_of_a_car(step) if step in (4, 5, 7) else car(step) for step in range(12)]

    changes = shown(Regions(width=640, gone_s=2.0), *pictures)

    assert started(changes) == [1]
    assert changes[-1].seen[0].box == pytest.approx(car(11)[0], abs=8)


def test_parts_that_are_near_each_other_begin_one_object() -> None:
    pictures = [[(20 + 30 * step, 200, 50, 60), (75 + 30 * step, 205, 60, 50)] for step in range(6)]

    assert started(shown(Regions(width=640, gone_s=2.0), *pictures)) == [1]


def test_two_that_cross_in_one_region_keep_their_numbers() -> None:
    regions = Regions(width=640, gone_s=2.0)
    pictures = []
    for step in range(20):
        one, other = (20 + 25 * step, 200, 60, 60), (500 - 25 * step, 210, 60, 60)
        left, right = min(one[0], other[0]), max(one[0], other[0]) + 60
        pictures.append([(left, 200, right - left, 70)] if overlap(one, other) else [one, other])

    changes = shown(regions, *pictures)

    assert started(changes) == [1, 2]
    assert ended(changes) == []
    assert {track.number: track.box[0] for track in changes[-1].seen} == pytest.approx({1: 495, 2: 25}, abs=8)


def test_two_that_go_on_as_one_become_one_object_the_older_one() -> None:
    apart = [[(20 + 30 * step, 200, 60, 60), (110 + 30 * step, 200, 60, 60)] for step in range(5)]
    together = [[(20 + 30 * step, 200, 150, 60)] for step in range(5, 15)]

    changes = shown(Regions(width=640, gone_s=2.0), *apart, *together)

    assert started(changes) == [1, 2]
    assert ended(changes) == [2]
    assert [track.number for track in changes[-1].seen] == [1]


def test_what_flickers_in_its_place_is_no_object() -> None:
    flicker = [[(300, 100, 30 + 4 * (step % 3), 30)] for step in range(50)]

    assert started(shown(Regions(width=640, gone_s=2.0), *flicker)) == []


def test_sparse_noise_begins_no_object() -> None:
    moving = [[(20 + 30 * step, 200, 100, 100)] for step in range(10)]

    assert started(shown(Regions(width=640, gone_s=2.0), *moving, fill=0.1)) == []


def test_no_region_at_all_is_no_error() -> None:
    assert not started(shown(Regions(width=640, gone_s=2.0), [], []))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_moves_each_object_starts_once_and_ends_once_after_that(seed: int) -> None:
    chance = np.random.default_rng(seed)
    regions = Regions(width=640, gone_s=1.0)
    corners, speeds = chance.uniform(0, 400, (10, 2)), chance.uniform(-80, 80, (10, 2))
    live: set[int] = set()
    over: set[int] = set()
    for step in range(300):
        at_s = step * STEP_S
        is_seen = chance.random(10) < (0.9 if step < 280 else 0.0)
        sides = chance.uniform(20, 200, (10, 2))
        boxes = np.hstack((corners + speeds * (at_s % 5.0), sides))[is_seen]
        changes = regions.see(boxes, chance.random(len(boxes)).tolist(), at_s)
        for track in changes.started:
            assert track.number not in live | over
            live.add(track.number)
        assert {track.number for track in changes.seen} <= live
        for track in changes.ended:
            live.remove(track.number)
            over.add(track.number)

    assert len(over) > 2
    assert live == set()


@pytest.mark.parametrize("fps", [5.0, 10.0])
def test_each_thing_of_the_synthetic_street_is_one_object_where_it_really_is(fps: float) -> None:
    scene, gate, regions = Scene("front", 640, 360), MotionGate(), Regions(width=640, gone_s=2.0)
    numbers: dict[tuple[str, int], set[int]] = {}  # of each pass of each thing
    passes = dict.fromkeys(("car", "walker", "balloon"), 0)
    near = there = 0
    # From 30 s on: what was there in the first picture left a hole in the background, which is filled by then.
    for step in range(round(60 * fps)):
        at_s = step / fps
        luma = scene.draw(at_s, 0, datetime(2026, 1, 1, tzinfo=UTC))[:360]
        motion = gate.find(np.ascontiguousarray(luma), at_s)
        boxes = np.array([(part.box.x, part.box.y, part.box.width, part.box.height) for part in motion.parts], float)
        changes = regions.see(boxes, [part.fill for part in motion.parts], at_s)
        truth, before = scene.boxes(at_s), scene.boxes(at_s - 1 / fps)
        for name, box in truth.items():
            passes[name] += name not in before
            best = max(changes.seen, key=lambda track: overlap(track.box, box), default=None)
            if at_s >= 31.5 and best is not None and overlap(best.box, box) > 0.3:
                numbers.setdefault((name, passes[name]), set()).add(best.number)
            if at_s >= 31.5:
                there += 1
                near += best is not None and overlap(best.box, box) > 0.3

    print(f"{fps} fps: {numbers}; near the truth in {near} of {there} moments")
    assert len(numbers) >= 5
    assert all(len(each) == 1 for each in numbers.values())
    assert len(set.union(*numbers.values())) == len(numbers)
    assert near > 0.8 * there
