"""Videos that are made once, and the folders and jobs of the tests of clips."""

from pathlib import Path

import pytest

from media import make_video


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of numbered frames, 10 a second, a key frame each second."""
    path = tmp_path_factory.mktemp("video") / "plain.mp4"
    make_video(path, seconds=12)
    return path


@pytest.fixture(scope="session")
def rich_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `video`, with B-frames and sound."""
    path = tmp_path_factory.mktemp("video") / "rich.mp4"
    make_video(path, seconds=12, b_frames=2, audio=True)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"
