"""The motion gate on drawn pictures: what moves is boxed, and light, noise and shaking are not."""

import numpy as np
import pytest

from framebus.frame import U8
from framebus.messages import Box
from framebus_services.enrich.motion import MotionGate
from services.enrich.drawn import HEIGHT, WIDTH, scene, with_square

STEP_S = 0.2


def watched(gate: MotionGate, *pictures: U8, start_s: float = 0.0) -> list[list[Box]]:
    """What the gate finds in pictures that come five times a second."""
    return [gate.find(picture, start_s + number * STEP_S).boxes for number, picture in enumerate(pictures)]


def lit(picture: U8, factor: float) -> U8:
    return np.clip(picture * factor, 0, 255).astype(np.uint8)


def test_nothing_moves_in_the_first_picture() -> None:
    assert watched(MotionGate(), with_square(scene(), 100, 100)) == [[]]


def test_a_new_object_is_boxed_where_it_is_in_pixels_of_the_given_picture() -> None:
    found = watched(MotionGate(), scene(), scene(), with_square(scene(), 200, 120, side=60))[-1]

    assert len(found) == 1
    box = found[0]
    edges = (box.x, box.y, box.x + box.width, box.y + box.height)
    assert np.abs(np.array(edges) - (200, 120, 260, 180)).max() <= 6


def test_the_area_is_the_share_of_the_picture_that_changed() -> None:
    gate = MotionGate()
    gate.find(scene(), 0.0)

    motion = gate.find(with_square(scene(), 200, 120, side=120), STEP_S)

    assert motion.area == pytest.approx(120 * 120 / (WIDTH * HEIGHT), rel=0.15)


@pytest.mark.parametrize("size", [(1920, 1080), (704, 576), (321, 243), (160, 120)])
def test_boxes_are_true_and_inside_the_picture_at_any_size(size: tuple[int, int]) -> None:
    width, height = size
    side = height // 4
    still = scene(width=width, height=height)
    object_at_the_edge = with_square(still, width - side, height - side, side=side)

    found = watched(MotionGate(), still, object_at_the_edge)[-1]

    assert len(found) == 1
    box = found[0]
    slack = 4 * -(-width // 320)
    assert abs(box.x - (width - side)) <= slack
    assert abs(box.y - (height - side)) <= slack
    assert width - slack <= box.x + box.width <= width
    assert height - slack <= box.y + box.height <= height


def test_objects_that_are_apart_have_boxes_of_their_own() -> None:
    both = with_square(with_square(scene(), 60, 60), 400, 200, value=0)

    assert len(watched(MotionGate(), scene(), both)[-1]) == 2


def test_parts_that_touch_are_one_object() -> None:
    two_parts = with_square(with_square(scene(), 200, 100), 264, 130)

    assert len(watched(MotionGate(), scene(), two_parts)[-1]) == 1


def test_boxes_that_overlap_become_one() -> None:
    frame_like = scene()
    frame_like[50:300, 100:112] = frame_like[50:62, 100:500] = 255
    frame_like[150:200, 300:350] = 255  # within the box of the corner, touching nothing

    assert len(watched(MotionGate(), scene(), frame_like)[-1]) == 1


def test_noise_moves_nothing() -> None:
    rng = np.random.default_rng(1)
    noisy = [np.clip(scene() + rng.normal(0, 12, (HEIGHT, WIDTH)), 0, 255).astype(np.uint8) for _ in range(20)]

    assert not any(watched(MotionGate(), *noisy))


def test_a_light_that_is_switched_moves_nothing_and_is_learned() -> None:
    gate = MotionGate()
    dark, bright = lit(scene(1), 0.3), scene(2)
    watched(gate, dark, dark)

    switched = gate.find(bright, 1.0)

    assert switched.boxes == []
    later = watched(gate, bright, bright, with_square(bright, 200, 120), start_s=3.0)
    assert [len(boxes) for boxes in later] == [0, 0, 1]


def test_while_the_exposure_settles_after_a_switch_nothing_moves() -> None:
    gate = MotionGate()
    dark = lit(scene(1), 0.3)
    watched(gate, dark, dark)

    settling = [lit(with_square(scene(2), 300, 50 * step, side=200), 1.0 - 0.1 * step) for step in range(4)]

    assert not any(watched(gate, *settling, start_s=1.0))


def test_a_camera_that_changes_its_exposure_still_sees_what_moves() -> None:
    gate = MotionGate()
    watched(gate, scene(), scene())

    found = [
        gate.find(with_square(lit(scene(), 1.0 - 0.08 * step), 100 + 20 * step, 100, value=250), 1.0 + STEP_S * step)
        for step in range(6)
    ]

    assert all(len(motion.boxes) == 1 for motion in found)


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (1280, 720), (1920, 1080)])
@pytest.mark.parametrize("across", [True, False])
def test_a_camera_that_shakes_by_a_pixel_moves_nothing(size: tuple[int, int], across: bool) -> None:
    width, height = size
    lines = np.full((height, width), 90, np.uint8)
    for middle in range(20, min(size), 40):
        lines[(slice(middle, middle + 6), slice(None)) if across else (slice(None), slice(middle, middle + 6))] = 240

    shaken = [np.roll(lines, shift, axis=(0, 1)) for shift in (0, 1, 0, -1, 1, -1, 0)]

    assert not any(watched(MotionGate(), *shaken))


