"""Zones and masks: which points they hold, and that nothing moves behind a mask."""

import numpy as np
import pytest

from framebus.messages import Box
from framebus.settings import Area
from framebus_services.enrich.areas import draw_areas, is_inside, zones_of
from framebus_services.enrich.motion import MotionGate
from services.enrich.drawn import HEIGHT, WIDTH, scene, with_square

LEFT = Area(points=[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)])
RIGHT = Area(points=[(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)])
L_SHAPE = Area(points=[(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)])


@pytest.mark.parametrize(
    ("across", "down", "inside"), [(0.25, 0.75, True), (0.75, 0.25, True), (0.75, 0.75, False), (1.5, 0.2, False)]
)
def test_an_area_may_have_corners_that_point_inwards(across: float, down: float, inside: bool) -> None:
    assert is_inside(L_SHAPE, across, down) is inside


@pytest.mark.parametrize("backwards", [False, True])
def test_the_points_of_an_area_may_run_either_way_round(backwards: bool) -> None:
    area = Area(points=L_SHAPE.points[::-1]) if backwards else L_SHAPE

    assert [is_inside(area, 0.25, 0.25), is_inside(area, 0.75, 0.75)] == [True, False]


def test_an_object_stands_in_the_zones_that_hold_the_middle_of_its_lower_edge() -> None:
    zones = {"left": LEFT, "right": RIGHT, "all": Area(points=[(0, 0), (1, 0), (1, 1), (0, 1)])}

    assert zones_of(zones, Box(x=250, y=100, width=100, height=100), 640, 360) == ["left", "all"]
    assert zones_of(zones, Box(x=300, y=100, width=100, height=100), 640, 360) == ["right", "all"]


def test_an_object_that_the_edge_of_the_picture_cuts_off_still_stands_in_a_zone() -> None:
    assert zones_of({"right": RIGHT}, Box(x=600, y=300, width=40, height=60), 640, 360) == ["right"]


def test_areas_are_drawn_to_the_pixel() -> None:
    drawn = draw_areas([LEFT], 8, 4, inside=0)

    assert (drawn[:, :3] == 0).all()
    assert (drawn[:, 5:] == 255).all()


def test_within_a_mask_nothing_moves() -> None:
    masked, open_gate = MotionGate([LEFT]), MotionGate()
    for gate in (masked, open_gate):
        gate.find(scene(), 0.0)

    both = with_square(with_square(scene(), 60, 100), 480, 100)

    assert len(open_gate.find(both, 0.2).boxes) == 2
    assert [box.x for box in masked.find(both, 0.2).boxes] == pytest.approx([480], abs=6)


def test_an_object_that_reaches_out_of_a_mask_is_boxed_where_it_is_seen() -> None:
    gate = MotionGate([LEFT])
    gate.find(scene(), 0.0)

    box = gate.find(with_square(scene(), WIDTH // 2 - 60, 100, side=120), 0.2).boxes[0]

    assert (box.x, box.width) == pytest.approx((WIDTH // 2, 60), abs=6)


def test_what_moves_in_a_mask_is_no_switched_light() -> None:
    gate = MotionGate([LEFT])
    gate.find(scene(), 0.0)
    picture = with_square(scene(), 480, 100)
    picture[:, : WIDTH // 2] = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH // 2))

    motion = gate.find(picture, 0.2)

    assert len(motion.boxes) == 1
    assert motion.area == pytest.approx(60 * 60 / (WIDTH * HEIGHT / 2), rel=0.2)


def test_a_mask_over_all_of_the_picture_is_no_error() -> None:
    gate = MotionGate([Area(points=[(0, 0), (1, 0), (1, 1), (0, 1)])])
    gate.find(scene(), 0.0)

    assert gate.find(with_square(scene(), 200, 100), 0.2).boxes == []


def test_a_mask_fits_a_new_size() -> None:
    gate = MotionGate([LEFT])
    gate.find(scene(), 0.0)
    small = scene(width=320, height=240)
    gate.find(small, 0.2)

    found = gate.find(with_square(with_square(small, 40, 60, side=30), 240, 60, side=30), 0.4)

    assert [box.x for box in found.boxes] == pytest.approx([240], abs=6)
