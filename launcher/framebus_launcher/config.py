"""The configuration file: read, checked as a whole, and returned as settings that name every path in full."""

import difflib
import os
import zoneinfo
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from framebus.addresses import Kind, find_address_problem, parse_address
from framebus.broker import MQTT_LIBRARY, find_broker_problem, find_topic_problem
from framebus.errors import ConfigError
from framebus.notify_settings import NotifySettings
from framebus.params_schema import find_schema_problems
from framebus.place import Place
from framebus.problems import find_problems
from framebus.settings import (
    AnalysisSettings,
    EnrichSettings,
    ExportSettings,
    IngestSettings,
    MqttSettings,
    Plugin,
    RunnerSettings,
    Settings,
)
from framebus_launcher.command import command_name
from framebus_launcher.document import Document, read_document
from framebus_launcher.full_paths import with_full_paths
from framebus_launcher.notify_check import find_rule_problems
from framebus_launcher.secrets_file import SecretsFile
from framebus_launcher.table import (
    BUILT_IN,
    ENRICH,
    JOBS_HOST,
    MQTT,
    NOTIFY,
    ON_WISH,
    RESERVED,
    has_libraries,
    has_web,
    installed_services,
)
from framebus_launcher.variables import substitute

DEFAULT_FILES = ("framebus.yml", "framebus.yaml", "framebus.toml")
ANY_VALUE = "1"
"""in the place of one that is not known yet: a password, a host or a port"""
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "enrich": EnrichSettings,
    "export": ExportSettings,
    "ingest": IngestSettings,
    "analysis": AnalysisSettings,
    "mqtt": MqttSettings,
    NOTIFY: NotifySettings,
}


def load_settings(path: Path | None, *, data: Path | None = None, run: Path | None = None) -> Settings:
    """The settings in a file, by default `framebus.yml` in this folder; `data` and `run` win over what it says.

    Paths in the file are relative to its folder. Raises ConfigError with every problem at once, each with file and
    line, as in `framebus.yml:12: cameras.front.detect.fps: ...`.
    """
    return settings_in(read_document(path or find_file()), data=data, run=run)


def settings_in(document: Document, *, data: Path | None = None, run: Path | None = None) -> Settings:
    """The settings in a document; raises ConfigError with every problem at once."""
    settings, problems = read_settings(document, data=data, run=run)
    if problems:
        raise ConfigError(in_order(document, problems))
    return settings


def read_settings(
    document: Document, *, data: Path | None, run: Path | None, missing: Collection[str] = ()
) -> tuple[Settings, list[str]]:
    """The settings in a document, and all that is wrong with it. Where anything is, the settings are only those that
    others can check yet: the cameras, and the section of enrich, that are right. `missing` are variables that get
    their value later."""
    problems = list(document.problems)
    folder = Path(document.file).parent.resolve()
    known = {**dict.fromkeys(missing, ANY_VALUE), **SecretsFile(folder).environment()}
    value = substitute(document.value, known, problems)
    problems += find_settings_problems(value)
    if problems:
        return with_full_paths(msgspec.convert(_right_parts(value, problems), Settings), folder), problems
    settings = with_full_paths(msgspec.convert(value, Settings), folder)
    overrides = {"data": data, "run": run}
    absolute = {name: str(given.absolute()) for name, given in overrides.items() if given is not None}
    settings = msgspec.structs.replace(settings, **absolute)
    return settings, _place_problems(settings)


def data_and_cameras(path: Path | None) -> tuple[Path, dict[str, list[str]]]:
    """The data folder of a file, and the zones of each camera; its variables need not be set. Raises ConfigError."""
    document = read_document(path or find_file())
    value = _map(document.value)
    above = Path(document.file).parent.resolve()
    folder = substitute(str(value.get("data", Settings().data)), SecretsFile(above).environment(), document.problems)
    if document.problems:
        raise ConfigError(in_order(document, document.problems))
    cameras = {str(name): list(_map(_map(camera).get("zones"))) for name, camera in _map(value.get("cameras")).items()}
    return above / folder, cameras


def place_of(settings: Settings) -> Place:
    """Where this group lives; raises ConfigError when the run folder's path is too long for sockets."""
    shm = os.environ.get("FRAMEBUS_SHM") or settings.shm
    return Place.at(
        Path(settings.run) if settings.run else None,
        data=Path(settings.data),
        shm=Path(shm) if shm else None,
    )


def find_settings_problems(value: Any) -> list[str]:
    """All that is wrong with the content of a file, each with its path."""
    problems = find_problems(value, Settings)
    if not isinstance(value, dict):
        return problems
    services = value.get("services")
    if isinstance(services, dict):
        for name, section in services.items():
            problems += _service_problems(str(name), section)
        problems += find_rule_problems(services.get(NOTIFY), value.get("cameras"))
    cameras = value.get("cameras")
    if isinstance(cameras, dict):
        for name, camera in cameras.items():
            problems += _camera_problems(f"cameras.{name}", camera)
    http = value.get("http")
    if http is not None and http is not False and not has_web():
        problems.append("http: the gateway's libraries are not installed: pip install 'framebus[web]', or `http: off`")
    schemas = {str(name): _map(section).get("schema") for name, section in _map(value.get("jobs")).items()}
    problems += find_schema_problems({name: schema for name, schema in schemas.items() if isinstance(schema, dict)})
    for path, section in (("timezone", value), ("services.export.timezone", _map(services).get("export"))):
        zone = _map(section).get("timezone")
        if isinstance(zone, str) and zone and zone not in zoneinfo.available_timezones():
            problems.append(f"{path}: there is no such time zone; write one as in Europe/Vienna")
    return problems