def shaken_lines(size: tuple[int, int], reach: int) -> list[U8]:
    """Four seconds of bright lines that are thinner than the rows that are looked at are apart."""
    width, height = size
    lines = np.full((height, width), 90, np.uint8)
    for top in range(20, height - 40, 43):
        lines[top : top + reach] = 240
    shifts = np.random.default_rng(1).integers(-reach, reach + 1, 20)
    return [np.roll(lines, shift, axis=0) for shift in shifts]


@pytest.mark.parametrize(("size", "reach"), [((1280, 720), 2), ((1920, 1080), 4)])
def test_thin_lines_before_a_camera_that_shakes_move_nothing(size: tuple[int, int], reach: int) -> None:
    assert not any(watched(MotionGate(), *shaken_lines(size, reach)))


def test_what_comes_before_such_lines_is_boxed_all_the_same() -> None:
    gate = MotionGate()
    pictures = shaken_lines((1920, 1080), 4)
    watched(gate, *pictures)

    found = gate.find(with_square(pictures[3], 800, 400, side=160, value=20), 4.0).boxes

    assert len(found) == 1
    assert np.abs(np.array((found[0].x, found[0].y)) - (800, 400)).max() <= 16


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
def test_the_noise_of_a_large_picture_moves_nothing(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(1)
    still = scene(width=width, height=height)
    grain = rng.normal(0, 12, (height, 2 * width)).astype(np.float32)
    noisy = [np.clip(still + grain[:, at : at + width], 0, 255).astype(np.uint8) for at in range(0, width, 160)]

    assert not any(watched(MotionGate(), *noisy))


def test_what_stays_becomes_background() -> None:
    gate = MotionGate()
    parked = with_square(scene(), 200, 120)

    found = watched(gate, scene(), *[parked] * 250)

    assert len(found[1]) == 1
    assert found[-1] == []


def test_an_object_that_passed_leaves_no_ghost() -> None:
    gate = MotionGate()
    passing = [with_square(scene(), x, 120) for x in range(0, 560, 40)]

    found = watched(gate, scene(), *passing, scene(), scene())

    assert all(found[1:-2])
    assert found[-1] == []


def test_what_leaves_after_the_first_picture_leaves_no_box_where_it_was() -> None:
    leaving = [with_square(scene(), 200 + 60 * number, 120) for number in range(7)]
    empty = [scene() for number in range(7, 20)]

    found = watched(MotionGate(), *leaving, *empty)

    assert all(found[1:7])
    assert not any(found[7 + 6 :])  # two looks at what is still, half a second apart


def test_what_was_background_for_long_leaves_no_box_where_it_was() -> None:
    gate = MotionGate()
    parked = [with_square(scene(), 200, 120) for number in range(250)]

    found = watched(gate, scene(), *parked, *[scene() for number in range(20)])

    assert found[250] == []
    assert not any(found[251 + 6 :])


def test_who_comes_in_the_first_seconds_and_stands_is_still_told() -> None:
    standing = [with_square(scene(), 200, 120) for number in range(25)]

    assert all(watched(MotionGate(), scene(), *standing)[1:])


def test_the_place_that_somebody_left_is_forgotten_while_the_exposure_changes() -> None:
    first = with_square(scene(), 200, 120)
    lighter = [lit(scene(), 1.0 + 0.02 * number) for number in range(15)]

    found = watched(MotionGate(), first, *lighter)

    assert not any(found[7:])


def test_a_new_size_is_learned_anew() -> None:
    gate = MotionGate()
    watched(gate, scene(), scene())

    assert gate.find(scene(3, width=320, height=240), 1.0).boxes == []


def test_there_are_never_more_boxes_than_a_message_may_hold() -> None:
    crowded = scene()
    for y in range(10, HEIGHT - 20, 40):
        for x in range(10, WIDTH - 20, 40):
            crowded[y : y + 12, x : x + 12] = 255

    assert 20 <= len(watched(MotionGate(), scene(), crowded)[-1]) <= 32


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (4, 4), (16, 3), (3, 2_000), (4, 2_000), (9, 2_000), (20, 4_000)])
def test_a_tiny_picture_is_no_error(shape: tuple[int, int]) -> None:
    gate = MotionGate()

    assert watched(gate, np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)) == [[], []]


def test_a_view_that_is_read_only_and_has_gaps_is_no_error() -> None:
    wide = np.zeros((HEIGHT, WIDTH, 2), np.uint8)
    wide[:, :, 1] = scene()
    wide.flags.writeable = False

    assert watched(MotionGate(), wide[:, :, 1], wide[:, :, 1]) == [[], []]
