"""The plug-in that counts: in memory, and as a row of a real group."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from examples.processes import Folder
from framebus.messages import Box, Finding, MotionBoxes
from framebus.testing import FakeBus

COUNTER = Path(__file__).parents[2] / "examples" / "counter.py"


@pytest.fixture
def counter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("counter", COUNTER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder() -> Iterator[Folder]:
    with Folder() as folder:
        yield folder


def motion(camera: str) -> MotionBoxes:
    box = Box(x=0, y=0, width=8, height=8)
    return MotionBoxes(camera=camera, number=1, captured_at_s=0.0, width=64, height=48, boxes=[box], area=0.1)


def test_frames_with_motion_are_told_once_a_minute_for_each_camera(counter: ModuleType) -> None:
    bus = FakeBus()
    counter.Counts(bus)

    for camera in ("front", "front", "yard"):
        bus.deliver(motion(camera))
    bus.advance(seconds=60.0)

    assert [(found.camera, found.value) for found in bus.messages(Finding)] == [("front", 2.0), ("yard", 1.0)]


def test_a_minute_without_motion_tells_nothing(counter: ModuleType) -> None:
    bus = FakeBus()
    counter.Counts(bus)
    bus.deliver(motion("front"))
    bus.advance(seconds=60.0)
    told = len(bus.sent)

    bus.advance(seconds=60.0)

    assert len(bus.sent) == told


def test_the_row_of_the_docstring_makes_it_a_member_of_the_group(counter: ModuleType, folder: Folder) -> None:
    assert counter.__doc__ is not None
    row = counter.__doc__.partition("\n\n")[2].partition("\n\n")[0]
    (folder.path / "counter.py").write_text(COUNTER.read_text())
    (folder.path / "framebus.yml").write_text(f"shm: shm\n{row}")

    group = folder.start("framebus", "up", "--only", "dispatcher", "--only", "counter", "--plain")
    group.wait_for("counter is ready")

    assert group.stop() == 0
