"""The table of the README, "you want / you type": its commands are typed as they stand, one after the other."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import media
from camera import RtspCamera
from examples.processes import Folder
from framebus.recordings import parse_segment
from groups import wait_until

README = (Path(__file__).parents[2] / "README.md").read_text()
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", README.partition("**What it promises**")[0], re.MULTILINE))


def commands(row: str) -> list[list[str]]:
    """The commands that a row of the table names."""
    return [shlex.split(text) for text in re.findall(r"`(framebus [^`]+)`", ROWS[row])]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder() as folder:
        del folder.environment["FRAMEBUS_DATA"]  # as the file says
        yield folder


def test_a_camera_is_there_to_stay_and_what_can_be_asked_of_it_is_answered(folder: Folder, tmp_path: Path) -> None:
    media.make_video(tmp_path / "street.mp4", seconds=8, fps=10, gop_frames=20)
    init, add, up = commands("it to stay")
    asked = [
        command
        for row in ("the page, on your phone too", "a clip of the last minute", "what went by, with pictures")
        for command in commands(row)
        if command[1] != "up"
    ] + commands("what is wrong with a camera")

    with RtspCamera(tmp_path / "street.mp4", user="viewer", password="s3cret") as camera:
        assert folder.start(*init).wait() == 0
        typed = add[-1].replace("viewer@10.0.0.5/stream1", camera.url.partition("//")[2])
        assert folder.start(*add[:-1], typed).wait() == 0
        file = folder.path / "framebus.yml"
        file.write_text(file.read_text() + "\nhttp: {port: 0}\n")
        group = folder.start(*up)
        group.wait_for("front_door: online")
        data = folder.path / "data"
        wait_until(lambda: any(parse_segment(path) for path in data.rglob("*.mp4")), "a closed segment", 30.0)
        ends = {" ".join(command): folder.start(*command) for command in asked}
        codes = {name: program.wait() for name, program in ends.items()}
        assert group.stop() == 0

    assert "framebus why front_door" in codes
    assert "framebus link --qr" in codes
    allowed = {"framebus export front_door --last 60s --watch": 1}  # less than a minute was recorded: refused in words
    assert codes == {name: allowed.get(name, 0) for name in codes}, {name: one.said for name, one in ends.items()}


def test_the_first_screen_names_four_promises_each_with_a_test_that_is_there() -> None:
    promises = README.partition("**What it promises**")[2].partition("**What it does not do")[0]

    tests = re.findall(r"^\d\. \*\*.*\(\[test\]\(([^)]+)\)\)\.$", promises, re.MULTILINE)

    assert len(tests) == 4
    assert all((Path(__file__).parents[2] / test).is_file() for test in tests)
