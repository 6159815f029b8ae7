"""A detector that is broken, slow, killed or mended: the cameras go on with motion, and the service says why."""

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from framebus.detector_settings import Layout
from framebus.messages import Phase
from framebus_services.enrich import lookout
from services.enrich.detecting import Post, toy
from toy_models import make_model

PASSING = range(0, 540, 40)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        yield Path(name)


def bad(folder: Path, kind: str) -> dict[str, Any]:
    """The settings of a detector that can't work."""
    settings = toy(folder)
    path = Path(settings["model"])
    if kind == "text":
        path.write_text("this is no model\n")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:1_000])
    elif kind in ("nan", "shape"):
        make_model(path, Layout.YOLO8, size=(640, 384), broken=kind)
    elif kind == "labels":
        settings["labels"] = ["car"]
    elif kind == "missing":
        path.unlink()
    else:
        make_model(path, Layout.YOLOX, size=(640, 384), loops=12)
        settings["limit_s"] = 0.1
    return settings


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "there is no file"),
        ("text", "is no ONNX model, or is cut off"),
        ("cut", "is no ONNX model, or is cut off"),
        ("shape", "no layout that is known. Known are yolo5 1x15120x(5+labels)"),
        ("nan", "gives no numbers (NaN)"),
        ("labels", "there are 1 labels, but the model tells 2 apart"),
        ("slow", "it took longer than 0.1 s"),
    ],
)
def test_with_a_bad_model_the_camera_runs_on_motion_and_status_says_why(
    folder: Path, kind: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    post = Post(folder, bad(folder, kind))
    try:
        post.await_complaint(said)
        post.show(None)

        for left in PASSING:
            post.show(left)
    finally:
        post.enrich.stop()

    assert "until that is mended the cameras run on motion alone" in post.bus.complaint
    assert post.labels(Phase.START) == ["motion"]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert said in errors[0].getMessage()


def test_a_model_that_is_mended_is_taken_up_without_a_restart(folder: Path) -> None:
    settings = bad(folder, "text")
    post = Post(folder, settings)
    try:
        post.await_complaint("is no ONNX model")
        make_model(Path(settings["model"]), Layout.YOLOX, size=(640, 384))
        post.await_working()
        post.show(None)
        post.drive(*range(0, 200, 40))
    finally:
        post.enrich.stop()

    assert post.bus.complaint == ""
    assert post.labels(Phase.START) == ["car"]


def test_a_process_that_is_killed_is_replaced_and_the_object_lives_on(folder: Path) -> None:
    post = Post(folder, toy(folder))
    try:
        post.await_working()
        post.show(None)
        post.drive(*range(0, 200, 40))
        old = post.pid()

        os.kill(old, signal.SIGKILL)
        post.wait(lambda: post.enrich._attention._lookout.pid not in (None, old), "a new process")  # type: ignore[union-attr]
        post.drive(*range(200, 360, 40))
    finally:
        post.enrich.stop()

    assert post.bus.complaint == ""
    assert post.labels(Phase.START) == ["car"]
    assert post.bus.stats.counters.get("detector.failures", 0) == 0


def test_a_process_that_grows_without_end_is_replaced_and_nobody_notices(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lookout, "GROWTH_BYTES", -(2**50))  # so that each look is one too many
    post = Post(folder, toy(folder))
    try:
        post.await_working()
        post.show(None)
        post.drive(*range(0, 200, 40))
    finally:
        post.enrich.stop()

    assert post.labels(Phase.START) == ["car"]
    assert post.bus.complaint == ""
    assert caplog.text.count("its process has grown") >= 4


def test_objects_of_a_detector_that_keeps_failing_end_and_motion_takes_over(folder: Path) -> None:
    post = Post(folder, {**toy(folder, hangs_from=200), "limit_s": 0.6})
    try:
        post.await_working()
        post.show(None)
        post.drive(*range(0, 200, 40))
        for number in range(3):
            post.show(210 + 10 * number)
            failed = number + 1
            post.wait(
                lambda failed=failed: post.bus.stats.counters.get("detector.dropped.failed.front") == failed,  # type: ignore[misc]
                "a failed look",
            )
        post.await_complaint("the model fails: it took longer than 0.6 s and was killed")
        for left in range(240, 540, 40):
            post.show(left)
    finally:
        post.enrich.stop()

    assert post.labels(Phase.START) == ["car", "motion"]
    assert post.labels(Phase.END)[0] == "car"


def test_at_the_end_nothing_is_left_of_the_process(folder: Path) -> None:
    post = Post(folder, toy(folder))
    post.await_working()
    pid = post.pid()

    post.enrich.stop()

    assert not Path(f"/proc/{pid}").exists()
