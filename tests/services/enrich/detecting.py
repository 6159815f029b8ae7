"""An enrich process in memory with a detector in a real process, and a camera before which a white box goes by."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from framebus.detector_settings import Layout
from framebus.events import EndedObject, list_events
from framebus.messages import ObjectEvent, Phase
from framebus.testing import FakeBus
from framebus_services.enrich.service import Enrich
from groups import wait_until
from services.enrich.drawn import HEIGHT, WIDTH, Camera, scene
from toy_models import LABELS, make_model

EMPTY = scene()
LIMIT_S = 20.0


class Post:
    """Enrich, its bus and its cameras."""

    def __init__(
        self,
        folder: Path,
        detector: dict[str, Any],
        *cameras: str,
        **settings: Any,
    ) -> None:
        self.folder = folder
        names = cameras or ("front",)
        told = {"processors": [], "detector": detector, "cameras": dict.fromkeys(names, settings)}
        self.bus = FakeBus("enrich", settings=json.dumps(told).encode(), data=folder / "data")
        self.cameras = {name: Camera(folder, name, width=WIDTH, height=HEIGHT) for name in names}
        self.enrich = Enrich(self.bus)

    def show(self, left: int | None, *, size: tuple[int, int] = (90, 60), camera: str = "front") -> None:
        """The next picture, with the box there; None: without it."""
        picture = EMPTY.copy()
        if left is not None:
            picture[120 : 120 + size[1], left : left + size[0]] = 255
        self.bus.deliver(self.cameras[camera].show(picture, boot_s=self.bus.clock.boot_s()))
        self.bus.advance(0.2)

    def drive(self, *lefts: int, size: tuple[int, int] = (90, 60), camera: str = "front") -> None:
        """Pictures with the box at these places; the detector is done with each before the next."""
        for left in lefts:
            before = self.looks(camera)
            self.show(left, size=size, camera=camera)
            self.wait(lambda before=before: self.looks(camera) > before, "a look")  # type: ignore[misc]

    def looks(self, camera: str = "front") -> int:
        return self.bus.stats.counters.get(f"detector.looks.{camera}", 0)

    def wait(self, find: Callable[[], Any], what: str) -> None:
        def settled() -> Any:
            self.bus.settle()
            return find()

        wait_until(settled, f"{what}; {self.enrich._attention.complaints}", LIMIT_S)

    def await_working(self) -> None:
        self.wait(lambda: self.bus.stats.gauges.get("detector.working") == 1.0, "the detector works")
        self.bus.advance(0.2)

    def await_complaint(self, said: str) -> None:
        self.wait(lambda: said in "".join(self.enrich._attention.complaints), f"a complaint of {said!r}")
        self.bus.advance(0.2)

    def pid(self) -> int:
        lookout = self.enrich._attention._lookout
        assert lookout is not None
        assert lookout.pid is not None
        return lookout.pid

    @property
    def told(self) -> list[ObjectEvent]:
        return self.bus.messages(ObjectEvent)

    def labels(self, phase: Phase, camera: str = "front") -> list[str]:
        return [event.label for event in self.told if event.phase is phase and event.camera == camera]

    def kept(self) -> list[EndedObject]:
        """What is on disk at the end of the process."""
        self.enrich.stop()
        return list_events(self.folder / "data", "front", 0.0, 4_000_000_000.0)


def toy(folder: Path, layout: Layout = Layout.YOLOX, **more: Any) -> dict[str, Any]:
    """The settings of a detector with a model for this camera."""
    path = make_model(folder / "toy.onnx", layout, size=(WIDTH, 384), **more)
    return {"model": str(path), "labels": LABELS}
