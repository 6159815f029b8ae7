"""The first hour of a home user: `framebus init`, `add`, `import`, against cameras that answer and such that do not."""

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

import media
from camera import RtspCamera
from commands import command as typed
from framebus.causes import said_of
from framebus.messages import Cause, ServiceState
from framebus_launcher import cli_cameras
from groups import SYNTHETIC, running_group
from web_camera import WebCamera

PASSWORD = "c4n'ary p@ss"


def command(*arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """A command with time for a look at a camera, also where the machine is busy."""
    return typed(None, *arguments, limit_s=80.0, **how)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "street.mp4"
    media.make_video(path, seconds=8, fps=10, gop_frames=20)
    return path


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `framebus init` writes."""
    folder = tmp_path_factory.mktemp("begun")
    assert command("init", cwd=folder).returncode == 0
    return (folder / "framebus.yml").read_text()


@pytest.fixture
def folder(tmp_path: Path, begun: str) -> Path:
    (tmp_path / "framebus.yml").write_text(begun)
    return tmp_path


def test_init_makes_a_file_that_is_fine_and_never_touches_one_that_is_there(tmp_path: Path) -> None:
    first = command("init", cwd=tmp_path)
    text = (tmp_path / "framebus.yml").read_text()
    again = command("init", cwd=tmp_path)

    assert first.returncode == 0
    assert "add front_door" in first.stdout
    assert again.returncode == 1
    assert "stays as it is" in again.stderr
    assert (tmp_path / "framebus.yml").read_text() == text
    assert command("check", cwd=tmp_path).returncode == 0


def test_a_file_that_cannot_be_written_whole_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli_cameras, "TEMPLATE", tmp_path)

    with pytest.raises(OSError, match=r"framebus\.yml"):
        cli_cameras.init()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("rtsp://10.0.0.5/1", "write USER@ before the host"),
        ("rtsp://viewer:wrong@10.0.0.5/1", "wrong user or password"),
        ("v4l2:///dev/video0", "usermod -aG video"),
        ("videos/street.mp4", "you may not read it"),
    ],
)
def test_who_may_not_come_in_is_told_what_would_be_right(source: str, words: str) -> None:
    assert words in said_of(Cause.AUTH, "401", source)


def test_a_camera_is_looked_at_and_written_and_its_password_stands_in_no_other_place(folder: Path, video: Path) -> None:
    with RtspCamera(video, user="viewer", password=PASSWORD) as camera:
        done = command("add", "front_door", camera.url, cwd=folder)
        wrong = command("add", "yard", camera.address.replace("//", f"//viewer:x{PASSWORD[:4]}@"), cwd=folder)

    text = (folder / "framebus.yml").read_text()
    assert done.returncode == 0, done.stderr
    assert "H264 320x240, 10 fps, a key frame every 2.0 s" in done.stdout
    assert "no sound" in done.stdout
    assert "viewer:${FRONT_DOOR_PASSWORD}@" in text
    assert "# recorded as it is" in text, "comments stay"
    assert stat.S_IMODE((folder / "secrets.env").stat().st_mode) == 0o600
    assert wrong.returncode == 69
    assert "wrong user or password" in wrong.stderr
    assert (folder / "framebus.yml").read_text() == text
    said = done.stdout + done.stderr + wrong.stdout + wrong.stderr
    files = "".join(file.read_text() for file in folder.rglob("*") if file.is_file() and file.name != "secrets.env")
    assert "c4n" not in said + files
    check = command("check", cwd=folder)
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["front", "rtsp://127.0.0.1:9/x"], 69, "refuses the connection"),
        (["front", "notes.txt"], 69, "no video that can be read"),
        (["front", "none.mp4"], 69, "nothing under this path"),
        (["front", "gopher://u:c4nary@h/"], 78, "a source is rtsp://"),
        (["front", "rtsp://u:${NOWHERE}@h/"], 78, "NOWHERE is not set"),
        (["Front Door", "synthetic://"], 64, "a-z, 0-9"),
        (["street", "synthetic://"], 1, "there is a camera street"),
    ],
)
def test_what_cannot_become_a_camera_is_said_in_words_and_nothing_is_written(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "notes.txt").write_text("milk, bread\n")
    file = tmp_path / "framebus.yml"
    file.write_text("cameras: {street: {source: 'synthetic://'}}\n")

    done = command("add", *arguments, cwd=tmp_path)

    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert "c4nary" not in done.stdout + done.stderr
    assert file.read_text() == "cameras: {street: {source: 'synthetic://'}}\n"


def test_a_folder_that_cannot_be_made_is_named_with_its_line_by_check_and_add_goes_on(tmp_path: Path) -> None:
    (tmp_path / "framebus.yml").write_text("cameras: {}\ndata: ./framebus.yml/data\n")

    checked = command("check", cwd=tmp_path)
    added = command("add", "street", "synthetic://", cwd=tmp_path)

    assert checked.returncode == 78
    assert "framebus.yml:2: data: " in checked.stderr
    assert f"cannot be made: {tmp_path}/framebus.yml is no folder" in checked.stderr
    assert added.returncode == 0, added.stderr


def test_a_damaged_file_is_named_with_its_line_and_stays(folder: Path) -> None:
    (folder / "framebus.yml").write_text("data: data\ncameras: {street: [\n")

    done = command("add", "front", "synthetic://", cwd=folder)

    assert done.returncode == 78
    assert "framebus.yml:3:" in done.stderr


def test_a_small_stream_is_found_tried_and_taken_when_it_is_wanted(folder: Path, video: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    media.make_video(large, seconds=4, fps=10, gop_frames=10, width=640, height=480)
    pages = {"/Preview_01_main": large.read_bytes(), "/Preview_01_sub": video.read_bytes()}
    with WebCamera(pages) as camera:
        offered = command("add", "front", f"{camera.url}/Preview_01_main", cwd=folder)
        mine = camera.url.replace("//", "//viewer:${MINE}@")
        taken = command("add", "back", f"{mine}/Preview_01_main", "--small", cwd=folder, MINE="c4nary")

    text = (folder / "framebus.yml").read_text()
    assert "its small stream seems to be" in offered.stdout
    assert "--small would take it" in offered.stdout
    assert "H264 320x240" in offered.stdout
    assert taken.returncode == 0, taken.stderr
    assert text.count("Preview_01_sub") == 1
    assert text.count("viewer:${MINE}@") == 2
    assert not (folder / "secrets.env").exists(), "who named a variable keeps the password elsewhere"


def test_a_group_that_runs_takes_a_camera_at_once_password_included(video: Path) -> None:
    with (
        RtspCamera(video, user="viewer", password=PASSWORD) as camera,
        running_group({"cameras": {"street": SYNTHETIC}}) as group,
    ):
        group.await_ready()
        lines = group.file.read_text().splitlines(keepends=True)
        group.file.write_text("".join(line for line in lines if not line.startswith("data:")))  # ./data goes unsaid
        done = command("add", "front_door", camera.url, "-c", str(group.file))
        services = group.await_ready("capture@front_door", "capture@street")

        assert done.returncode == 0, done.stderr
        assert "started capture@front_door" in done.stdout
        assert services["capture@street"].state is ServiceState.READY
        assert services["capture@street"].restarts == 0


def test_an_import_writes_cameras_lists_what_it_left_and_hides_passwords(tmp_path: Path) -> None:
    source = "rtsp://viewer:c4nary@10.0.0.5/Streaming/Channels/101"
    (tmp_path / "frigate.yml").write_text(
        "mqtt: {host: h, user: u, password: c4nary, client_id: f}\n"
        f"cameras: {{front: {{ffmpeg: {{inputs: [{{path: '{source}', roles: [detect]}}]}}, onvif: {{host: h}}}}}}\n"
    )

    done = command("import", "frigate.yml", cwd=tmp_path)
    again = command("import", "frigate.yml", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "line 1: mqtt.client_id: the bridge takes no such setting" in done.stdout
    assert "mqtt: mqtt://" in done.stdout
    assert "mqtt://u:${MQTT_PASSWORD}@h:1883" in (tmp_path / "framebus.yml").read_text()
    assert "there is a section services.mqtt already" in again.stdout
    assert "line 2: cameras.front.onvif: framebus steers no cameras" in done.stdout
    assert "c4nary" not in done.stdout + (tmp_path / "framebus.yml").read_text()
    assert command("check", cwd=tmp_path).returncode == 0
    assert again.returncode == 1
    assert "line 2: cameras.front: there is a camera front already" in again.stdout


def test_an_import_of_which_no_camera_can_be_taken_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "frigate.yml").write_text(
        "cameras: {front: {ffmpeg: {inputs: [{path: 'bogus://x', roles: [record]}]}}}\n"
    )

    done = command("import", "frigate.yml", cwd=tmp_path)

    assert done.returncode == 1
    assert "cameras.front.ffmpeg.inputs[0]: unknown kind of address" in done.stdout
    assert "no camera of frigate.yml can be taken" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["frigate.yml"]


def test_an_import_is_written_before_frigate_s_variables_have_values_and_tells_which_are_to_be_given(
    tmp_path: Path,
) -> None:
    source = "rtsp://viewer:{FRIGATE_RTSP_PASSWORD}@{FRIGATE_HOST}:554/1"
    (tmp_path / "frigate.yml").write_text(
        f"cameras: {{front: {{ffmpeg: {{inputs: [{{path: '{source}', roles: [detect]}}]}}}}}}\n"
    )

    done = command("import", "frigate.yml", cwd=tmp_path, FRIGATE_HOST="10.0.0.5")
    before = command("check", cwd=tmp_path, FRIGATE_HOST="10.0.0.5")
    (tmp_path / "secrets.env").write_text("FRIGATE_RTSP_PASSWORD='x'\n")
    after = command("check", cwd=tmp_path, FRIGATE_HOST="10.0.0.5")

    assert done.returncode == 0, done.stderr
    assert f"still to be given, each as a line of {tmp_path}/secrets.env:\n  FRIGATE_RTSP_PASSWORD='...'" in done.stdout
    assert "FRIGATE_HOST='" not in done.stdout
    assert "viewer:${FRIGATE_RTSP_PASSWORD}@${FRIGATE_HOST}:554/1" in (tmp_path / "framebus.yml").read_text()
    assert (before.returncode, "FRIGATE_RTSP_PASSWORD is not set" in before.stderr) == (78, True)
    assert after.returncode == 0, after.stderr
