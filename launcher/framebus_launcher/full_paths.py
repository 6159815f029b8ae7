"""Settings whose paths do not depend on where a command was started: those of a file are relative to its folder."""

from pathlib import Path
from typing import Any

import msgspec

from framebus.addresses import ONCE, Kind, parse_address
from framebus.detector_settings import COCO_NAME
from framebus.processor_file import resolve_reference
from framebus.settings import Settings
from framebus_launcher.table import BUILT_IN, ENRICH, MQTT, installed_services


def with_full_paths(settings: Settings, folder: Path) -> Settings:
    """The same, of a file in this folder."""
    cameras = {}
    for name, camera in settings.cameras.items():
        detect = camera.detect
        if detect.source is not None:
            detect = msgspec.structs.replace(detect, source=_source(detect.source, folder))
        cameras[name] = msgspec.structs.replace(camera, source=_source(camera.source, folder), detect=detect)
    services = {name: _service(name, section, folder) for name, section in settings.services.items()}
    return msgspec.structs.replace(
        settings,
        data=str(folder / settings.data),
        run=str(folder / settings.run) if settings.run else None,
        shm=str(folder / settings.shm) if settings.shm else None,
        cameras=cameras,
        services=services,
    )


def _source(source: str, folder: Path) -> str:
    address = parse_address(source)
    if address.kind is Kind.PLUGIN and address.url:
        return str(folder / source)  # the class behind the name stays there
    if address.kind is not Kind.FILE:
        return source
    if source.lower().startswith("file:"):
        return address.url + (ONCE if address.is_once else "")
    return str(folder / source)


def _service(name: str, section: Any, folder: Path) -> Any:
    if name == ENRICH and isinstance(section, dict):
        processors = section.get("processors")
        if processors is not None:
            section = {**section, "processors": [_processor(entry, folder) for entry in processors]}
        return _detector(section, folder)
    if name == "analysis" and isinstance(section, dict):
        analysers = _map(section.get("analysers"))
        objects = _detector(analysers.get("objects"), folder)
        return {**section, "analysers": {**analysers, "objects": objects}} if objects else section
    if name == MQTT and _map(section).get("ca"):
        return {**section, "ca": str(folder / section["ca"])}
    return section if name in BUILT_IN or name in installed_services() else _command(section, folder)


def _processor(entry: str | dict[str, Any], folder: Path) -> str | dict[str, Any]:
    if isinstance(entry, str):
        return resolve_reference(entry, folder)
    return {resolve_reference(name, folder): settings for name, settings in entry.items()}


def _command(section: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A word of a command that names a file beside the configuration becomes its full path (`[node, counter.js]`)."""
    command = [str(folder / word) if _is_file(folder / word) else word for word in section["command"]]
    return {**section, "command": command}


def _detector(section: Any, folder: Path) -> Any:
    detector = _map(_map(section).get("detector"))
    words = {key: detector.get(key) for key in ("model", "labels")}
    files = {key: str(folder / word) for key, word in words.items() if isinstance(word, str) and word != COCO_NAME}
    return {**section, "detector": {**detector, **files}} if files else section


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a word that cannot be a name, as the program after `python3 -c`
        return False


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
