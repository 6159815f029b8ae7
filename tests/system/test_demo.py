"""`framebus demo`, as `make demo` runs it without a terminal."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import media
from clips import probe
from framebus.place import Place
from groups import FRAMEBUS, processes_of

LIMIT_S = 100.0


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="fb-"))
    yield made
    shutil.rmtree(made)


def run_demo(folder: Path, *arguments: str) -> str:
    """What the demo prints; it must exit 0 and leave nothing but the clips."""
    done = subprocess.run(
        [FRAMEBUS, "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    found = re.search(r"data in (\S+);", done.stdout)
    assert found is not None
    place = Place.at(Path(found[1]) / "run")
    assert processes_of(place) == []
    assert not place.shm.exists()
    assert not Path(found[1]).exists()
    return done.stdout


def test_the_demo_tells_its_whole_story_on_the_synthetic_camera_and_loses_nothing(folder: Path) -> None:
    text = run_demo(folder)

    words = ("start", "ready", "frame", "motion", "clip", "queued", "kill -9", "back", "jobs", "watch", "left behind")
    for word in words:
        assert word in text, text
    assert re.search(r"4 accepted, 4 succeeded, 0 lost, 0 done twice", text), text
    assert "3 of 3 jobs still there" in text
    assert "ingest  analysis" in text
    assert [line for line in text.splitlines() if "  back  " in line and len(line) > 120] == []
    assert "left behind: 0 processes, 0 sockets, 0 rings" in text
    clips = list((folder / "demo-clips").glob("garden_*.mp4"))
    assert len(clips) == 4
    assert 95 <= max(probe(clip).frames for clip in clips) <= 115


MINE = """
from framebus import Finding, Processor

class Mine(Processor):
    def process_frame(self, frame):
        if frame.number == 30:
            raise ValueError("thirty")
        yield Finding(processor="mine", camera=frame.camera, label="width", value=float(frame.width))
"""


def test_the_demo_makes_clips_of_a_given_video_and_tells_what_a_given_processor_finds_and_raises(folder: Path) -> None:
    media.make_video(folder / "Drive Way.mp4", seconds=20, fps=12, gop_frames=24)
    (folder / "mine.py").write_text(MINE)

    text = run_demo(folder, "--source", str(folder / "Drive Way.mp4"), "--once", "--processor", "mine.py")

    assert "0 lost, 0 done twice" in text
    assert re.search(r" finding +mine +width 320, drive-way #\d+\n", text), text
    raised = [line for line in text.splitlines() if "ValueError" in line]
    assert len(raised) <= 2, "once, and again in the next life of the camera"
    assert f"processor mine: ValueError at {folder}/mine.py:7: thirty" in raised[0]
    for clip in (folder / "demo-clips").glob("drive-way_*.mp4"):
        found = probe(clip)
        assert found.codec == "h264"
        assert (found.width, found.height) == (320, 240)


def test_ctrl_c_after_a_job_was_queued_ends_calmly_and_names_no_clips_that_were_not_made(folder: Path) -> None:
    demo = subprocess.Popen(
        [FRAMEBUS, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
    )
    assert demo.stdout is not None
    (folder / "demo-clips").mkdir()  # of an earlier run
    told = []
    for line in demo.stdout:
        told.append(line)
        if " queued; " in line:
            break

    demo.send_signal(signal.SIGINT)
    rest, errors = demo.communicate(timeout=20.0)

    text = "".join(told) + rest
    assert demo.returncode == 0, text
    assert errors == ""
    assert "sorry" not in text
    assert "you asked for it" in text
    assert "left behind: 0 processes, 0 sockets, 0 rings" in text
    made = list((folder / "demo-clips").glob("*.mp4"))
    assert ("clip" in text.splitlines()[-1]) == bool(made)


def test_a_source_that_cannot_be_one_is_one_line_and_exit_78(folder: Path) -> None:
    done = subprocess.run(
        [FRAMEBUS, "demo", "--source", "gopher://viewer:s3cret@x"], capture_output=True, text=True, timeout=20.0
    )

    assert done.returncode == 78
    assert "rtsp://" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        ("none.py", "there is no file {folder}/none.py"),
        ("brigthness", "did you mean brightness?"),
        ("bad.py", "bad.py:1: "),
    ],
)
def test_a_processor_that_cannot_be_one_is_one_line_and_exit_78(folder: Path, processor: str, said: str) -> None:
    (folder / "bad.py").write_text("class class\n")

    done = subprocess.run(
        [FRAMEBUS, "demo", "--processor", processor], capture_output=True, text=True, timeout=20.0, cwd=folder
    )

    assert (done.returncode, done.stdout) == (78, "")
    assert said.format(folder=folder) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_no_video_is_told_in_one_line_with_its_mend_and_exit_69(folder: Path) -> None:
    (folder / "bad.mp4").write_text("not a video")

    done = subprocess.run(
        [FRAMEBUS, "demo", "--source", str(folder / "bad.mp4")],
        capture_output=True,
        text=True,
        timeout=30.0,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
    )

    assert done.returncode == 69
    assert "no video that can be read" in done.stdout
    assert "left behind: 0 processes, 0 sockets, 0 rings" in done.stdout
