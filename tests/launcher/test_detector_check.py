"""`framebus check` lets the detector's model look once: it says what it is, or what is wrong with it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from framebus.detector_settings import DetectorSettings, Layout
from framebus.errors import ConfigError
from framebus.settings import EnrichSettings
from framebus_launcher.config import load_settings
from framebus_launcher.detector_check import check_detector
from framebus_launcher.table import built_in_settings
from groups import FRAMEBUS
from toy_models import LABELS, make_model


def write(folder: Path, **detector: Any) -> Path:
    file = folder / "framebus.yml"
    file.write_text(yaml.safe_dump({"cameras": {}, "services": {"enrich": {"detector": detector}}}))
    return file


def checked(file: Path) -> tuple[int, str]:
    done = subprocess.run([FRAMEBUS, "check", "-c", str(file)], capture_output=True, text=True, timeout=60.0)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, model="models/car.onnx", labels="labels.txt"))

    enrich = built_in_settings(settings, "enrich", EnrichSettings)

    assert enrich is not None
    assert enrich.detector == DetectorSettings(
        model=str(tmp_path / "models/car.onnx"), labels=str(tmp_path / "labels.txt")
    )


@pytest.mark.parametrize("labels", [["a"], "coco"])
def test_names_of_labels_are_no_path(tmp_path: Path, labels: Any) -> None:
    enrich = built_in_settings(load_settings(write(tmp_path, model="/m", labels=labels)), "enrich", EnrichSettings)

    assert enrich is not None
    assert enrich.detector == DetectorSettings(model="/m", labels=labels)


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ({}, "services.enrich.detector.model: is missing"),
        ({"model": "m", "layout": "yolo9"}, "services.enrich.detector.layout: "),
        ({"model": "m", "min_score": 40}, "services.enrich.detector.min_score: "),
        ({"model": "m", "modell": "m"}, "services.enrich.detector.modell: unknown setting; did you mean model?"),
    ],
)
def test_mistakes_in_the_settings_are_told_with_their_path(tmp_path: Path, detector: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings(write(tmp_path, **detector))


def test_a_model_that_works_is_told_with_its_labels_and_milliseconds(tmp_path: Path) -> None:
    make_model(tmp_path / "toy.onnx", Layout.YOLO8)

    code, said = checked(write(tmp_path, model="toy.onnx", labels=LABELS))

    assert code == 0
    assert "detector: yolo8, 64x64, 2 labels (car, person), " in said
    assert " ms a picture on onnxruntime " in said


@pytest.mark.parametrize(
    ("detector", "line"),
    [
        ({"model": "none.onnx"}, "5: services.enrich.detector.model: there is no file"),
        ({"model": "framebus.yml"}, "5: services.enrich.detector.model: "),
        (
            {"labels": ["car"], "model": "toy.onnx"},
            "5: services.enrich.detector.labels: there are 1 labels, but the model tells 2 apart",
        ),
    ],
)
def test_a_model_that_does_not_work_is_a_warning_with_its_line(
    tmp_path: Path, detector: dict[str, Any], line: str
) -> None:
    make_model(tmp_path / "toy.onnx", Layout.YOLO8)

    code, said = checked(write(tmp_path, **detector))

    assert code == 0
    assert line in said
    assert "until that is mended the cameras run on motion alone" in said


def test_where_the_check_cannot_be_made_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cv2.py").write_text("raise ModuleNotFoundError('no module named cv2')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    settings = load_settings(write(tmp_path, model="/nowhere.onnx"))

    assert check_detector(settings) == ("", [])

    assert "the detector was not checked: " in caplog.text


def test_without_camera_libraries_the_model_is_not_judged(tmp_path: Path) -> None:
    for name in ("cv2", "av"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no module named {name}')\n")
    make_model(tmp_path / "toy.onnx", Layout.YOLO8)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"model": str(tmp_path / "toy.onnx")}))
    command = [sys.executable, "-m", "framebus_services.enrich", "--check-detector", str(file)]

    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=30.0)

    assert (done.returncode, done.stdout) == (69, "")
    assert "no module named cv2" in done.stderr
