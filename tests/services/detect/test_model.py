"""Models of every layout on pictures, with both engines: from pixels to boxes with labels."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from framebus.detector_settings import Colours, DetectorSettings, Engine, Layout, Values
from framebus.frame import U8
from framebus_services.detect.model import Model
from framebus_services.detect.onnx_file import ModelError
from toy_models import LABELS, make_model

GREY = 90
ENGINES = [Engine.ONNXRUNTIME, Engine.OPENCV]
CAR, PERSON = (20, 16, 24, 10), (8, 12, 6, 30)


def picture(box: tuple[int, int, int, int], size: tuple[int, int] = (64, 64), colour: Any = 255) -> U8:
    drawn = np.full((size[1], size[0], 3), GREY, np.uint8)
    left, top, width, height = box
    drawn[top : top + height, left : left + width] = colour
    return drawn


def load(path: Path, **more: Any) -> Model:
    return Model(DetectorSettings(model=str(path), **{"labels": LABELS, **more}))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize(("box", "label"), [(CAR, "car"), (PERSON, "person")])
def test_a_thing_is_found_in_its_place_with_its_label(
    tmp_path: Path, layout: Layout, engine: Engine, box: tuple[int, int, int, int], label: str
) -> None:
    model = load(make_model(tmp_path / "toy.onnx", layout), engine=engine)

    seen = model.find(picture(box), 0.4)

    assert model.layout is layout
    assert [(one.label, round(one.score, 3)) for one in seen] == [(label, 0.9)]
    assert seen[0].box == pytest.approx(box, abs=0.01)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("layout", [Layout.YOLO5, Layout.YOLO8, Layout.YOLOX])
def test_what_is_turned_is_read_as_well(tmp_path: Path, layout: Layout, engine: Engine) -> None:
    model = load(make_model(tmp_path / "toy.onnx", layout, is_turned=True), engine=engine, layout=layout)

    seen = model.find(picture(CAR), 0.4)

    assert model.layout is layout
    assert seen[0].box == pytest.approx(CAR, abs=0.01)


@pytest.mark.parametrize("layout", list(Layout))
def test_nothing_is_found_where_nothing_is(tmp_path: Path, layout: Layout) -> None:
    model = load(make_model(tmp_path / "toy.onnx", layout))

    assert model.find(picture((0, 0, 0, 0)), 0.2) == []


@pytest.mark.parametrize("layout", [Layout.YOLO8, Layout.YOLOX, Layout.CENTERNET])
def test_colours_reach_the_model_in_its_order(tmp_path: Path, layout: Layout) -> None:
    model = load(make_model(tmp_path / "toy.onnx", layout, colour=(200, 60, 10)))

    assert len(model.find(picture(CAR, colour=(10, 60, 200)), 0.4)) == 1  # blue, green, red
    assert model.find(picture(CAR, colour=(200, 60, 10)), 0.4) == []


def test_colours_and_values_may_be_named(tmp_path: Path) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLOX)  # wants bytes

    assert load(path, values=Values.UNIT).find(picture(CAR), 0.4) == []
    assert len(load(path, values=Values.BYTE, colours=Colours.RGB).find(picture(CAR), 0.4)) == 1


@pytest.mark.parametrize("size", [(128, 128), (128, 64), (40, 64), (200, 30)])
def test_a_picture_of_other_proportions_is_fitted_and_boxes_are_in_its_own_pixels(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    model = load(make_model(tmp_path / "toy.onnx", Layout.YOLO8))
    box = (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 4)

    seen = model.find(picture(box, size), 0.4)

    assert seen[0].box == pytest.approx(box, abs=1.5 * max(size) / 64)


@pytest.mark.parametrize(
    ("element", "is_channels_last"),
    [(TensorProto.UINT8, True), (TensorProto.UINT8, False), (TensorProto.FLOAT, True), (TensorProto.FLOAT16, False)],
)
def test_bytes_halves_and_channels_at_the_end_go_in_as_well(
    tmp_path: Path, element: int, is_channels_last: bool
) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.ROWS, element=element, is_channels_last=is_channels_last)

    assert load(path).find(picture(CAR), 0.4)[0].box == pytest.approx(CAR, abs=0.01)


def test_a_model_of_any_size_gets_pictures_of_640(tmp_path: Path) -> None:
    model = load(make_model(tmp_path / "toy.onnx", Layout.ROWS, size=(640, 640), is_dynamic=True))

    assert model.size == (640, 640)
    assert model.find(picture((100, 80, 200, 60), (640, 480)), 0.4)[0].box == pytest.approx((100, 80, 200, 60))


def test_labels_come_from_the_model_where_nobody_else_says(tmp_path: Path) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLO8, notes={"names": "{0: 'lorry', 1: 'child'}"})

    model = load(path, labels=None)

    assert model.known_labels() == ["lorry", "child"]
    assert model.find(picture(PERSON), 0.4)[0].label == "child"


def test_without_names_labels_are_numbers(tmp_path: Path) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLO8, notes={"names": "['one', 'too', 'many']"})

    assert load(path, labels=None).find(picture(PERSON), 0.4)[0].label == "1"


def test_only_the_labels_that_are_wanted_are_told(tmp_path: Path) -> None:
    model = load(make_model(tmp_path / "toy.onnx", Layout.YOLO8), only=["person"])

    assert model.find(picture(CAR), 0.4) == []
    assert len(model.find(picture(PERSON), 0.4)) == 1


@pytest.mark.parametrize(
    ("more", "setting", "said"),
    [
        ({"labels": ["car"]}, "labels", "there are 1 labels, but the model tells 2 apart"),
        ({"only": ["cat"]}, "only", "the model has no label 'cat'; it has car, person"),
        ({"layout": Layout.SSD}, "layout", "that is not ssd, which would be boxes 1xNx4"),
        ({"labels": "/nowhere/labels.txt"}, "labels", "there is no file /nowhere/labels.txt"),
    ],
)
def test_settings_that_do_not_fit_the_model_are_told(
    tmp_path: Path, more: dict[str, Any], setting: str, said: str
) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLO8)

    with pytest.raises(ModelError, match=said) as caught:
        load(path, **more)

    assert caught.value.setting == setting


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("broken", "said"), [("nan", "no numbers"), ("shape", "no layout that is known")])
def test_a_model_of_nonsense_is_refused_when_it_is_loaded(
    tmp_path: Path, engine: Engine, broken: str, said: str
) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLO8, broken=broken)

    with pytest.raises(ModelError, match=said):
        load(path, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_engine_cannot_load_is_told_by_name(tmp_path: Path, engine: Engine) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLO8)
    strange = onnx.load(path)
    strange.graph.node[0].op_type = "Nobody"
    path.write_bytes(strange.SerializeToString())

    with pytest.raises(ModelError, match=r"can't (load|run)"):
        load(path, engine=engine)


@pytest.mark.parametrize(
    ("shape", "said"),
    [([1, 1, 64, 64], "1x1x64x64; it must be one picture in colour"), ([4, 3, 64, 64], "4x3x64x64"), ([12], "is 12")],
)
def test_an_input_that_is_no_picture_is_told(tmp_path: Path, shape: list[int], said: str) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.YOLO8)
    other = onnx.load(path)
    other.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("images", TensorProto.FLOAT, shape))
    path.write_bytes(other.SerializeToString())

    with pytest.raises(ModelError, match=said):
        load(path)


def test_opencv_says_what_runs_bytes(tmp_path: Path) -> None:
    path = make_model(tmp_path / "toy.onnx", Layout.ROWS, element=TensorProto.UINT8)

    with pytest.raises(ModelError, match="OpenCV can't run") as caught:
        load(path, engine=Engine.OPENCV)

    assert caught.value.setting == "engine"
