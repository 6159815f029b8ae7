"""What the detector's process does with a frame, called by hand."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.detector_settings import DetectorSettings, Layout
from framebus_services.enrich import look as looking
from framebus_services.enrich.look import Looker
from framebus_services.enrich.looked import Look, Looked
from services.enrich.drawn import Camera, scene
from toy_models import LABELS, SCORE, make_model

SIZE = (640, 352)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        yield Path(name)


@pytest.fixture
def looker(folder: Path) -> Looker:
    model = make_model(folder / "toy.onnx", Layout.YOLO8, size=(320, 320))
    return Looker(DetectorSettings(model=str(model), labels=LABELS))


def show(camera: Camera, left: int, top: int) -> int:
    picture = scene(0, *SIZE)
    picture[top : top + 40, left : left + 60] = 255
    return camera.show(picture).number


def ask(looker: Looker, camera: Camera, number: int, *views: tuple[int, int, int, int]) -> Looked:
    task = Look(camera=camera.name, ring=str(camera.writer.path), number=number, size=SIZE, views=list(views))
    return looker.look(task)


def test_boxes_are_in_pixels_of_the_frame_whatever_part_was_looked_at(looker: Looker, folder: Path) -> None:
    camera = Camera(folder, width=SIZE[0], height=SIZE[1])
    number = show(camera, 400, 100)

    seen = ask(looker, camera, number, (320, 20, 320, 320)).sights

    assert [(one.label, one.score) for one in seen] == [("car", SCORE)]
    assert seen[0].box == pytest.approx((400, 100, 60, 40), abs=0.01)


def test_a_thing_in_two_parts_is_one(looker: Looker, folder: Path) -> None:
    camera = Camera(folder, width=SIZE[0], height=SIZE[1])
    number = show(camera, 250, 100)

    assert len(ask(looker, camera, number, (0, 0, 320, 320), (160, 0, 320, 320)).sights) == 1


@pytest.mark.parametrize(("left", "view", "is_sure"), [(300, (0, 0, 320, 320), False), (580, (320, 0, 320, 320), True)])
def test_what_the_edge_of_a_part_cuts_off_is_doubtful_unless_it_is_the_edge_of_the_picture(
    looker: Looker, folder: Path, left: int, view: tuple[int, int, int, int], is_sure: bool
) -> None:
    camera = Camera(folder, width=SIZE[0], height=SIZE[1])
    number = show(camera, left, 100)

    assert [one.score >= 0.4 for one in ask(looker, camera, number, view).sights] == [is_sure]


def test_a_frame_or_ring_that_is_gone_is_told(looker: Looker, folder: Path) -> None:
    camera = Camera(folder, width=SIZE[0], height=SIZE[1])
    number = show(camera, 100, 100)
    for _ in range(9):
        camera.show(1)

    stale = ask(looker, camera, number, (0, 0, 320, 320))
    camera.writer.unlink()
    gone = ask(Looker(looker._settings), camera, number, (0, 0, 320, 320))

    assert (stale.dropped, gone.dropped) == ("stale_frame", "no_ring")


def test_a_ring_that_nobody_asks_for_any_more_is_let_go(
    looker: Looker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = Camera(folder, width=SIZE[0], height=SIZE[1])
    monkeypatch.setattr(looking, "IDLE_S", 0.0)

    ask(looker, front, show(front, 100, 100), (0, 0, 320, 320))
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10.0)

    assert str(front.writer.path) not in Path("/proc/self/maps").read_text().replace(str(front.writer.path), "", 1)
    assert looker._rings == {}
