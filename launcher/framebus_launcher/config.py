"""The configuration file: read, checked as a whole, and returned as settings that name every path in full."""

import difflib
import os
import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from framebus.errors import ConfigError
from framebus.place import Place
from framebus.settings import EnrichSettings, ExportSettings, Plugin, Settings, find_problems
from framebus_launcher.document import Document, read_document
from framebus_launcher.table import BUILT_IN, RESERVED
from framebus_launcher.variables import substitute

DEFAULT_FILES = ("framebus.yml", "framebus.yaml", "framebus.toml")
SECTIONS: dict[str, type[msgspec.Struct]] = {"enrich": EnrichSettings, "export": ExportSettings}
SCHEMES = ("rtsp", "rtsps", "synthetic", "file")
LATER_SCHEMES = ("http", "https", "v4l2")
SUPPORTED = "a source is rtsp://, rtsps://, synthetic://, or the path of a video file"


def load_settings(path: Path | None, *, data: Path | None = None, run: Path | None = None) -> Settings:
    """The settings in a file, by default `framebus.yml` in this folder; `data` and `run` win over what it says.

    Paths in the file are relative to its folder. Raises ConfigError with every problem at once, each with file and
    line, as in `framebus.yml:12: cameras.front.detect.fps: ...`.
    """
    document = read_document(path or _find_file())
    document.value = substitute(document.value, os.environ, document.problems)
    problems = document.problems + find_settings_problems(document.value)
    settings = Settings()
    if not problems:
        folder = Path(document.file).parent.resolve()
        settings = _resolve(msgspec.convert(document.value, Settings), folder)
        overrides = {"data": data, "run": run}
        absolute = {name: str(given.absolute()) for name, given in overrides.items() if given is not None}
        settings = msgspec.structs.replace(settings, **absolute)
        problems = _place_problems(settings)
    if problems:
        raise ConfigError(_in_order(document, problems))
    return settings


def data_and_cameras(path: Path | None) -> tuple[Path, dict[str, list[str]]]:
    """The data folder of a file, and the zones of each camera; its variables need not be set. Raises ConfigError."""
    document = read_document(path or _find_file())
    value = _map(document.value)
    folder: list[str] = [str(value.get("data", Settings().data))]
    folder = substitute(folder, os.environ, document.problems)
    if document.problems:
        raise ConfigError(_in_order(document, document.problems))
    cameras = {str(name): list(_map(_map(camera).get("zones"))) for name, camera in _map(value.get("cameras")).items()}
    return Path(document.file).parent.resolve() / folder[0], cameras


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
    cameras = value.get("cameras")
    if isinstance(cameras, dict):
        for name, camera in cameras.items():
            problems += _camera_problems(f"cameras.{name}", camera)
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


def _find_file() -> Path:
    for name in DEFAULT_FILES:
        if Path(name).is_file():
            return Path(name)
    raise ConfigError([f"{DEFAULT_FILES[0]}: there is no such file in {Path.cwd()}; name one with -c FILE"])


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _service_problems(name: str, section: Any) -> list[str]:
    path = f"services.{name}"
    if name in BUILT_IN:
        if isinstance(section, bool):
            return []
        if section is None:
            return [f"{path}: is empty; give it settings, or switch it off with `{name}: off`"]
        if "command" in _map(section):
            return [f"{path}: this name belongs to a built-in service; a plug-in needs another"]
        return find_problems(section, SECTIONS[name], path)
    if name in RESERVED:
        return [f"{path}: this name belongs to framebus; a plug-in needs another"]
    problems = find_problems(section, Plugin, path)
    close = difflib.get_close_matches(name, BUILT_IN, 1)
    if close and "command" not in _map(section):
        return [f"{path}: unknown service; did you mean {close[0]}? A plug-in of your own needs a command"]
    return problems


def _camera_problems(path: str, camera: Any) -> list[str]:
    detect = _map(_map(camera).get("detect"))
    sources = {f"{path}.source": _map(camera).get("source"), f"{path}.detect.source": detect.get("source")}
    return [
        f"{where}: {problem}"
        for where, source in sources.items()
        if isinstance(source, str) and (problem := _source_problem(source))
    ]


def _source_problem(source: str) -> str | None:
    """What is wrong with an address; never with a part of it, which may be a password."""
    if not source.strip() or "\0" in source:
        return f"is empty; {SUPPORTED}"
    scheme, mark, rest = source.partition("://")
    if not mark:
        return None
    if scheme in LATER_SCHEMES:
        return f"{scheme}:// is not supported yet; {SUPPORTED}"
    if scheme not in SCHEMES:
        return f"unknown kind of address; {SUPPORTED}"
    if scheme == "file" and not rest.startswith("/"):
        return "write file:///with/the/full/path, or the path alone"
    if scheme in ("rtsp", "rtsps"):
        try:
            parts = urlsplit(source)
            is_whole = bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_whole = False
        if not is_whole:
            quoting = "/ ? # @ in a password are written %2F %3F %23 %40"
            return f"is no whole address; write rtsp://user:password@host/path; {quoting}"
    return None


def _place_problems(settings: Settings) -> list[str]:
    try:
        place_of(settings)
    except ConfigError as error:
        return error.problems
    return []


def _in_order(document: Document, problems: list[str]) -> list[str]:
    """Each problem once, in the order of the file."""
    located = {document.locate(problem): None for problem in problems}

    def line(text: str) -> int:
        number = text.removeprefix(f"{document.file}:").partition(":")[0]
        return int(number) if number.isdecimal() else 0

    return sorted(located, key=line)


def _resolve(settings: Settings, folder: Path) -> Settings:
    """The settings with paths that do not depend on where the launcher was started."""
    cameras = {}
    for name, camera in settings.cameras.items():
        detect = camera.detect
        if detect.source is not None:
            detect = msgspec.structs.replace(detect, source=_resolve_source(detect.source, folder))
        cameras[name] = msgspec.structs.replace(camera, source=_resolve_source(camera.source, folder), detect=detect)
    services = {
        name: section if name in BUILT_IN else _resolve_command(section, folder)
        for name, section in settings.services.items()
    }
    return msgspec.structs.replace(
        settings,
        data=str(folder / settings.data),
        run=str(folder / settings.run) if settings.run else None,
        shm=str(folder / settings.shm) if settings.shm else None,
        cameras=cameras,
        services=services,
    )


def _resolve_source(source: str, folder: Path) -> str:
    if source.startswith("file://"):
        return unquote(source.removeprefix("file://"))
    return source if "://" in source else str(folder / source)


def _resolve_command(section: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A word of a command that names a file beside the configuration becomes its full path (`[node, counter.js]`)."""
    command = [str(folder / word) if (folder / word).is_file() else word for word in section["command"]]
    return {**section, "command": command}
