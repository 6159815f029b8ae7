"""Which parts of a picture a model is given."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from framebus_services.enrich.views import MOST, views_of

MODEL = (640, 640)


def views(*boxes: tuple[float, float, float, float], size: tuple[int, int] = (1920, 1080)) -> list[tuple[int, ...]]:
    return [tuple(view) for view in views_of(np.array(boxes, float).reshape(-1, 4), *size, MODEL)]


def test_a_small_picture_is_given_as_a_whole() -> None:
    assert views((10, 10, 5, 5), size=(640, 360)) == [(0, 0, 640, 360)]


def test_about_something_small_the_model_gets_all_pixels_there_are() -> None:
    assert views((1000, 500, 40, 80)) == [(700, 220, 640, 640)]


def test_at_the_edge_the_part_stays_within_the_picture() -> None:
    assert views((0, 1040, 20, 40)) == [(0, 440, 640, 640)]


def test_what_is_large_gets_room() -> None:
    left, top, width, height = views((600, 100, 500, 600))[0]

    assert (width, height) == (900, 900)
    assert left <= 600 - 100
    assert top == 0


def test_two_things_near_each_other_share_a_part() -> None:
    assert len(views((1000, 500, 40, 80), (1100, 520, 30, 30))) == 1


def test_many_things_are_seen_in_the_whole_picture() -> None:
    far = [(100.0, 100.0, 20.0, 20.0), (1800.0, 100.0, 20.0, 20.0), (100.0, 1000.0, 20.0, 20.0)]

    assert views(*far, (1800.0, 1000.0, 20.0, 20.0)) == [(0, 0, 1920, 1080)]


box = st.tuples(st.floats(-10, 1900), st.floats(-10, 1070), st.floats(1, 1900), st.floats(1, 1070))


@given(boxes=st.lists(box, min_size=1, max_size=6), width=st.integers(2, 960), height=st.integers(2, 540))
def test_parts_are_few_even_and_within_the_picture(
    boxes: list[tuple[float, float, float, float]], width: int, height: int
) -> None:
    given_views = views(*boxes, size=(2 * width, 2 * height))

    assert 1 <= len(given_views) <= MOST
    for left, top, across, down in given_views:
        assert left % 2 == top % 2 == across % 2 == down % 2 == 0
        assert 0 <= left < left + across <= 2 * width
        assert 0 <= top < top + down <= 2 * height
