"""What goes wrong on the command line is one line with its mend and an exit code of the table, never a traceback."""

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import command
from framebus_launcher.cli import PANELS, make_app
from groups import FRAMEBUS

WITHOUT_CAMERAS = "import sys; sys.modules.update(av=None, cv2=None)"
# Tells when the command has begun to load, and then takes its time.
SLOW_TO_LOAD = "import sys, time; print('loading', flush=True); time.sleep(60)"


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path: sockets stand in it."""
    made = Path(tempfile.mkdtemp(prefix="fm-"))
    yield made
    shutil.rmtree(made)


def configuration(folder: Path, **settings: object) -> str:
    file = folder / "framebus.yml"
    file.write_text(json.dumps({"run": str(folder / "run"), "data": str(folder / "data"), **settings}))
    return str(file)


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("exprt",), "export"),
        (("export", "front", "--lats", "5s"), "--last"),
        (("watch", "--nix"), "--nix"),
        (("jobs", "--state", "broken"), "retrying"),
        (("new", "procesor", "x"), "for 'kind': 'procesor' is not one of"),
        (("submit", "camera=front"), "the type comes first"),
        (("call", "dispatcher", "ping", "{"), "JSON"),
        (("call", "capture@front", "capture.snapshot", "--blob", "/nope/x.jpg"), "/nope"),
    ],
)
def test_a_command_that_is_called_wrongly_ends_with_64_and_names_its_help(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = command(None, *arguments, FRAMEBUS_RUN=str(folder))

    assert done.returncode == os.EX_USAGE
    assert words in only_line(done)
    assert "--help)" in done.stderr


def test_a_command_without_a_group_says_so_and_ends_with_69(folder: Path) -> None:
    done = command(None, "jobs", "--run", str(folder))

    assert done.returncode == os.EX_UNAVAILABLE
    assert "no group runs in" in only_line(done)


@pytest.mark.parametrize("name", ["up", "run"])
def test_a_data_folder_that_cannot_be_made_is_one_line(folder: Path, name: str) -> None:
    (folder / "data").write_text("a file is in the way")
    file = configuration(folder, data=str(folder / "data" / "below"))

    done = command(None, name, *(["dispatcher"] if name == "run" else ["--plain"]), "-c", file)

    assert done.returncode == 1
    assert str(folder / "data") in only_line(done)


def test_a_configuration_that_is_no_text_is_one_line_with_the_byte(folder: Path) -> None:
    file = folder / "framebus.yml"
    file.write_bytes("cameras: {}\n".encode("utf-16"))

    done = command(None, "up", "-c", str(file))

    assert done.returncode == os.EX_CONFIG
    assert "is not UTF-8 text (byte 0)" in only_line(done)


def test_ctrl_c_while_the_command_loads_is_no_traceback(folder: Path) -> None:
    (folder / "psutil.py").write_text(SLOW_TO_LOAD)  # one of the first things that the command needs
    loading = subprocess.Popen(
        [FRAMEBUS, "status"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert loading.stdout is not None
    assert loading.stdout.readline() == "loading\n"

    loading.send_signal(signal.SIGINT)
    _, said = loading.communicate(timeout=10.0)

    assert loading.returncode == 130
    assert said == ""


def test_doctor_works_without_camera_libraries_and_without_a_group(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text(WITHOUT_CAMERAS)
    file = configuration(folder)

    done = command(None, "doctor", "--json", "-c", file, PYTHONPATH=str(folder))

    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert found["cameras"]["level"] == "warn"
    assert "framebus[cameras]" in found["cameras"]["mend"]
    assert found["groups"]["text"] == "none runs here"
    assert "disk speed" in found
    assert done.returncode == (1 if any(one["level"] == "fail" for one in found.values()) else 0)
    assert not (folder / "data").exists()


def test_doctor_ends_with_1_when_something_fails_and_says_what_to_do(folder: Path) -> None:
    (folder / "run").symlink_to(folder)

    done = command(None, "doctor", "-c", configuration(folder))

    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.startswith("fail"))
    assert "run folder" in line
    assert "->" in line


def test_every_command_has_an_example_in_its_help() -> None:
    helps = {
        one.name or one.callback.__name__: one.callback.__doc__ or ""
        for one in make_app().registered_commands
        if one.callback
    }

    without = [name for name, text in helps.items() if f"Example: framebus {name}" not in text]

    assert len(helps) > 15
    assert without == []


def test_every_command_has_a_place_in_the_panels_of_the_help() -> None:
    done = command(None, "--help")

    titles = [line.strip("╭─╮ ") for line in done.stdout.splitlines() if line.startswith("╭─")]
    assert titles[1:] == list(PANELS)
    assert len(make_app().registered_commands) == sum(len(names) for names in PANELS.values())


def test_a_shell_completes_the_names_of_commands() -> None:
    done = command(None, _FRAMEBUS_COMPLETE="complete_bash", COMP_WORDS="framebus ex", COMP_CWORD="1")

    assert done.stdout.split() == ["export"]


def test_a_terminal_without_our_letters_is_no_reason_to_fail() -> None:
    done = command(None, "topics", "--help", PYTHONIOENCODING="ascii")

    assert done.returncode == 0


def test_the_package_can_be_run_by_python() -> None:
    done = subprocess.run([sys.executable, "-m", "framebus_launcher", "topics"], capture_output=True, text=True)

    assert done.returncode == 0
    assert "job_state/{type}/" in done.stdout


def test_without_the_camera_libraries_the_demo_is_one_line_with_the_mend(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text(WITHOUT_CAMERAS)

    done = command(None, "demo", PYTHONPATH=str(folder), TMPDIR=str(folder))

    assert done.returncode == os.EX_CONFIG
    assert "pip install 'framebus[cameras]'" in only_line(done)
    assert list(folder.glob("framebus-demo-*")) == []


def test_without_the_camera_libraries_a_configuration_with_cameras_is_warned_of(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text(WITHOUT_CAMERAS)
    file = configuration(folder, cameras={"front": {"source": "synthetic://"}})

    done = command(None, "check", "-c", file, PYTHONPATH=str(folder))

    assert done.returncode == 0
    assert "warning:" in done.stdout
    assert "pip install 'framebus[cameras]'" in done.stdout


def test_the_version_is_told() -> None:
    done = command(None, "--version")

    assert done.returncode == 0
    assert done.stdout.startswith("framebus ")


@pytest.mark.parametrize("key", [b"\x03", b"\x04"], ids=["ctrl-c", "ctrl-d"])
def test_who_answers_a_question_by_leaving_is_let_go_without_a_traceback(folder: Path, key: bytes) -> None:
    (folder / "framebus.yml").write_text("cameras: {}\n")
    ours, theirs = pty.openpty()
    line = [FRAMEBUS, "add", "front", "rtsp://viewer@127.0.0.1:9/stream"]
    child = subprocess.Popen(
        line, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_take_terminal
    )
    os.close(theirs)

    said = _read(ours, until=b"password of viewer: ")
    os.write(ours, key)
    said += _read(ours)

    assert child.wait(20) == 130
    os.close(ours)
    assert b"Traceback" not in said
    assert b"nothing was done" in said


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int, until: bytes | None = None) -> bytes:
    """What is said on a terminal up to the given words, or to the end."""
    said = b""
    while until is None or until not in said:
        assert select.select([terminal], [], [], 20.0)[0], said
        try:
            said += os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
    return said
