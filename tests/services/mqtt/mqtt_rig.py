"""The mqtt service in memory: a FakeBus on one side, on the other a broker that is a dict."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from framebus.events import picture_name
from framebus.messages import Box, CameraState, CameraStatus, MotionBoxes, ObjectEvent, Phase
from framebus.settings import MqttProcessSettings
from framebus.testing import FakeBus
from framebus_services.mqtt.link import Heard
from framebus_services.mqtt.publication import Publication
from framebus_services.mqtt.service import Mqtt
from groups import wait_until

ZONES: dict[str, list[str]] = {"front": ["porch"], "back": []}


class MemoryLink:
    """A connection whose broker is the test's: `kept` is what stands there, `said` all that came."""

    def __init__(
        self, *_: Any, heard: Heard, soon: Callable[..., None], client: str, will: Publication, **__: Any
    ) -> None:
        self.heard = heard
        self._soon = soon
        self.client = client
        self.will = will
        self.kept: dict[str, bytes] = {}
        self.said: list[Publication] = []
        self.unacknowledged: list[Publication] = []
        self.is_slow = False
        self.is_alive = True

    @property
    def in_flight(self) -> int:
        return len(self.unacknowledged)

    def start(self) -> None: ...

    def publish(self, publication: Publication) -> bool:
        self.unacknowledged.append(publication)
        if not self.is_slow:
            self._soon(self.acknowledge)
        return True

    def acknowledge(self) -> None:
        """The broker takes all that was sent."""
        taken, self.unacknowledged = self.unacknowledged, []
        for one in taken:
            self._keep(one)
            self.heard.sent(one)

    def stop(self, farewell: Publication) -> None:
        self._keep(farewell)

    def _keep(self, publication: Publication) -> None:
        self.said.append(publication)
        if publication.is_retained:
            self.kept[publication.topic] = publication.payload
            if not publication.payload:
                del self.kept[publication.topic]


class Bridge:
    """The service, connected."""

    def __init__(self, data: Path, *, zones: dict[str, list[str]] | None = None, **settings: Any) -> None:
        given = MqttProcessSettings(
            url="mqtt://user:s3cret@10.0.0.7", cameras=ZONES if zones is None else zones, **settings
        )
        self.bus = FakeBus("mqtt", settings=msgspec.json.encode(given), data=data)
        links: list[MemoryLink] = []

        def make(*arguments: Any, **named: Any) -> Any:
            links.append(MemoryLink(*arguments, **named))
            return links[0]

        self.service = Mqtt(self.bus, make)
        self.link = links[0]
        self._shots = 0

    def connect(self) -> "Bridge":
        self.link.heard.up()
        self.bus.settle()
        return self

    def shoot(self, camera: str = "front", label: str = "person", jpeg: bytes = b"jpeg") -> None:
        """An object ends whose best picture is this one; returns when that is published."""
        self._shots += 1
        id = f"{self._shots:013d}-00c0de"
        file = self.bus.place.data / picture_name(camera, id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg)
        before = self.bus.stats.counters.get("published.pictures", 0)
        self.bus.deliver(sight(id, Phase.END, label, camera))
        self.await_count("published.pictures", before + 1, step_s=0.1)

    def await_count(self, counter: str, least: int, *, step_s: float = 0.0) -> None:
        """Wait for what another thread finds; at each look `step_s` have passed for the service."""

        def is_reached() -> bool:
            self.bus.advance(step_s)
            return self.bus.stats.counters.get(counter, 0) >= least

        wait_until(is_reached, f"{counter} is {least}", 10.0)

    @property
    def kept(self) -> dict[str, str]:
        """What stands at the broker, without discovery."""
        return {topic: value.decode() for topic, value in self.link.kept.items() if not topic.startswith("homeass")}

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        return {
            topic: msgspec.json.decode(value)
            for topic, value in self.link.kept.items()
            if topic.startswith("homeassistant/")
        }

    @property
    def events(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(one.payload) for one in self.link.said if one.topic == "framebus/events"]


def status(camera: str = "front", state: CameraState = CameraState.ONLINE, **fields: Any) -> CameraStatus:
    return CameraStatus(camera=camera, state=state, since_at_s=1_000.0, **fields)


def motion(camera: str = "front") -> MotionBoxes:
    return MotionBoxes(camera=camera, number=1, captured_at_s=1_000.0, width=640, height=360, boxes=[], area=0.1)


def sight(
    id: str = "1790000000250-00c0de",
    phase: Phase = Phase.START,
    label: str = "person",
    camera: str = "front",
    **fields: Any,
) -> ObjectEvent:
    return ObjectEvent(
        camera=camera,
        id=id,
        phase=phase,
        label=label,
        score=0.91234,
        box=Box(x=1, y=2, width=30, height=40),
        since_at_s=1_790_000_000.25,
        captured_at_s=1_790_000_001.0,
        number=7,
        **fields,
    )
