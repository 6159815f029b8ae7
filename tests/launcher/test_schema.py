"""The JSON schema for editors says what the launcher says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from framebus_launcher.schema import make_schema

ROOT = Path(__file__).parents[2]
FRAMEBUS = str(Path(sys.executable).with_name("framebus"))
GOOD: list[dict[str, Any]] = [
    {},
    {"cameras": {"front": {"source": "a.mp4", "detect": {"width": 640, "fps": 5}}}},
    {"services": {"enrich": False, "export": {"slots": 2}, "mine": {"command": ["x"], "settings": {"any": [1]}}}},
    {"services": {"notify": {"to": {"phone": {"url": "https://ntfy.example/a"}}, "rules": [{"hours": "22:00-06:00"}]}}},
    {"jobs": {"transcribe": {"max_running": 1}}, "launcher": {"restart": {"factor": 1}}},
]
WRONG: list[dict[str, Any]] = [
    {"camera": {}},
    {"cameras": {"Front": {"source": "a.mp4"}}},
    {"cameras": {"front": {}}},
    {"cameras": {"front": {"source": "a.mp4", "detect": {"fps": 0}}}},
    {"cameras": {"front": {"source": "a.mp4", "record": {"keep": "weekly"}}}},
    {"services": {"export": {"slots": 0}}},
    {"services": {"export": {"slot": 1}}},
    {"services": {"notify": {"rules": []}}},
    {"services": {"notify": {"to": {"phone": {"url": "https://a/"}}, "rules": [{"hours": "22-6"}]}}},
    {"services": {"mine": {"settings": {}}}},
    {"services": {"mine": {"command": []}}},
]


def validate(value: object) -> list[str]:
    """What an editor would say."""
    fastjsonschema = pytest.importorskip("fastjsonschema")
    try:
        fastjsonschema.compile(make_schema())(value)
    except fastjsonschema.JsonSchemaException as error:
        return [str(error)]
    return []


@pytest.mark.parametrize("value", GOOD, ids=str)
def test_what_the_launcher_takes_is_right_by_the_schema(value: object) -> None:
    assert validate(value) == []


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_what_the_launcher_refuses_is_wrong_by_the_schema(value: object) -> None:
    assert len(validate(value)) == 1


def test_the_example_in_the_readme_is_right_by_the_schema() -> None:
    example = re.search(r"```yaml\n# framebus.yml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert example is not None

    assert validate(yaml.safe_load(example[1])) == []


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = make_schema()

    references = set(re.findall(r'"\$ref": "#/definitions/(\w+)"', json.dumps(schema)))

    assert references == set(schema["definitions"])
    assert schema["definitions"]["Record"]["properties"]["keep"]["description"].startswith("for how long")
    services = set(schema["properties"]["services"]["properties"])
    assert services == {"enrich", "export", "ingest", "analysis", "notify", "mqtt"}


def test_the_command_prints_it_without_a_configuration(tmp_path: Path) -> None:
    printed = subprocess.run(
        [FRAMEBUS, "check", "--schema"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30
    )

    assert json.loads(printed.stdout) == make_schema()
