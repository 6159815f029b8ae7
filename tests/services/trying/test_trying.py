"""`framebus try`: one processor over a video, all in order: what it finds, raises and takes; and bad input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import media
from commands import framebus
from framebus_services.trying.session import main

FPS = 10
FRAMES = 60
MINE = '''
from framebus import DeferredProcessor, Finding, Pictured, Processor

class Mine(Processor):
    """Tells what it is called with."""

    def __init__(self, every: int = 20, words: list[str] | None = None) -> None:
        if every < 1:
            raise ValueError("every is at least 1")
        self.every = every
        self.objects: set[str] = set()

    def process_frame(self, frame):
        if frame.number % self.every == 0:
            yield Finding(processor="x", camera=frame.camera, label="frame", value=frame.luma.shape[1] / 1.0)

    def process_object(self, object, frame):
        if object.id not in self.objects:
            self.objects.add(object.id)
            yield Finding(processor="x", camera=frame.camera, label="object", object_id=object.id, box=object.box)

    def expire_object(self, id, camera):
        self.objects.remove(id)
        return [Finding(processor="x", camera=camera, label="gone", object_id=id)]

    def shutdown(self):
        return [Finding(processor="x", camera="video", label="end", value=float(len(self.objects)))]

class Later(DeferredProcessor[int]):
    def __init__(self) -> None:
        self.done = []

    def defer_frame(self, frame):
        return frame.number if frame.number % 3 == 0 else None

    def process_task(self, task):
        self.done.append(task)
        yield Pictured(finding=Finding(processor="x", camera="video", label="task", value=float(task)), jpeg=JPEG)

class Wrong(Processor):
    def process_frame(self, frame):
        if frame.number == 1:
            raise KeyError("one")
        if frame.number == 2:
            return None
        if frame.number == 3:
            return [Finding(processor="x", camera="other", label="frame")]
        if frame.number == 4:
            return ["frame"]
        if frame.number == 5:
            import sys
            sys.exit(3)
        if frame.number == 6:
            return [Finding(processor="x", camera="video", label="frame", value=float("nan"))]
        if frame.number == 7:
            return [Pictured(finding=Finding(processor="x", camera="video", label="frame"), jpeg=b"no picture")]
        return []

JPEG = bytes.fromhex("ffd8") + b"picture"
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a processor and a video in which something moves."""
    made = tmp_path_factory.mktemp("trying")
    (made / "mine.py").write_text(MINE)
    (made / "notes.txt").write_text("no video")
    media.make_video(made / "video.mp4", seconds=FRAMES / FPS, fps=FPS, b_frames=2)
    return made


@pytest.fixture(autouse=True)
def at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


Said = pytest.CaptureFixture[str]


def run(said: Said, *words: str, expect: int = 0) -> list[dict[str, Any]]:
    """What is said, line by line; in this process, for speed: others show that the command is the same."""
    assert main([*words, "--json"]) == expect
    return [json.loads(line) for line in said.readouterr().out.splitlines()]


