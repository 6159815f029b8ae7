"""The picture of the synthetic camera."""

from datetime import datetime

import numpy as np
import pytest

from framebus_services.capture.scene import Scene

AT = datetime(2026, 3, 1, 12, 0, 0)
LUMA_ROWS = 360


def luma(scene: Scene, at_s: float, number: int = 0) -> np.ndarray:
    return scene.draw(at_s, number, AT)[:LUMA_ROWS].astype(int)


def test_whatever_moves_does_so_within_the_boxes_that_the_scene_tells() -> None:
    scene = Scene("front", 640, 360)
    seen = set()

    for at_s in range(60):
        before, after = luma(scene, at_s), luma(scene, at_s + 0.1)
        changed = np.abs(after - before) > 20
        for name, (x, y, width, height) in {**scene.boxes(at_s), **scene.boxes(at_s + 0.1)}.items():
            seen.add(name)
            margin = 16  # both moments are looked at with the box of one
            changed[max(0, y - margin) : y + height + margin, max(0, x - margin) : x + width + margin] = False
        assert not changed.any()

    assert seen == {"car", "walker", "balloon"}


def test_the_number_of_the_frame_and_the_time_are_in_the_picture() -> None:
    scene = Scene("front", 640, 360)
    later = scene.draw(0.0, 0, AT.replace(second=7))[:LUMA_ROWS].astype(int)

    assert (luma(scene, 0.0, 1) != luma(scene, 0.0, 2))[330:].any()
    assert (luma(scene, 0.0) != later)[:40, 320:].any()


def test_two_cameras_do_not_look_the_same() -> None:
    assert (luma(Scene("front", 640, 360), 1.0) != luma(Scene("garden", 640, 360), 1.0)).mean() > 0.1


@pytest.mark.parametrize(("width", "height"), [(64, 64), (320, 240), (1_280, 720), (360, 640)])
def test_any_size_can_be_drawn(width: int, height: int) -> None:
    assert Scene("front", width, height).draw(3.0, 1, AT).shape == (height * 3 // 2, width)
