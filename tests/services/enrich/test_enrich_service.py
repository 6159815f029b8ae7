"""The service enrich: from a notice of a frame to motion and findings, with real rings in a temporary folder."""

import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import Raw

from framebus import codec
from framebus.frame import Frame
from framebus.messages import ConfigChanged, Finding, MotionBoxes
from framebus.processor import Processor
from framebus.testing import FakeBus
from framebus_services.enrich.service import Enrich
from services.enrich.drawn import HEIGHT, WIDTH, Camera, scene, with_square
from services.enrich.loading import loader


class Probe(Processor):
    """Tells each frame, and does meanwhile what the test wants."""

    meanwhile: ClassVar[Any] = None
    heard: ClassVar[list[object]] = []

    def process_frame(self, frame: Frame) -> Iterable[Finding]:
        if Probe.meanwhile is not None:
            Probe.meanwhile()
        return [Finding(processor="probe", camera=frame.camera, label="frame", value=float(frame.luma[0, 0]))]

    def update_config(self, topic: str, payload: object) -> None:
        Probe.heard.append((topic, payload))

    def shutdown(self) -> None:
        Probe.heard.append("shutdown")


LOAD = loader({"probe": Probe})


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(Probe, "meanwhile", None)
    monkeypatch.setattr(Probe, "heard", [])
    with tempfile.TemporaryDirectory(prefix="fb") as name:
        yield Path(name)
    gc.collect()  # bus and service know each other: now, not in a later test, go the ring's map and its descriptor


def bus_with(*processors: str) -> FakeBus:
    return FakeBus("enrich", settings=json.dumps({"processors": processors}).encode())


