"""Of several boxes about one thing the surest stays."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from framebus_services.detect.overlaps import ANY_LABEL, MOST, SAME_LABEL, best_boxes, shares


def kept(*rows: tuple[list[float], float, int]) -> list[int]:
    boxes, scores, labels = zip(*rows, strict=True)
    return best_boxes(np.array(boxes, np.float32), np.array(scores, np.float32), np.array(labels)).tolist()


def test_the_surest_of_a_label_stays_and_comes_first() -> None:
    assert kept(([0, 0, 10, 10], 0.5, 0), ([1, 0, 11, 10], 0.9, 0), ([50, 0, 60, 10], 0.7, 0)) == [1, 2]


def test_another_label_stays_unless_it_is_the_same_thing() -> None:
    assert kept(([0, 0, 10, 10], 0.9, 0), ([0, 0, 10, 7], 0.8, 1), ([0, 0, 10, 9.9], 0.7, 2)) == [0, 1]


def test_a_share_is_the_common_area_of_both() -> None:
    box = np.array([0, 0, 10, 10], np.float32)

    got = shares(box, np.array([[5, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32))

    assert np.allclose(got, [50 / 150, 1.0, 0.0, 0.0])


sides = st.floats(1.0, 50.0, width=32)
a_box = st.tuples(sides, sides, sides, sides).map(lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]])
some = st.lists(st.tuples(a_box, st.floats(0.0, 1.0, width=32), st.integers(0, 2)), min_size=1, max_size=12)


@given(rows=some)
def test_no_two_that_stay_are_one_thing_and_each_that_goes_is_one_with_a_surer_one(rows: list[Any]) -> None:
    boxes = np.array([row[0] for row in rows], np.float32)
    stay = kept(*rows)

    for number, row in enumerate(rows):
        others = [other for other in stay if other != number]
        limits = [SAME_LABEL if rows[other][2] == row[2] else ANY_LABEL for other in others]
        over = [
            other
            for other, share, limit in zip(others, shares(boxes[number], boxes[others]), limits, strict=True)
            if share > limit
        ]
        if number in stay:
            assert over == []
        else:
            assert any(rows[other][1] >= row[1] for other in over)


def test_what_is_kept_has_a_bound() -> None:
    rows = [([20.0 * number, 0.0, 20.0 * number + 10.0, 10.0], 0.5, 0) for number in range(MOST + 10)]

    assert len(kept(*rows)) == MOST
