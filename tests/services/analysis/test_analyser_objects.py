"""With a detector, the analyser `objects` counts what a file shows, and picks the picture that shows most of it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from framebus.analyser import AnalysedFile
from framebus.detector_settings import Layout
from framebus.errors import ConfigError
from framebus.plugin_classes import load_analyser
from framebus.runner import WorkError
from toy_models import LABELS, make_model

GREY = 90
CAR = (20, 16, 24, 10)


def picture(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    drawn = np.full((64, 64, 3), GREY, np.uint8)
    for left, top, width, height in boxes:
        drawn[top : top + height, left : left + width] = 255
    return drawn


def no_report(step: str, percent: float) -> None:
    pass


def image(path: Path, *boxes: tuple[int, int, int, int]) -> AnalysedFile:
    cv2.imwrite(str(path), picture(*boxes))
    return AnalysedFile(path=path, is_video=False)


def movie(path: Path, pictures: list[np.ndarray]) -> AnalysedFile:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 2.0, (64, 64))  # each is a key frame
    for one in pictures:
        writer.write(one)
    writer.release()
    return AnalysedFile(path=path, is_video=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "toy.onnx", Layout.YOLO8)


def test_what_a_picture_shows_is_told_by_label(tmp_path: Path, model: Path) -> None:
    analyser = load_analyser("objects", {"detector": {"model": str(model), "labels": LABELS}})

    analysis = analyser.analyse(image(tmp_path / "a.png", CAR), no_report)

    assert analysis.values["labels"] == {"car": {"most": 1, "pictures": 1, "score": 0.9}}
    assert analysis.values["pictures"] == 1


def test_the_picture_of_a_video_that_shows_most_is_chosen(tmp_path: Path, model: Path) -> None:
    analyser = load_analyser("objects", {"detector": {"model": str(model), "labels": LABELS}})
    file = movie(tmp_path / "a.avi", [picture(), picture((0, 0, 2, 2)), picture(CAR), picture(CAR), picture()])

    analysis = analyser.analyse(file, no_report)

    car = analysis.values["labels"]["car"]
    assert (car["most"], car["pictures"]) == (1, 2)
    assert analysis.jpeg is not None
    shown = cv2.imdecode(np.frombuffer(analysis.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown[21, 32] > 200
    assert "motion" in analysis.values


def test_where_nothing_is_seen_there_is_no_label(tmp_path: Path, model: Path) -> None:
    analyser = load_analyser("objects", {"detector": {"model": str(model), "labels": LABELS, "only": ["person"]}})

    assert analyser.analyse(image(tmp_path / "a.png", CAR), no_report).values["labels"] == {}


def test_a_model_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*no\.onnx"):
        load_analyser("objects", {"detector": {"model": str(tmp_path / "no.onnx")}})


def test_a_file_that_is_no_model_fails_the_job_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "toy.onnx").write_bytes(b"no model at all")
    analyser = load_analyser("objects", {"detector": {"model": str(tmp_path / "toy.onnx")}})

    with pytest.raises(WorkError, match=r"the detector toy\.onnx: "):
        analyser.analyse(image(tmp_path / "a.png", CAR), no_report)


def test_a_list_of_files_is_not_opened_as_a_video(tmp_path: Path) -> None:
    file = movie(tmp_path / "a.avi", [picture(CAR)] * 3)
    playlist = tmp_path / "a.ffconcat"
    playlist.write_text(f"ffconcat version 1.0\nfile {file.path.name}\n")

    with pytest.raises(WorkError, match="ends in none of"):
        load_analyser("objects", {}).analyse(AnalysedFile(path=playlist, is_video=True), no_report)


def test_when_the_light_changes_nothing_has_moved_and_what_passes_by_is_the_best_picture(tmp_path: Path) -> None:
    dark = (picture() // 2).astype(np.uint8)
    file = movie(tmp_path / "a.avi", [picture(), picture(), picture(CAR), picture(), dark, dark])

    analysis = load_analyser("objects", {}).analyse(file, no_report)

    assert analysis.values["best_at_s"] == 1.0
    assert 0.0 < analysis.values["motion"]["highest"] < 0.1
    assert analysis.jpeg is not None
    shown = cv2.imdecode(np.frombuffer(analysis.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown[21, 32] > 200
