"""The documents that Home Assistant finds cameras by: each field one that its schemas of MQTT discovery know."""

import re
from pathlib import Path
from typing import Any

from framebus_services.mqtt.discovery import Discovery
from framebus_services.mqtt.names import Topics
from services.mqtt.mqtt_rig import Bridge, sight

# homeassistant/components/mqtt: schemas.py, discovery.py, binary_sensor.py, sensor.py, image.py
TOPIC = re.compile(r"homeassistant/(?P<component>\w+)/(?P<node>[a-zA-Z0-9_-]+)/(?P<object>[a-zA-Z0-9_-]+)/config")
COMMON = {"name", "unique_id", "availability", "availability_mode", "device", "origin", "entity_category"}
FIELDS = {
    "binary_sensor": {"state_topic", "value_template", "device_class", "json_attributes_topic"},
    "sensor": {"state_topic", "state_class", "unit_of_measurement"},
    "image": {"image_topic", "content_type"},
}
NEEDED = {"binary_sensor": "state_topic", "sensor": "state_topic", "image": "image_topic"}
DEVICE_CLASSES = {"connectivity", "running", "motion", "occupancy"}


def documents(tmp_path: Path) -> dict[str, dict[str, Any]]:
    bridge = Bridge(tmp_path, zones={"front": ["porch", "a", "a_b"], "back": []}).connect()
    for number, label in enumerate(("person", "traffic light", "motion", "人", "b_person", "été")):
        bridge.bus.deliver(sight(f"{number}", label=label))
    return bridge.documents


def test_every_document_stands_where_home_assistant_looks_and_has_only_fields_that_it_knows(tmp_path: Path) -> None:
    for topic, document in documents(tmp_path).items():
        match = TOPIC.fullmatch(topic)
        assert match is not None, topic
        component = match["component"]
        assert document.keys() - COMMON <= FIELDS[component], topic
        assert NEEDED[component] in document
        assert document.get("device_class", "motion") in DEVICE_CLASSES
        assert document.get("entity_category", "diagnostic") == "diagnostic"
        assert document["device"].keys() == {"identifiers", "name", "manufacturer", "model", "sw_version"}
        assert document["origin"].keys() == {"name", "sw_version"}


def test_ids_are_unique_and_of_one_device_for_each_camera(tmp_path: Path) -> None:
    found = documents(tmp_path)

    ids = [document["unique_id"] for document in found.values()]

    assert len(set(ids)) == len(ids) == 3 + 3 + 6 * (3 + 3)
    devices = {(document["device"]["name"], *document["device"]["identifiers"]) for document in found.values()}
    assert devices == {("front", "framebus_front"), ("back", "framebus_back")}


def test_no_entity_begins_with_the_name_of_its_device(tmp_path: Path) -> None:
    """Home Assistant puts it before, and complains of names that have it twice."""
    names = [(document["name"], document["device"]["name"]) for document in documents(tmp_path).values()]

    assert not [name for name, device in names if name.lower().startswith(device)]
    assert {"Person", "Person count", "Person picture", "Person in porch", "Moving object"} <= {
        name for name, _ in names
    }


def test_every_topic_that_a_document_names_is_one_that_is_told(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    bridge.bus.deliver(sight())
    bridge.shoot("front")
    bridge.bus.advance(6.0)

    named = set()
    for document in bridge.documents.values():
        named |= {value for key, value in document.items() if key.endswith("_topic")}
        named |= {one["topic"] for one in document["availability"]}

    assert named <= bridge.kept.keys()


def test_what_tells_of_the_camera_itself_is_there_also_while_the_camera_is_not(tmp_path: Path) -> None:
    found = {document["name"]: document for document in documents(tmp_path).values()}

    assert found["Connection"]["availability"] == [{"topic": "framebus/available"}]
    assert [one["topic"] for one in found["Motion"]["availability"]] == ["framebus/available", "framebus/back/state"]
    assert found["Motion"]["availability_mode"] == "all"


def test_two_groups_at_one_broker_have_other_ids() -> None:
    ours, theirs = (Discovery("homeassistant", Topics(base)).camera("front") for base in ("framebus", "home/cams"))

    assert not {one.topic for one in ours} & {one.topic for one in theirs}


def test_entities_are_told_again_when_home_assistant_is_born(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path).connect()
    before = bridge.documents
    bridge.link.kept.clear()

    bridge.link.heard.birth()
    bridge.bus.settle()

    assert bridge.documents == before
    assert bridge.kept == {}


def test_without_discovery_there_are_no_entities(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path, discovery=False).connect()

    bridge.bus.deliver(sight())

    assert bridge.documents == {}
    assert bridge.kept["framebus/front/objects/person"] == "1"