def found(lines: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    return [line["finding"] for line in lines if line.get("finding", {}).get("label") == label]


def test_every_frame_is_shown_in_order_with_its_objects_and_their_end(folder: Path, capsys: Said) -> None:
    lines = run(capsys, "./mine.py:Mine", "--source", "video.mp4", "--set", "every=20")

    summary = lines[-1]["summary"]
    frames = found(lines, "frame")
    assert [(finding["number"], finding["value"]) for finding in frames] == [(20, 320.0), (40, 320.0), (60, 320.0)]
    assert [line["video_s"] for line in lines if line.get("finding") in frames] == [1.9, 3.9, 5.9]
    assert {finding["processor"] for finding in frames} == {"mine"}
    started = [finding["object_id"] for finding in found(lines, "object")]
    assert started
    assert sorted(started) == sorted(finding["object_id"] for finding in found(lines, "gone"))
    assert [finding["value"] for finding in found(lines, "end")] == [0.0]
    assert (summary["frames"], summary["errors"], summary["objects"]) == (FRAMES, 0, len(started))
    assert summary["calls_ms"]["process_frame"]["calls"] == FRAMES
    assert 0.0 < summary["calls_ms"]["process_frame"]["p50"] <= summary["calls_ms"]["process_frame"]["p99"]


def test_deferred_work_is_done_at_once_and_its_pictures_are_saved(folder: Path, capsys: Said) -> None:
    lines = run(capsys, "mine.py:Later", "--source", "video.mp4", "--frames", "10", "--save", "pictures")

    assert [(finding["number"], finding["value"]) for finding in found(lines, "task")] == [(3, 3.0), (6, 6.0), (9, 9.0)]
    assert lines[-1]["summary"]["calls_ms"]["process_task"]["calls"] == 3
    assert lines[-1]["summary"]["calls_ms"]["defer_frame"]["calls"] == 10
    assert (folder / "pictures" / "000003_task.jpg").read_bytes() == b"\xff\xd8picture"


def test_a_finding_without_a_picture_is_saved_with_that_of_its_frame(folder: Path, capsys: Said) -> None:
    run(capsys, "mine.py:Mine", "--source", "video.mp4", "--frames", "20", "--save", "frames")

    saved = cv2.imread(str(folder / "frames" / "000020_frame.jpg"))
    assert saved is not None
    assert saved.shape == (240, 320, 3)


def test_what_it_raises_or_returns_wrongly_is_told_with_its_line_and_it_goes_on(folder: Path, capsys: Said) -> None:
    lines = run(capsys, "mine.py:Wrong", "--source", "video.mp4", "--frames", "8", expect=1)

    first = MINE.splitlines().index('            raise KeyError("one")') + 1
    errors = [line["error"] for line in lines if "error" in line]
    kinds = ["KeyError", "TypeError", "ValueError", "TypeError", "SystemExit", "ValueError", "ValueError"]
    assert [error["type"] for error in errors] == kinds
    assert errors[0]["where"] == f"{folder}/mine.py:{first}"
    assert "process_frame returned NoneType" in errors[1]["text"]
    assert errors[1]["where"] == f"{folder}/mine.py:{first - 2}"  # the method's own line
    assert "use frame.camera" in errors[2]["text"]
    assert "it must be a finite number" in errors[5]["text"]
    assert "a JPEG with ffd8" in errors[6]["text"]
    assert (lines[-1]["summary"]["frames"], lines[-1]["summary"]["errors"]) == (8, 7)


def test_with_stop_the_first_exception_ends_it_with_its_traceback(folder: Path) -> None:
    command = [sys.executable, "-m", "framebus_services.trying", "mine.py:Wrong", "--source=video.mp4", "--stop"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "KeyError: 'one'"


def test_for_people_it_prints_a_line_a_finding_and_a_summary(folder: Path) -> None:
    lines = framebus(None, "try", "mine.py:Mine", "--source", "video.mp4", "--fps", "5", cwd=folder).splitlines()

    assert "#20         3.80 s  frame 320" in lines
    assert [line for line in lines if line.startswith("30 frames in ")]
    assert [line for line in lines if line.startswith("process_frame ") and " p99 " in line]
    assert [line for line in lines if line.startswith("findings: ") and "1 frame" in line]


@pytest.mark.parametrize("how", ["breakpoint", "pdb"])
def test_a_debugger_stops_in_it(folder: Path, tmp_path: Path, how: str) -> None:
    stop = "breakpoint()" if how == "breakpoint" else "pass"
    text = MINE.replace('        if frame.number == 1:\n            raise KeyError("one")', f"        {stop}")
    (tmp_path / "mine.py").write_text(text)
    line = text.splitlines().index("        if frame.number == 2:") + 1
    pdb = ["-m", "pdb"] if how == "pdb" else []
    orders = [f"b {tmp_path}/mine.py:{line}", "c"] if how == "pdb" else []
    words = ["-m", "framebus_services.trying", "mine.py:Wrong", f"--source={folder / 'video.mp4'}"]

    done = subprocess.run(
        [sys.executable, *pdb, *words],
        cwd=tmp_path,
        input="\n".join([*orders, "p frame.number", "q", ""]),
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert "(Pdb) 1\n" in done.stdout, done.stdout + done.stderr
    assert f"> {tmp_path}/mine.py({line})process_frame()" in done.stdout


def test_the_synthetic_camera_is_a_source_without_a_file(folder: Path, capsys: Said) -> None:
    lines = run(capsys, "brightness", "--source", "synthetic://?width=320&height=240&fps=20", "--frames", "25")

    assert lines[-1]["summary"]["frames"] == 25
    assert [finding["label"] for finding in found(lines, "lit")] == ["lit"]


def test_a_folder_of_pictures_is_a_source_in_the_order_of_counting(folder: Path, capsys: Said) -> None:
    (folder / "shots").mkdir()
    for number in range(1, 12):
        cv2.imwrite(str(folder / "shots" / f"shot{number}.png"), np.full((48, 65, 3), 20 * number, np.uint8))
    (folder / "shade.py").write_text(
        "from framebus import Finding, Processor\n"
        "class Shade(Processor):\n"
        "    def process_frame(self, frame):\n"
        "        yield Finding(processor='x', camera=frame.camera, label='y', value=float(frame.bgr().mean()))\n"
    )

    lines = run(capsys, "shade.py", "--source", "shots")

    values = [finding["value"] for finding in found(lines, "y")]
    assert len(values) == 11
    assert all(abs(value - 20 * number) <= 2 for number, value in enumerate(values, 1))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["mine.py", "--source", "video.mp4"], 78, "has 3 processors, Mine, Later, Wrong; choose one"),
        (["none.py", "--source", "video.mp4"], 78, "error: there is no file {folder}/none.py"),
        (
            ["brigthness", "--source", "video.mp4"],
            78,
            "unknown processor 'brigthness'; known are best_shot",
        ),
        (["mine.py:Mine", "--source", "none.mp4"], 69, "error: --source: there is no file {folder}/none.mp4"),
        (["mine.py:Mine", "--source", "notes.txt"], 69, "{folder}/notes.txt is no video that can be read"),
        (["mine.py:Mine", "--source", "gopher://u:pw@x"], 78, "--source: unknown kind of address"),
        (["mine.py:Mine", "--source", "rtsp://u:pw@x/1"], 69, "--source: a camera can't be wound back"),
        (
            ["mine.py:Mine", "--source", "video.mp4", "--set", "evry=3"],
            78,
            "--set evry: unknown setting; did you mean",
        ),
        (["mine.py:Later", "--source", "video.mp4", "--set", "a=3"], 78, "--set a: unknown setting; it takes none"),
        (["mine.py:Mine", "--source", "video.mp4", "--set", "every=x"], 78, "--set every: Expected `int`, got `str`"),
        (["mine.py:Mine", "--source", "video.mp4", "--set", "every=0"], 78, "mine.py:Mine: every is at least 1"),
        (["mine.py:Mine", "--source", "video.mp4", "--set", "every"], 78, "--set every: write it as --set key=value"),
        (["mine.py:Mine", "--source", "video.mp4", "--fps", "0"], 64, "--fps: expected a number above 0"),
        (["mine.py:Mine", "--source", "video.mp4", "--frames", "0"], 64, "--frames: expected a number of at least 1"),
        (["mine.py:Mine"], 64, "--source"),
    ],
)
def test_bad_input_is_a_line_with_the_mend(folder: Path, capsys: Said, words: list[str], code: int, said: str) -> None:
    try:
        ended = main(words)
    except SystemExit as error:  # a wrong usage
        ended = int(str(error.code))

    text = capsys.readouterr().err
    assert ended == code
    assert [line for line in text.splitlines() if not line.startswith("error: ")] == []
    assert said.format(folder=folder) in text
    assert "pw" not in text
