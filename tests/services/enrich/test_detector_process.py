"""A detector in a group of real processes: labels in news, in `framebus events`, and a camera that goes on without."""

import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.detector_settings import Layout
from framebus.messages import ObjectEvent, Phase, ServiceStats
from framebus.transport import Listener
from framebus_services.capture.scene import CARS
from groups import FRAMEBUS, RunningGroup, running_group, wait_until
from toy_models import LABELS, make_model

CAMERA = {
    "source": "synthetic://?width=320&height=240&fps=10",
    "detect": {"fps": 10},
    "record": {"enabled": False},
    "zones": {"street": {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}},
}
PAINT = CARS[zlib.crc32(b"front") % len(CARS)][::-1]
"""of the car that drives before this camera"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="fb"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def group(folder: Path) -> Iterator[RunningGroup]:
    model = make_model(folder / "car.onnx", Layout.YOLOX, size=(320, 256), colour=PAINT)
    detector = {"model": str(model), "labels": LABELS}
    with running_group({"cameras": {"front": CAMERA}, "services": {"enrich": {"detector": detector}}}) as running:
        running.await_ready()
        yield running


def test_the_car_of_the_synthetic_camera_starts_moves_and_ends_as_a_car(group: RunningGroup) -> None:
    heard: list[ObjectEvent] = []

    def ended() -> list[ObjectEvent]:
        heard.extend(event for news in listener.wait(0.2) if isinstance(event := news.decode(), ObjectEvent))
        # It drives to the right: what is seen first beyond the middle may be half gone already.
        starts = {event.id for event in heard if event.phase is Phase.START and event.box.x < 160}
        return [event for event in heard if event.phase is Phase.END and event.id in starts]

    with Listener(group.place, "object/") as listener:
        end = wait_until(ended, "an object from start to end", 60.0)[0]

    told = [event for event in heard if event.id == end.id]
    assert end.label == "car"
    assert end.zones == ["street"]
    assert {event.phase for event in told} == {Phase.START, Phase.UPDATE, Phase.END}
    assert max(event.box.width for event in told) == pytest.approx(75, abs=4)
    assert {event.label for event in heard} <= set(LABELS)

    def listed() -> str:
        command = [FRAMEBUS, "events", "front", "--last", "1h", "-c", str(group.file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20.0)
        return done.stdout if "car" in done.stdout else ""

    assert "street" in wait_until(listed, "framebus events")


def test_looks_labels_and_latency_are_in_the_stats(group: RunningGroup) -> None:
    found: list[ServiceStats] = []

    def told() -> bool:
        found.extend(one for news in listener.wait(0.5) if isinstance(one := news.decode(), ServiceStats))
        return any("detector.front" in one.latencies for one in found)

    with Listener(group.place, "stats/enrich/") as listener:
        wait_until(told, "a look in the stats", 30.0)

    assert found[-1].counters["detections.car"] > 0
    assert found[-1].gauges["detector.working"] == 1.0


def test_while_the_model_is_no_model_status_says_why_and_motion_goes_on(group: RunningGroup, folder: Path) -> None:
    model = folder / "car.onnx"
    good = model.read_bytes()
    model.write_text("no model")

    old = group.kill("enrich")
    group.await_back("enrich", old)
    wait_until(lambda: "is no ONNX model" in (group.services()["enrich"].reason or ""), "the reason in the status")
    with Listener(group.place, "object/") as listener:
        wait_until(
            lambda: [
                event
                for news in listener.wait(0.2)
                if isinstance(event := news.decode(), ObjectEvent) and event.label == "motion"
            ],
            "an object of motion alone",
            40.0,
        )
    model.write_bytes(good)

    wait_until(lambda: not group.services()["enrich"].reason, "it is mended", 20.0)
