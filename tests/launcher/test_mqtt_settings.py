"""The section of the MQTT bridge: what is wrong with it is said before it starts, without its password."""

from pathlib import Path

import msgspec
import pytest
import yaml

from framebus.errors import ConfigError
from framebus.place import Place
from framebus.settings import Camera, MqttProcessSettings, Settings
from framebus_launcher import config
from framebus_launcher.config import load_settings
from framebus_launcher.config_warnings import find_warnings
from framebus_launcher.document import read_document
from framebus_launcher.plan import make_plan
from framebus_launcher.redaction import shown
from framebus_launcher.table import LAST, Row, make_table

PLACE = Place.at(Path("/run/framebus"))
CANARY = "hunter2canary"
URL = "mqtt://10.0.0.7"


def load(folder: Path, section: object) -> Settings:
    path = folder / "framebus.yml"
    path.write_text(yaml.safe_dump({"services": {"mqtt": section}}))
    return load_settings(path)


def row_of(settings: Settings) -> Row | None:
    return next((row for row in make_table(settings, PLACE) if row.name == "mqtt"), None)


@pytest.mark.parametrize("services", [{}, {"mqtt": False}])
def test_where_no_broker_is_named_there_is_no_process(services: dict[str, object]) -> None:
    assert row_of(Settings(services=services)) is None


def test_a_broker_makes_one_process_that_knows_cameras_and_zones_and_takes_them_while_it_runs(tmp_path: Path) -> None:
    settings = load(tmp_path, {"url": URL})
    zones = {"porch": {"points": [(0, 0), (0, 1), (1, 1)]}}
    camera = msgspec.convert({"source": "synthetic://", "zones": zones}, Camera)
    row = row_of(msgspec.structs.replace(settings, cameras={"front": camera}))
    before = row_of(settings)

    assert row is not None
    assert before is not None
    assert msgspec.json.decode(row.section, type=MqttProcessSettings).cameras == {"front": ["porch"]}
    assert row.tier == LAST
    assert make_plan([before], [row]).live == (row,)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        (True, "services.mqtt: expected a map of settings, got bool"),
        ({}, "services.mqtt.url: is missing"),
        ({"url": "10.0.0.7"}, "services.mqtt.url: is no address of a broker; write mqtt://"),
        ({"url": f"http://me:{CANARY}@h"}, "services.mqtt.url: is no address of a broker"),
        ({"url": f"mqtt://me:{CANARY}/x@h"}, "services.mqtt.url: is no address of a broker"),
        ({"url": f"mqtt://me:{CANARY}@h:1883/home"}, "services.mqtt.url: has something after the port"),
        ({"url": "mqtt://h:99999"}, "services.mqtt.url: is no address of a broker"),
        ({"url": "mqtt://a..b"}, "services.mqtt.url: is no address of a broker"),
        ({"url": URL, "topic": "a/#"}, "services.mqtt.topic: is no begin of a topic"),
        ({"url": URL, "topic": ""}, "services.mqtt.topic: is no begin of a topic"),
        ({"url": URL, "topic": "a//b"}, "services.mqtt.topic: is no begin of a topic"),
        ({"url": URL, "topic": "$SYS"}, "services.mqtt.topic: is no begin of a topic"),
        ({"url": URL, "discovery": "+"}, "services.mqtt.discovery: is no begin of a topic"),
        ({"url": URL, "ca": "ca.pem"}, "services.mqtt.ca: is of mqtts://, and url is not"),
        ({"url": URL, "topics": "x"}, "services.mqtt.topics: unknown setting; did you mean topic?"),
        ({"url": URL, "command": ["x"]}, "services.mqtt: this name belongs to a built-in service"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_no_password(tmp_path: Path, section: object, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, section)

    assert says in str(error.value)
    assert CANARY not in str(error.value)


def test_discovery_may_be_off_and_a_password_any_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "p@ss/w:rd#1?")

    settings = load(tmp_path, {"url": "mqtt://me:${MQTT_PASSWORD}@h", "topic": "home/cams", "discovery": False})

    assert settings.services["mqtt"]["url"] == "mqtt://me:p%40ss%2Fw%3Ard%231%3F@h"


def test_the_certificate_is_found_from_the_folder_of_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, {"url": "mqtts://h", "ca": "ca.pem"})

    assert settings.services["mqtt"]["ca"] == f"{tmp_path}/ca.pem"
    (warning,) = find_warnings(read_document(tmp_path / "framebus.yml"), settings)
    assert f"services.mqtt.ca: there is no file {tmp_path}/ca.pem now" in warning


def test_without_its_library_the_check_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "MQTT_LIBRARY", "no_such_library")

    with pytest.raises(ConfigError, match=r"pip install 'framebus\[mqtt\]', or `mqtt: off`"):
        load(tmp_path, {"url": URL})


def test_who_is_shown_the_configuration_is_shown_no_password() -> None:
    assert CANARY not in str(shown({"services": {"mqtt": {"url": f"mqtt://me:{CANARY}@h"}}}))
