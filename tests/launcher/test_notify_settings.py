"""What is wrong with the rules of notify is told before anybody waits for a message."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from framebus.errors import ConfigError
from framebus.place import Place
from framebus.settings import Camera, Settings
from framebus_launcher.config import find_settings_problems, load_settings, read_settings
from framebus_launcher.config_warnings import find_warnings
from framebus_launcher.document import parse_document
from framebus_launcher.notify_check import find_rule_warnings
from framebus_launcher.redaction import shown
from framebus_launcher.table import make_table

PHONE = {"url": "https://ntfy.example/topic"}
ZONE = {"points": [[0, 0], [1, 0], [1, 1]]}
CAMERAS = {"front": {"source": "synthetic://", "zones": {"porch": ZONE}}, "back": {"source": "synthetic://"}}
PLACE = Place.at(Path("/run/fb"), data=Path("/data"))


def problems(*rules: Any, to: Any = None, **services: Any) -> list[str]:
    section = {"to": {"phone": PHONE} if to is None else to, "rules": list(rules)}
    return find_settings_problems({"http": False, "cameras": CAMERAS, "services": {"notify": section, **services}})


def rows(services: dict[str, Any]) -> list[str]:
    return [row.name for row in make_table(Settings(http=False, services=services), PLACE)]


def test_who_is_not_told_whom_to_notify_runs_nothing() -> None:
    assert "notify" not in rows({})
    assert "notify" not in rows({"notify": False})
    assert rows({"notify": {"to": {"phone": PHONE}}})[-1] == "notify"


def test_the_process_is_told_its_zone_its_cameras_and_a_rule_where_none_is_written() -> None:
    settings = Settings(
        http=False,
        timezone="Europe/Vienna",
        cameras={"front": Camera(source="synthetic://")},
        services={"notify": {"to": {"phone": PHONE, "log": PHONE}}},
    )

    row = next(row for row in make_table(settings, PLACE) if row.name == "notify")

    told = yaml.safe_load(row.section)
    assert (told["timezone"], told["cameras"], len(told["rules"]), told["slots"]) == ("Europe/Vienna", ["front"], 1, 6)


def test_right_rules_are_right() -> None:
    night = {"to": "phone", "cameras": ["front"], "labels": ["person"], "zones": ["porch"], "hours": "22:00-06:00"}

    assert problems(night, {"to": ["phone"], "when": "camera", "away_s": 60}, {"hours": "00:00-24:00"}) == []
    assert find_settings_problems({"http": False, "services": {"notify": {"to": {"phone": PHONE}}}}) == []


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"to": "fone"}, "to: there is no target fone; there are phone"),
        ({"cameras": ["garden"]}, "cameras: there is no camera garden; there are front, back"),
        ({"zones": ["gate"]}, "zones: there is no zone gate; there are porch"),
        ({"cameras": ["back"], "zones": ["porch"]}, "zones: there is no zone porch; there are none"),
        ({"hours": "22-6"}, "hours: expected two times of the day, as in 22:00-06:00"),
        ({"hours": "22:00-22:00"}, "hours: 22:00-22:00 holds no time; leave it out for the whole day"),
        ({"hours": "25:00-06:00"}, "hours: expected two times of the day, as in 22:00-06:00"),
        ({"lables": ["person"]}, "lables: unknown setting; did you mean labels?"),
        ({"when": "camera", "labels": ["person"]}, "labels: is of objects; a rule with `when: camera` has none"),
        ({"away_s": 5}, "away_s: is of cameras; write `when: camera`, too"),
        ({"when": "person"}, "when: 'person' is not known; it is one of object, camera"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_rule_is_told_with_its_place(rule: dict[str, Any], problem: str) -> None:
    assert problems(rule) == [f"services.notify.rules[0].{problem}"]


@pytest.mark.parametrize(
    ("to", "problem"),
    [
        ({}, "to: has 0 entries; at least 1 is needed"),
        ({"a": {}}, "to.a.url: is missing"),
        (
            {"a": {"url": "ftp://x"}},
            "to.a.url: expected an address that begins with http:// or https://, without spaces",
        ),
        ({"a": PHONE | {"headers": {"X": "a\nb"}}}, "to.a.headers.X: expected one line of text"),
        ({"a": PHONE | {"without_picture": "b"}}, "to.a.without_picture: there is no target b; there are a"),
        ({"a": PHONE | {"form": "picture", "fields": {"b": "c"}}}, "to.a.fields: a body that is the picture has none"),
        ({"a": PHONE | {"fields": {"b": "{txt}"}}}, "to.a.fields.b: {txt} is not known; there are {id}, {kind}"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_target_is_told_with_its_place(to: dict[str, Any], problem: str) -> None:
    (found,) = problems(to=to)

    assert found.startswith(f"services.notify.{problem}")


@pytest.mark.parametrize(
    "section", [True, {}, {"rules": []}, [], "phone", {"to": ["phone"]}, {"to": {"a": "http://x"}}]
)
def test_a_section_that_is_none_is_a_problem_and_no_crash(section: Any) -> None:
    assert len(find_settings_problems({"http": False, "services": {"notify": section}})) == 1


def test_a_mistake_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPIC", "sesame")
    (tmp_path / "framebus.yml").write_text(
        "services:\n  notify:\n    to:\n      phone: {url: 'https://ntfy.example/${TOPIC}'}\n"
        "    rules:\n      - to: phone\n      - to: phone\n        cameras: [garden]\n"
    )

    with pytest.raises(ConfigError) as raised:
        load_settings(tmp_path / "framebus.yml")

    assert raised.value.problems == [
        f"{tmp_path}/framebus.yml:8: services.notify.rules[1].cameras: there is no camera garden; there are none"
    ]


@pytest.mark.parametrize(
    ("services", "warning"),
    [
        ({}, "labels: person is never seen: without a detector what moves is called motion"),
        ({"enrich": False}, "rules[0]: enrich is off, so that no object is ever seen"),
        ({"enrich": {"detector": {"model": "a.onnx", "only": ["car"]}}}, "person is never seen: the detector tells"),
        ({"enrich": {"detector": {"model": "a.onnx"}}}, ""),
    ],
    ids=str,
)
def test_a_rule_that_will_never_tell_anything_is_warned_of(services: dict[str, Any], warning: str) -> None:
    notify = {"to": {"phone": PHONE}, "rules": [{"labels": ["person"]}]}
    text = yaml.safe_dump({"http": False, "services": {"notify": notify, **services}})
    document = parse_document(Path("framebus.yml"), text)

    found = [one for one in find_warnings(document, read_settings(document, data=None, run=None)[0]) if "notify" in one]

    assert len(found) == bool(warning)
    assert all(warning in one for one in found)


@pytest.mark.parametrize(
    ("zone", "offset_s", "is_warned"), [("", 0, True), ("", -3_600, False), ("Europe/Vienna", 0, False)]
)
def test_hours_on_a_machine_that_does_not_know_where_it_is_are_warned_of(
    zone: str, offset_s: int, is_warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "timezone", offset_s)
    monkeypatch.setattr(time, "daylight", 0)
    notify = {"to": {"phone": PHONE}, "rules": [{"hours": "22:00-06:00"}]}

    warnings = find_rule_warnings(Settings(timezone=zone, services={"notify": notify}))

    mend = "the clock of this machine is UTC; write `timezone: Europe/Vienna`, or where you are"
    assert warnings == ([f"services.notify.rules[0].hours: {mend}"] if is_warned else [])


def test_who_reads_the_configuration_sees_the_name_of_a_secret_and_no_literal_one() -> None:
    written = {"to": {"phone": {"url": "https://x/${TOPIC}", "headers": {"Authorization": "Bearer s3cret"}}}}

    seen = shown(written)

    assert seen["to"]["phone"] == {"url": "https://x/${TOPIC}", "headers": {"Authorization": "***"}}
