"""P20: the writer of a recording is killed at a random picture, or its file is cut anywhere: what was whole stays."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from framebus.testing import FakeClock
from media import frames_of, make_video
from services.capture import capture_rig
from services.capture.capture_rig import make_recorder
from system.rig import dice, size

KILLS = size(10, 200)
FPS = 10
FRAMES = 60
BLOCK_BYTES = 512


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    make_video(path, seconds=FRAMES / FPS, fps=FPS)
    return path


def kill_after(data: Path, movie: Path, frames: int) -> None:
    killed = subprocess.run([sys.executable, capture_rig.__file__, data, movie, str(frames)], timeout=20)
    assert killed.returncode == -signal.SIGKILL


def repaired(data: Path) -> list[int]:
    """The pictures that the next recorder saves from what the last one left."""
    closed: list[Any] = []
    make_recorder(data, FakeClock(), closed).open(lambda: None)
    return [number for segment in closed for number in frames_of(data / segment.path)]


@pytest.mark.timeout(size(120, 1_200))
def test_a_writer_killed_at_a_random_picture_loses_at_most_the_last_second(tmp_path: Path, movie: Path) -> None:
    rng = dice("pictures")
    lost = []

    for number in range(KILLS):
        written = rng.randrange(FPS + 2, FRAMES)
        data = tmp_path / str(number)
        kill_after(data, movie, written)
        saved = repaired(data)
        assert saved == list(range(len(saved)))
        lost.append(written - len(saved))

    print(f"{KILLS} kills; at most {max(lost)} of {FPS} pictures a second lost")
    assert max(lost) <= FPS + 1  # the picture that is held back until the next tells its length


def test_a_recording_cut_at_every_block_keeps_all_pictures_before_the_cut(tmp_path: Path, movie: Path) -> None:
    kill_after(tmp_path / "whole", movie, FRAMES - 5)
    part = next((tmp_path / "whole" / "recordings").rglob("*.part"))
    cuts = range(BLOCK_BYTES, part.stat().st_size, BLOCK_BYTES)
    saved = []

    for cut in cuts:
        data = tmp_path / str(cut)
        shorter = data / part.relative_to(tmp_path / "whole")
        shorter.parent.mkdir(parents=True)
        shutil.copy(part, shorter)
        with shorter.open("r+b") as file:
            file.truncate(cut)
        saved.append(repaired(data))

    assert len(cuts) >= 15
    assert all(numbers == list(range(len(numbers))) for numbers in saved)
    assert [len(numbers) for numbers in saved] == sorted(len(numbers) for numbers in saved)
    assert len(saved[-1]) >= FRAMES - 5 - 2 * FPS
