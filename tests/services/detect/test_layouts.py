"""What a model gives is told by its shapes; what is not known is refused with what would be."""

import pytest

from framebus.detector_settings import Layout
from framebus_services.detect.layouts import Output, Plan, tell_layout
from framebus_services.detect.onnx_file import ModelError

SIZE = (640, 640)
TF = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


def outputs(*shapes: tuple[int, ...], names: tuple[str, ...] = ()) -> list[Output]:
    return [
        Output(name=names[number] if names else f"output{number}", shape=shape) for number, shape in enumerate(shapes)
    ]


@pytest.mark.parametrize(
    ("shapes", "layout", "labels", "is_turned"),
    [
        ([(1, 25200, 85)], Layout.YOLO5, 80, False),
        ([(1, 85, 25200)], Layout.YOLO5, 80, True),
        ([(1, 84, 8400)], Layout.YOLO8, 80, True),
        ([(1, 8400, 85)], Layout.YOLOX, 80, False),
        ([(1, 300, 6)], Layout.ROWS, None, False),
        ([(17, 6)], Layout.ROWS, None, False),
        ([(0, 7)], Layout.ROWS, None, False),
        ([(1, 25200, 6)], Layout.YOLO5, 1, False),
        ([(1, 8400, 6)], Layout.YOLOX, 1, False),
        ([(1, 100, 4), (1, 100), (1, 100)], Layout.SSD, None, False),
        ([(100, 4), (100,), (100,)], Layout.SSD, None, False),
        ([(1, 4420, 4), (1, 4420, 2)], Layout.SSD, 2, False),
        ([(1, 80, 160, 160), (1, 2, 160, 160), (1, 2, 160, 160)], Layout.CENTERNET, 80, False),
        ([(1, 80, 160, 160), (1, 2, 160, 160)], Layout.CENTERNET, 80, False),
    ],
)
def test_the_layout_is_told_by_the_shapes(
    shapes: list[tuple[int, ...]], layout: Layout, labels: int | None, is_turned: bool
) -> None:
    plan = tell_layout(outputs(*shapes), SIZE)

    assert (plan.layout, plan.labels, plan.is_turned) == (layout, labels, is_turned)


def test_other_strides_are_known_too() -> None:
    assert tell_layout(outputs((1, 84, 34000)), SIZE).strides == (4, 8, 16, 32)
    assert tell_layout(outputs((1, 8500, 85)), SIZE).strides == (8, 16, 32, 64)


def test_a_picture_that_is_not_square_has_cells_of_its_own() -> None:
    assert tell_layout(outputs((1, 6, 48 * 80 + 24 * 40 + 12 * 20)), (640, 384)).labels == 2


@pytest.mark.parametrize(
    ("shape", "number", "layout"), [((1, 8400, 84), 80, Layout.YOLO8), ((1, 85, 8400), 80, Layout.YOLOX)]
)
def test_two_layouts_of_one_shape_are_not_guessed_from_the_number_of_labels(
    shape: tuple[int, ...], number: int, layout: Layout
) -> None:
    with pytest.raises(ModelError, match=f"or is it `layout: {layout}`"):
        tell_layout(outputs(shape), SIZE, number)

    assert tell_layout(outputs(shape), SIZE, number, layout).labels == number


def test_a_named_layout_wins_over_the_likelier_one() -> None:
    assert tell_layout(outputs((1, 8400, 85)), SIZE, named=Layout.YOLO8).labels == 81


def test_boxes_of_tensorflow_begin_at_the_top() -> None:
    plan = tell_layout(outputs((1, 10, 4), (1, 10), (1, 10), (1,), names=TF), SIZE)

    assert plan == Plan(
        layout=Layout.SSD, labels=None, parts={"boxes": 0, "labels": 1, "scores": 2}, is_down_first=True
    )


def test_whole_numbers_are_labels_whatever_their_name() -> None:
    given = [
        Output(name="a", shape=(5, 4)),
        Output(name="b", shape=(5,), is_whole=True),
        Output(name="c", shape=(5,)),
    ]

    assert tell_layout(given, SIZE).parts == {"boxes": 0, "labels": 1, "scores": 2}


def test_sizes_and_offsets_are_told_by_their_names() -> None:
    shapes = [(1, 2, 160, 160)] * 3

    plan = tell_layout(outputs(*shapes, names=("reg", "hm", "wh")), SIZE)

    assert plan.parts == {"middles": 1, "sizes": 2, "offsets": 0}


@pytest.mark.parametrize(
    "shapes", [[], [(1, 1000)], [(1, 5, 3)], [(1, 3, 640, 640)], [(8400, 85), (8400, 85)], [()], [(2, 84, 8400)]]
)
def test_an_unknown_layout_is_refused_with_the_shapes_and_what_would_be_right(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ModelError, match="no layout that is known") as caught:
        tell_layout(outputs(*shapes), SIZE)

    assert "yolo8 1x(4+labels)x8400" in str(caught.value)
    assert caught.value.setting == "model"


def test_a_named_layout_that_does_not_fit_is_refused_with_what_it_would_be() -> None:
    with pytest.raises(ModelError, match=r"output0 1x300x6: that is not yolox, which would be 1x8400x\(5") as caught:
        tell_layout(outputs((1, 300, 6)), SIZE, named=Layout.YOLOX)

    assert caught.value.setting == "layout"


def test_labels_that_do_not_fit_are_refused_with_both_numbers() -> None:
    with pytest.raises(ModelError, match="there are 3 labels, but the model tells 80 apart") as caught:
        tell_layout(outputs((1, 84, 8400)), SIZE, 3)

    assert caught.value.setting == "labels"