def check_sources(settings: Settings) -> list[str]:
    """What is wrong with the sources of cameras that come from elsewhere than a file."""
    problems = []
    for name, camera in settings.cameras.items():
        problems += _camera_problems(f"cameras.{name}", msgspec.to_builtins(camera))
    return problems


def find_file() -> Path:
    """The configuration of this folder; raises ConfigError when it has none."""
    for name in DEFAULT_FILES:
        if Path(name).is_file():
            return Path(name)
    make = f"make one with {command_name()} init"
    raise ConfigError([f"{DEFAULT_FILES[0]}: there is none in {Path.cwd()}; {make}, or name one with -c FILE"])


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _service_problems(name: str, section: Any) -> list[str]:
    path = f"services.{name}"
    if name in BUILT_IN:
        if section is False or (section is True and name not in ON_WISH):
            return []
        if section is None:
            return [f"{path}: is empty; give it settings, or switch it off with `{name}: off`"]
        if "command" in _map(section):
            return [f"{path}: this name belongs to a built-in service; a plug-in needs another"]
        problems = find_problems(section, SECTIONS[name], path)
        return problems or _mqtt_problems(section, path) if name == MQTT else problems
    if (host := installed_services().get(name)) is not None:
        return _installed_problems(name, section, path, host)
    if name == "gateway":
        return [f"{path}: the gateway has settings of its own: `http: off` leaves it out"]
    if name in RESERVED:
        return [f"{path}: this name belongs to framebus; a plug-in needs another"]
    problems = find_problems(section, Plugin, path)
    close = difflib.get_close_matches(name, BUILT_IN, 1)
    if close and "command" not in _map(section):
        return [f"{path}: unknown service; did you mean {close[0]}? A plug-in of your own needs a command"]
    return problems


def _mqtt_problems(section: dict[str, Any], path: str) -> list[str]:
    """Of settings that have the right form."""
    found = {"url": find_broker_problem(section["url"])}
    found |= {
        key: find_topic_problem(section[key]) for key in ("topic", "discovery") if isinstance(section.get(key), str)
    }
    if section.get("ca") and not section["url"].startswith("mqtts:"):
        found["ca"] = "is of mqtts://, and url is not"
    problems = [f"{path}.{key}: {problem}" for key, problem in found.items() if problem]
    if not has_libraries([MQTT_LIBRARY]):
        problems.append(f"{path}: its library is not installed: pip install 'framebus[mqtt]', or `mqtt: off`")
    return problems


def _installed_problems(name: str, section: Any, path: str, host: str) -> list[str]:
    """Of the settings of what is installed only the common ones are known here; it checks its own when it starts."""
    if isinstance(section, bool):
        return []
    if section is None:
        return [f"{path}: is empty; give it settings, or switch it off with `{name}: off`"]
    whose = "the jobs of an installed package" if host == JOBS_HOST else "a service of an installed package"
    if "command" in _map(section):
        return [f"{path}: this name belongs to {whose}; a service of your own needs another"]
    if host != JOBS_HOST:
        return find_problems(section, dict[str, Any], path)
    common = {key: value for key, value in section.items() if key == "slots"} if isinstance(section, dict) else section
    return find_problems(common, RunnerSettings, path)


def _camera_problems(path: str, camera: Any) -> list[str]:
    detect = _map(_map(camera).get("detect"))
    sources = {f"{path}.source": _map(camera).get("source"), f"{path}.detect.source": detect.get("source")}
    problems = [
        f"{where}: {problem}"
        for where, source in sources.items()
        if isinstance(source, str) and (problem := find_address_problem(source))
    ]
    written = [source for source in sources.values() if isinstance(source, str)]
    is_own = any(parse_address(source).kind is Kind.PLUGIN for source in written if not find_address_problem(source))
    if not problems and _map(camera).get("settings") and not is_own:
        problems.append(f"{path}.settings: only a source of your own has settings, as ./my_camera.py or plugin:NAME")
    return problems


def _right_parts(value: Any, problems: list[str]) -> dict[str, Any]:
    """Of a file that is not right as a whole."""

    def is_right(path: str) -> bool:
        return not any(problem.startswith((f"{path}:", f"{path}.", f"{path}[")) for problem in problems)

    cameras, services = _map(_map(value).get("cameras")), _map(_map(value).get("services"))
    is_all = not any(problem.startswith(("file:", "cameras:")) for problem in problems)
    return {
        "cameras": {name: camera for name, camera in cameras.items() if is_all and is_right(f"cameras.{name}")},
        "services": {ENRICH: services[ENRICH]} if ENRICH in services and is_right(f"services.{ENRICH}") else {},
    }


def _place_problems(settings: Settings) -> list[str]:
    try:
        place_of(settings)
    except ConfigError as error:
        return error.problems
    return []


def in_order(document: Document, problems: list[str]) -> list[str]:
    """Each problem once, with file and line, in the order of the file."""
    located = {document.locate(problem): None for problem in problems}

    def line(text: str) -> int:
        number = text.removeprefix(f"{document.file}:").partition(":")[0]
        return int(number) if number.isdecimal() else 0

    return sorted(located, key=line)