def mappings_of(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


def test_findings_of_a_frame_are_published(folder: Path) -> None:
    bus, camera = bus_with("probe", "brightness"), Camera(folder)
    Enrich(bus, LOAD)

    bus.deliver(camera.show(90))
    bus.deliver(camera.show(5))

    told = [(found.processor, found.label, found.value, found.number) for found in bus.messages(Finding)]
    assert told == [
        ("probe", "frame", 90.0, 1),
        ("brightness", "lit", 90.0, 1),
        ("probe", "frame", 5.0, 2),
        ("brightness", "dark", 5.0, 2),
    ]


def test_motion_is_published_while_something_moves_and_only_then(folder: Path) -> None:
    bus, camera = bus_with(), Camera(folder, width=WIDTH, height=HEIGHT)
    Enrich(bus, LOAD)
    pictures = [scene(), scene(), with_square(scene(), 200, 120), with_square(scene(), 260, 120), scene()]

    for number, picture in enumerate(pictures):
        bus.deliver(camera.show(picture, boot_s=1_000.0 + number / 5))

    moved = bus.messages(MotionBoxes)
    assert [motion.number for motion in moved] == [3, 4]
    assert all((motion.width, motion.height, motion.camera) == (WIDTH, HEIGHT, "front") for motion in moved)
    assert [len(motion.boxes) for motion in moved] == [1, 1]
    assert moved[0].captured_at_s == pytest.approx(1_790_001_000.4)


def test_a_frame_that_is_overwritten_while_it_is_looked_at_is_dropped_and_counted(folder: Path) -> None:
    bus, camera = bus_with("probe"), Camera(folder)
    Enrich(bus, LOAD)
    notice = camera.show(90)
    Probe.meanwhile = lambda: [camera.show(1) for _ in range(8)]

    bus.deliver(notice)

    assert bus.sent == []
    assert bus.stats.counters["dropped.torn_frame.front"] == 1


def test_a_frame_that_the_ring_no_longer_holds_is_counted(folder: Path) -> None:
    bus, camera = bus_with("probe"), Camera(folder)
    Enrich(bus, LOAD)
    notice = camera.show(90)
    for _ in range(8):
        camera.show(1)

    bus.deliver(notice)

    assert bus.sent == []
    assert bus.stats.counters["dropped.stale_frame.front"] == 1


def test_a_ring_that_is_gone_is_counted_and_logged_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    bus, camera = bus_with("probe"), Camera(folder)
    Enrich(bus, LOAD)
    camera.writer.unlink()

    with caplog.at_level(logging.WARNING):
        bus.deliver(camera.show())
        bus.deliver(camera.show())

    assert bus.sent == []
    assert bus.stats.counters["dropped.no_ring.front"] == 2
    assert len(caplog.records) == 1


def test_a_restarted_capture_is_followed_and_its_old_ring_let_go(folder: Path) -> None:
    bus, old = bus_with("probe"), Camera(folder, epoch=1)
    Enrich(bus, LOAD)
    bus.deliver(old.show(1))
    old.writer.close()

    bus.deliver(Camera(folder, epoch=2, width=128, height=64).show(2))

    assert [found.value for found in bus.messages(Finding)] == [1.0, 2.0]
    assert mappings_of(old.writer.path) == 0


def test_the_ring_of_a_camera_that_fell_silent_is_let_go_and_opened_again(folder: Path) -> None:
    bus, camera = bus_with("probe"), Camera(folder)
    Enrich(bus, LOAD)
    bus.deliver(camera.show(1))

    mappings = [mappings_of(camera.writer.path)]
    bus.advance(30.0)
    mappings.append(mappings_of(camera.writer.path))
    bus.deliver(camera.show(2))

    assert mappings == [1, 0]
    assert [found.value for found in bus.messages(Finding)] == [1.0, 2.0]


def test_frames_and_those_missed_are_counted_by_camera(folder: Path) -> None:
    bus, front, back = bus_with(), Camera(folder), Camera(folder, "back")
    Enrich(bus, LOAD)

    bus.deliver(front.show())
    front.show()
    front.show()
    bus.deliver(front.show())
    bus.deliver(back.show())

    counted = bus.stats.counters
    assert (counted["frames.front"], counted["missed.front"]) == (2, 2)
    assert (counted["frames.back"], counted["missed.back"]) == (1, 0)


def test_the_way_from_capture_and_the_work_are_timed(folder: Path) -> None:
    bus, camera = bus_with("probe"), Camera(folder)
    Enrich(bus, LOAD)

    bus.deliver(camera.show(boot_s=bus.clock.boot_s() - 0.025))

    latencies = bus.stats.read().latencies
    assert latencies["capture_to_enrich"].p50_ms == 25.0
    assert set(latencies) == {"capture_to_enrich", "motion", "objects", "processor.probe", "frame.front"}


def test_a_new_configuration_reaches_the_processors(folder: Path) -> None:
    bus = bus_with("probe")
    Enrich(bus, LOAD)

    bus.deliver(ConfigChanged(section="enrich", revision=2, value=Raw(codec.encode({"keep": 3}))))

    assert Probe.heard == [("config/enrich/", {"keep": 3})]


def test_at_the_end_processors_are_told_and_rings_are_let_go(folder: Path) -> None:
    bus, camera = bus_with("probe"), Camera(folder)
    enrich = Enrich(bus, LOAD)
    bus.deliver(camera.show())
    mappings = [mappings_of(camera.writer.path)]

    enrich.stop()

    mappings.append(mappings_of(camera.writer.path))
    assert Probe.heard == ["shutdown"]
    assert mappings == [1, 0]


@pytest.mark.parametrize(
    ("processors", "told"),
    [
        (["brihtness"], "processors[0]: unknown processor 'brihtness'; known are "),
        ([{"brightness": {"dark_below": 300}}], "processors[0].brightness.dark_below: Expected `float` <= 255.0"),
        (3, "processors"),
    ],
)
def test_the_process_ends_with_78_when_its_settings_are_wrong(processors: object, told: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fb") as folder:
        settings = Path(folder) / "enrich.json"
        settings.write_text(json.dumps({"processors": processors}))
        environment = {**os.environ, "FRAMEBUS_SETTINGS": str(settings), "FRAMEBUS_RUN": folder}
        ended = subprocess.run(
            [sys.executable, "-m", "framebus_services.enrich"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    assert ended.returncode == 78
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
