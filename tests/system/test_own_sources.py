"""Cameras of the user's own in a real group: looked at in their own formats, and exported pixel by pixel."""

import runpy
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

from framebus import client
from framebus.jobs import JobState
from framebus.messages import ObjectEvent
from framebus.requests import GetStats
from framebus.transport import Listener
from groups import RunningGroup, running_group, wait_until

FORMATS = ("GRAY16", "BGR24", "BAYER_RGGB8")
LAYOUTS = {"GRAY16": "gray16le", "BGR24": "bgr24", "BAYER_RGGB8": "gray"}
SOURCE = '''
import time
import numpy as np
from framebus import CameraSource, Picture, PixelFormat

def picture(name: str, number: int) -> np.ndarray:
    """A square that wanders over a wall; its place tells the number."""
    scale, kind = (256, np.uint16) if name == "GRAY16" else (1, np.uint8)
    shape = (240, 320, 3) if name == "BGR24" else (240, 320)
    pixels = np.full(shape, 60 * scale, kind)
    left = number * 4 % 280
    pixels[100:140, left:left + 40] = 220 * scale
    pixels[0, :4] = np.array([number % 200] * 4)[:, np.newaxis] if name == "BGR24" else [number % 200] * 4
    return pixels

class Wall(CameraSource):
    def __init__(self, name: str) -> None:
        self.pixel_format, self._name = PixelFormat[name], name

    def open(self):
        number = 0
        while True:
            yield Picture(picture(self._name, number), pts_us=number)
            number += 1
            time.sleep(0.1)
'''


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGroup]:
    source = tmp_path_factory.mktemp("own") / "wall.py"
    source.write_text(SOURCE)
    record = {"segment_s": 1, "encoder": "lossless"}
    cameras = {name.lower(): {"source": str(source), "settings": {"name": name}, "record": record} for name in FORMATS}
    with running_group({"cameras": cameras, "services": {"enrich": {"processors": ["brightness"]}}}) as group:
        group.await_ready()
        yield group


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_of_any_format_are_looked_at_in_enrich_and_what_moves_in_them_is_an_object(
    group: RunningGroup, name: str
) -> None:
    def looked_at() -> int:
        stats = client.ask("enrich", GetStats(), run=group.place.run)
        assert not [what for what, count in stats.counters.items() if "error" in what and count]
        return stats.counters.get(f"frames.{name.lower()}", 0) >= 20

    with Listener(group.place, f"object/{name.lower()}/") as listener:
        wait_until(looked_at, "20 frames in enrich")
        (event, *_) = wait_until(lambda: listener.wait(0.2), "an object")

    assert isinstance(event.decode(), ObjectEvent)


@pytest.mark.parametrize("name", FORMATS)
def test_an_exported_clip_has_each_pixel_as_it_came(group: RunningGroup, name: str) -> None:
    recordings = group.place.data / "recordings" / name.lower()
    wait_until(lambda: len(list(recordings.rglob("*.mp4"))) >= 3, "three segments")
    (source,) = {camera["source"] for camera in yaml.safe_load(group.file.read_text())["cameras"].values()}
    make = runpy.run_path(source)["picture"]

    job = group.submit(time.time() - 3.0, time.time() - 1.0, camera=name.lower())
    (ended,) = group.await_ends([job.id])

    assert ended.state is JobState.SUCCEEDED, ended
    frames = frames_of(newest(group.place.data / "exports", name.lower()), LAYOUTS[name])
    numbers = [int(frame.reshape(240, 320, -1)[0, 0, 0]) for frame in frames]
    assert len(frames) >= 10
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(np.array_equal(frame, make(name, number)) for frame, number in zip(frames, numbers, strict=True))


def newest(folder: Path, camera: str) -> Path:
    return max(folder.rglob(f"{camera}*.mp4"), key=lambda path: path.stat().st_mtime)


def frames_of(path: Path, layout: str) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        if layout == "gray":  # a decoder adds the colours that are not there
            return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
        return [frame.to_ndarray(format=layout) for frame in container.decode(video=0)]
