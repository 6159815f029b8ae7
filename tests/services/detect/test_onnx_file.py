"""What a file says of itself, and files that are no models."""

from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framebus.detector_settings import Layout
from framebus_services.detect.labels import read_labels
from framebus_services.detect.onnx_file import FLOAT, ModelError, OnnxFile, read_onnx
from toy_models import make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("m") / "toy.onnx", Layout.YOLO8, notes={"names": "{0: 'car', 1: 'cat'}"})


def test_inputs_outputs_and_notes_are_those_that_onnx_reads(model: Path) -> None:
    known = onnx.load(model)

    read = read_onnx(model)

    assert [(one.name, one.element, one.shape) for one in read.inputs] == [("images", FLOAT, (1, 3, 64, 64))]
    assert [one.name for one in read.outputs] == [one.name for one in known.graph.output]
    assert read.notes == {"names": "{0: 'car', 1: 'cat'}"}


def test_weights_among_the_inputs_are_none(tmp_path: Path) -> None:
    path = make_model(tmp_path / "old.onnx", Layout.ROWS)
    old = onnx.load(path)
    for weight in old.graph.initializer:
        old.graph.input.append(onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    path.write_bytes(old.SerializeToString())

    assert [one.name for one in read_onnx(path).inputs] == ["images"]


def test_a_side_that_may_be_anything_has_no_number(tmp_path: Path) -> None:
    path = make_model(tmp_path / "any.onnx", Layout.ROWS, is_dynamic=True)

    assert read_onnx(path).inputs[0].shape == (1, 3, None, None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"labels: [car, person]\n", "is no ONNX model, or is cut off"),
        (b"\x00" * 100, "is no ONNX model, or is cut off"),
        (b"\x08\x07", "it has no graph"),
        (b"\x3a\x00", "its graph computes nothing"),
        (b"\xff" * 30, "a number has no end"),
    ],
)
def test_what_is_no_model_is_told_with_its_path(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=said) as caught:
        read_onnx(path)

    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no file"):
        read_onnx(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="can't be read: Is a directory"):
        read_onnx(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keep=st.floats(0.0, 0.999))
def test_a_model_that_is_cut_off_anywhere_is_no_model(model: Path, tmp_path: Path, keep: float) -> None:
    content = model.read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(content[: int(keep * len(content))])

    try:
        read = read_onnx(cut)
    except ModelError:
        return

    assert read.outputs  # only what stands after the graph was cut off


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_model_or_are_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.onnx"
    path.write_bytes(content)

    with pytest.raises(ModelError):
        read_onnx(path)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'person', 1: 'car'}", ["person", "car"]),
        ('{1: "car"}', ["0", "car"]),
        ("['person', 'car']", ["person", "car"]),
        ("person,car", ["person", "car"]),
        ("__import__('os').system('x')", ["__import__('os').system('x')"]),
        ("{'a': 1}", None),
        ("{-1: 'a'}", None),
    ],
)
def test_names_are_read_from_a_models_notes(text: str, names: list[str] | None) -> None:
    assert read_labels(None, OnnxFile(inputs=[], outputs=[], notes={"names": text})) == names


def test_names_are_read_from_a_file_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_text("person\n\n car \n\n\n")

    assert read_labels(str(file), OnnxFile(inputs=[], outputs=[], notes={"names": "x"})) == ["person", "1", "car"]


def test_the_80_names_of_coco_have_a_short_one() -> None:
    names = read_labels("coco", OnnxFile(inputs=[], outputs=[], notes={}))

    assert names is not None
    assert len(set(names)) == 80
    assert [names[number] for number in (0, 2, 7, 16, 79)] == ["person", "car", "truck", "dog", "toothbrush"]


@pytest.mark.parametrize(("content", "said"), [(b"\xff\xfe", "is no text"), (b"\n\n", "a name in each line")])
def test_a_file_without_names_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(content)

    with pytest.raises(ModelError, match=said) as caught:
        read_labels(str(file), OnnxFile(inputs=[], outputs=[], notes={}))

    assert caught.value.setting == "labels"
