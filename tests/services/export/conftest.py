"""Videos that are made once, and the folders and jobs of the tests of clips."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.recordings import closed_name, hour_folder
from media import make_video
from services.export.exporting import LONG_SEGMENTS, Group
from services.export.recorded import START_S, record


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


@pytest.fixture
def group() -> Iterator[Group]:
    folder = Path(tempfile.mkdtemp(prefix="fb"))
    group = Group(folder)
    try:
        yield group
        group.close()
        assert not re.search("ERROR|Traceback", group.log()), group.log()
    finally:
        group.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def long_recordings(tmp_path_factory: pytest.TempPathFactory, rich_video: Path) -> Path:
    """Most of an hour in many small segments: work for some seconds."""
    data = tmp_path_factory.mktemp("long")
    one = record(data / "one", rich_video)[0]
    for number in range(LONG_SEGMENTS):
        start_s = START_S + 2.0 * number
        folder = hour_folder(data, "front", start_s)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(one.path, folder / closed_name(round(start_s * 1_000), 2_000))
    return data


@pytest.fixture
def long_group(group: Group, long_recordings: Path) -> Group:
    """A group that finds the long recordings."""
    (group.place.data / "recordings").symlink_to(long_recordings / "recordings")
    return group
