"""The launcher asks enrich what it thinks of its processors, before anything is started."""

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from framebus.settings import Camera, Settings
from framebus_launcher.checks import find_processor_problems, find_source_problems
from groups import FRAMEBUS


def problems_of(*processors: object) -> list[str]:
    return find_processor_problems(Settings(services={"enrich": {"processors": list(processors)}}), limit_s=10.0)


def test_an_unknown_processor_is_told_with_the_known_and_the_likely_one() -> None:
    assert problems_of("brigthness") == [
        "services.enrich.processors[0]: unknown processor 'brigthness'; known are best_shot, brightness, linger,"
        " tamper; did you mean brightness?"
    ]


def test_a_setting_of_a_wrong_type_is_told_with_its_path_and_what_is_expected() -> None:
    problems = problems_of("brightness", {"brightness": {"dark_below": "dark", "cameras": "front"}})

    assert [problem.partition(": ")[0] for problem in problems] == [
        "services.enrich.processors[1].brightness.cameras",
        "services.enrich.processors[1].brightness.dark_below",
    ]
    assert problems[1].endswith("Expected `float`, got `str`")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"brightness": {"dark_bellow": 3}}, "dark_bellow: unknown setting; did you mean dark_below?"),
        ({"brightness": {"dark_below": 300}}, "dark_below: Expected `float` <= 255.0"),
        ({"brightness": 3}, "expected a map of settings, got int"),
        ({"brightness": {}, "other": {}}, "expected one name with its settings, got brightness, other"),
    ],
)
def test_every_kind_of_mistake_is_told(entry: object, said: str) -> None:
    assert said in problems_of(entry)[0]


@pytest.mark.parametrize(
    "services",
    [
        {},
        {"enrich": False},
        {"enrich": True},
        {"enrich": {"processors": []}},
        {"enrich": {"processors": ["brightness", {"brightness": {"dark_below": 30, "cameras": ["front"]}}]}},
    ],
)
def test_what_is_right_has_no_problem(services: dict[str, object]) -> None:
    assert find_processor_problems(Settings(services=services), limit_s=10.0) == []


def test_a_check_that_takes_too_long_is_noted_and_refuses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(services={"enrich": {"processors": ["nobody"]}})
    start_s = time.monotonic()

    assert find_processor_problems(settings, limit_s=0.001) == []

    assert "not checked: no answer within" in caplog.text
    assert time.monotonic() - start_s < 5.0


def test_a_check_that_cannot_be_made_is_noted_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    (tmp_path / "msgspec.py").write_text("raise ImportError('no msgspec here, rtsp://u:canary@host/')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert problems_of("nobody") == []

    assert "not checked: ImportError: no msgspec here, rtsp://***@host/" in caplog.text


def test_framebus_check_tells_line_and_path_together_with_exit_code_78(tmp_path: Path) -> None:
    file = tmp_path / "framebus.yml"
    file.write_text("cameras: {}\nservices:\n  enrich:\n    processors:\n      - brightness\n      - brigthness\n")

    for command in ("check", "up"):
        done = subprocess.run([FRAMEBUS, command, "-c", str(file)], capture_output=True, text=True, timeout=30.0)

        assert done.returncode == 78
        assert "framebus.yml:6: services.enrich.processors[1]: unknown processor" in " ".join(done.stderr.split())


def test_framebus_check_tells_in_one_run_what_it_finds_and_what_only_processors_and_sources_know(
    tmp_path: Path,
) -> None:
    (tmp_path / "bench.py").write_text(SOURCE)
    file = tmp_path / "framebus.yml"
    file.write_text(
        "cameras:\n"
        "  front: {source: ftp://camera}\n"
        "  Back Door: {source: rtsp://camera/}\n"
        "  bench: {source: ./bench.py, settings: {exposure: 7}}\n"
        "services: {enrich: {processors: [brigthness]}, export: {slots: many}}\n"
        "${HOME}: 1\n"
    )

    done = subprocess.run([FRAMEBUS, "check", "-c", str(file)], capture_output=True, text=True, timeout=30.0)

    said = [line.partition(": ")[0] for line in "".join(done.stderr.split("\n")).split(f"{file}:")[1:]]
    assert done.returncode == 78
    assert said == ["2", "3", "4", "5", "5", "6"], done.stderr


def test_the_check_needs_no_camera_libraries_and_says_json_lines(tmp_path: Path) -> None:
    for name in ("cv2", "av"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not installed')\n")
    file = tmp_path / "settings.json"
    file.write_text('{"processors": ["nobody"], "procesors": []}')
    command = [sys.executable, "-m", "framebus_services.enrich", "--check", str(file)]

    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=30.0)

    assert done.returncode == 78
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"path": "procesors", "message": "unknown setting; did you mean processors?"}
    ]


def test_a_file_that_is_no_json_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("processors: []")
    command = [sys.executable, "-m", "framebus_services.enrich", "--check", str(file)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30.0)

    assert done.returncode == 64
    assert "cannot be read" in done.stderr


SOURCE = """
from framebus import CameraSource

class Bench(CameraSource):
    def __init__(self, exposure_us: int = 5) -> None: ...
"""


def test_settings_that_a_source_of_the_users_own_does_not_take_are_told_with_their_path(tmp_path: Path) -> None:
    path = tmp_path / "bench.py"
    path.write_text(SOURCE)
    cameras = {
        "right": Camera(source=str(path), settings={"exposure_us": 7}),
        "wrong": Camera(source=str(path), settings={"exposure": 7}),
    }

    problems = find_source_problems(Settings(cameras=cameras), limit_s=20.0)

    assert problems == ["cameras.wrong.settings.exposure: unknown setting; did you mean exposure_us?"]


def test_a_source_that_cannot_be_loaded_is_told_and_keeps_nobody_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "bench.py"
    path.write_text("import nonsense_sdk")

    problems = find_source_problems(Settings(cameras={"bench": Camera(source=str(path))}), limit_s=20.0)

    assert problems == []
    assert f"cameras.bench.source: {path}:1: ModuleNotFoundError" in caplog.text


MINE = """
from framebus import Processor

class Mine(Processor):
    def __init__(self, threshold: int = 3) -> None:
        self.threshold = threshold
"""


@pytest.mark.parametrize(
    ("text", "entry", "said"),
    [
        (MINE, "./mine.py", None),
        (MINE, "{mine.py: {threshold: 3, cameras: [front]}}", None),
        (MINE, "{./mine.py:Mine: {threshold: three}}", "[0].mine.threshold: expected a whole number, got text"),
        (MINE, "./none.py", "[0]: there is no file {folder}/none.py"),
        ("x = (", "./mine.py", "[0]: {folder}/mine.py:1: SyntaxError: '(' was never closed"),
        (MINE, "mine.py, brightness.py", "[1]: there is no file {folder}/brightness.py"),
        (MINE, "mine.py, sub/mine.py", "[1]: {folder}/sub/mine.py and {folder}/mine.py would both be called mine"),
    ],
)
def test_framebus_check_finds_processors_beside_the_configuration_and_says_what_is_wrong_in_them(
    tmp_path: Path, text: str, entry: str, said: str | None
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("mine.py", "sub/mine.py"):
        (tmp_path / name).write_text(text)
    file = tmp_path / "framebus.yml"
    file.write_text(f"services: {{enrich: {{processors: [{entry}]}}}}\n")

    done = subprocess.run([FRAMEBUS, "check", "-c", str(file)], capture_output=True, text=True, timeout=30.0, cwd="/")

    if said is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 78
        assert f"{file}:1: services.enrich.processors{said.format(folder=tmp_path)}" in " ".join(done.stderr.split())
