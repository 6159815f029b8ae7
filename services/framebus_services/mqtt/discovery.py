"""The documents by which Home Assistant finds the cameras: a device for each, and an entity for each thing it tells.

One retained document an entity (`<prefix>/<component>/<node>/<object>/config`), so that an entity goes as it came: by
one message. Fields: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from framebus_services.mqtt.names import Topics, ascii_id
from framebus_services.mqtt.publication import Publication

MOTION_LABEL = "motion"
"""of objects where no detector says what they are"""
_UP = "['online', 'degraded']"
_IS_UP = f"value_json.state in {_UP}"
_OCCUPIED = "{{ 'ON' if value | int(0) > 0 else 'OFF' }}"


@dataclass(frozen=True, kw_only=True)
class _Entity:
    """What makes an entity of a camera different from its others."""

    component: str
    id: str
    name: str
    fields: dict[str, Any]
    is_of_group: bool = False
    """there also while the camera is not"""


@dataclass(frozen=True)
class Discovery:
    prefix: str
    topics: Topics

    @property
    def birth_topic(self) -> str:
        """Where Home Assistant says that it is there."""
        return f"{self.prefix}/status"

    def camera(self, camera: str) -> list[Publication]:
        """The documents of a camera itself."""
        return [self._document(camera, entity) for entity in self._of_camera(camera)]

    def label(self, camera: str, label: str, called: str, zones: Iterable[str]) -> list[Publication]:
        """Those of a kind of objects, which is `called` so, and has the name `label` in topics."""
        return [self._document(camera, entity) for entity in self._of_label(camera, label, called, zones)]

    def _of_camera(self, camera: str) -> list[_Entity]:
        state = self.topics.state(camera)
        return [
            _Entity(
                component="binary_sensor",
                id="connection",
                name="Connection",
                is_of_group=True,
                fields={
                    "device_class": "connectivity",
                    "entity_category": "diagnostic",
                    "state_topic": state,
                    "value_template": f"{{{{ 'ON' if {_IS_UP} else 'OFF' }}}}",
                    "json_attributes_topic": state,
                },
            ),
            _Entity(
                component="binary_sensor",
                id="recording",
                name="Recording",
                is_of_group=True,
                fields={
                    "device_class": "running",
                    "entity_category": "diagnostic",
                    "state_topic": state,
                    "value_template": "{{ 'ON' if value_json.recording else 'OFF' }}",
                },
            ),
            _Entity(
                component="binary_sensor",
                id="motion",
                name="Motion",
                fields={"device_class": "motion", "state_topic": self.topics.motion(camera)},
            ),
        ]

    def _of_label(self, camera: str, label: str, called: str, zones: Iterable[str]) -> list[_Entity]:
        id = ascii_id(label)
        name = "Moving object" if label == MOTION_LABEL else called[:1].upper() + called[1:]
        counted = self.topics.objects(camera, label)
        occupied = {"device_class": "occupancy", "value_template": _OCCUPIED}
        entities = [
            _Entity(
                component="binary_sensor",
                id=f"objects_{id}",
                name=name,
                fields={**occupied, "state_topic": counted},
            ),
            _Entity(
                component="sensor",
                id=f"count_{id}",
                name=f"{name} count",
                fields={"state_topic": counted, "state_class": "measurement", "unit_of_measurement": "objects"},
            ),
            _Entity(
                component="image",
                id=f"picture_{id}",
                name=f"{name} picture",
                fields={"image_topic": self.topics.picture(camera, label), "content_type": "image/jpeg"},
            ),
        ]
        entities += [
            _Entity(
                component="binary_sensor",
                id=f"zone_{zone}_L_{id}",  # names of zones have no capitals: no two are written alike
                name=f"{name} in {zone}",
                fields={**occupied, "state_topic": self.topics.zone(camera, zone, label)},
            )
            for zone in zones
        ]
        return entities

    def _document(self, camera: str, entity: _Entity) -> Publication:
        node = f"{ascii_id(self.topics.base)}_{camera}"
        available: list[dict[str, str]] = [{"topic": self.topics.available}]
        if not entity.is_of_group:
            is_up = f"{{{{ 'online' if {_IS_UP} else 'offline' }}}}"
            available.append({"topic": self.topics.state(camera), "value_template": is_up})
        document = {
            "name": entity.name,
            "unique_id": f"{node}_{entity.id}",
            **entity.fields,
            "availability": available,
            "availability_mode": "all",
            "device": {
                "identifiers": [node],
                "name": camera,
                "manufacturer": "framebus",
                "model": "camera",
                "sw_version": _version(),
            },
            "origin": {"name": "framebus", "sw_version": _version()},
        }
        topic = f"{self.prefix}/{entity.component}/{node}/{entity.id}/config"
        return Publication(topic=topic, payload=msgspec.json.encode(document))


@cache
def _version() -> str:
    return version("framebus")
