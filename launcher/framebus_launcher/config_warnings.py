"""What a configuration may hold, and hardly means: told by `framebus check` and `up`, each with its line."""

import os
import shutil
from pathlib import Path

import msgspec

from framebus.addresses import Kind, parse_address
from framebus.keep import Keep, words_of
from framebus.settings import EnrichSettings, MqttSettings, Plugin, Settings
from framebus_launcher.config import in_order
from framebus_launcher.doctor_parts import NO_CAMERA_LIBRARIES
from framebus_launcher.document import Document
from framebus_launcher.notify_check import find_rule_warnings
from framebus_launcher.spawner import search_path
from framebus_launcher.table import (
    BUILT_IN,
    ENRICH,
    MQTT,
    built_in_settings,
    has_camera_libraries,
    installed_services,
    left_out_services,
)


def find_warnings(document: Document, settings: Settings) -> list[str]:
    """What is allowed and yet hardly meant, each with file and line.

    A program or a video that is not there is no error: it may be in another container, or on a disk that comes later.
    """
    if not document.value:
        return [f"{document.file}: is empty: a group without cameras; `framebus demo` shows one with a camera"]
    warnings = []
    if settings.cameras and not has_camera_libraries():
        warnings.append(f"cameras: {NO_CAMERA_LIBRARIES}")
    for name, camera in settings.cameras.items():
        for where, source in (("source", camera.source), ("detect.source", camera.detect.source)):
            file = _file_of(source) if source is not None else None
            if file is not None and not file.is_file():
                warnings.append(f"cameras.{name}.{where}: there is no file {source} now")
    warnings += _keep_warnings(settings)
    for name, section in settings.services.items():
        if name not in BUILT_IN and name not in installed_services():
            plugin = msgspec.convert(section, Plugin)
            program = plugin.command[0]
            if shutil.which(program, path=plugin.env.get("PATH", search_path(os.environ))) is None:
                warnings.append(f"services.{name}.command: there is no program {program} here")
    mqtt = built_in_settings(settings, MQTT, MqttSettings)
    if mqtt is not None and mqtt.ca and not Path(mqtt.ca).is_file():
        warnings.append(f"services.{MQTT}.ca: there is no file {mqtt.ca} now")
    warnings += find_rule_warnings(settings)
    warnings += [f"services.{problem}" for problem in left_out_services()]
    return in_order(document, warnings)


def _keep_warnings(settings: Settings) -> list[str]:
    """Where recordings are to be kept by what they show, and nobody looks."""
    if built_in_settings(settings, ENRICH, EnrichSettings) is not None:
        return []
    longest = {name: words_of(camera.record.keep)[-1] for name, camera in settings.cameras.items()}
    return [
        f"cameras.{name}.record.keep: enrich is off, so nobody knows what recordings show: all is kept for {words}"
        for name, words in longest.items()
        if Keep.of(settings.cameras[name].record.keep).is_by_kind
    ]


def _file_of(source: str) -> Path | None:
    """The file that a resolved source names."""
    address = parse_address(source)
    return Path(address.url) if address.kind in (Kind.FILE, Kind.PLUGIN) and address.url else None
