"""docs/mqtt.md names the topics that are told, and settings that are taken."""

import re
from pathlib import Path

import pytest

from framebus_launcher.config import load_settings
from framebus_services.mqtt.names import TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()


def test_the_page_has_the_table_of_topics() -> None:
    rows = re.findall(r"^\| `(\*/[^`]+)` \| (.+) \| (yes|no) \| (\d) \|$", PAGE, re.MULTILINE)

    assert rows == [(row.pattern, row.payload, "yes" if row.is_retained else "no", str(row.qos)) for row in TABLE]


def test_the_section_of_the_page_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "secret")
    path = tmp_path / "framebus.yml"
    path.write_text(re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)[0])

    assert set(load_settings(path).services["mqtt"]) == {"url", "topic", "discovery"}
