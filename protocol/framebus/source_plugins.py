"""Finds the sources of the user's own: in a file, or in an installed package by its entry point."""

import difflib
from importlib.metadata import entry_points
from pathlib import Path

from framebus.addresses import Address
from framebus.errors import ConfigError
from framebus.file_module import load_file_module
from framebus.own_code import find_line
from framebus.source import CameraSource

SOURCES = "framebus.sources"


def find_sources() -> dict[str, str]:
    """The sources of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=SOURCES)}


def load_source(address: Address) -> type[CameraSource]:
    """The class at an address of kind PLUGIN; a file is read anew each time. Raises ConfigError with the reason."""
    return _in_file(Path(address.url), address.plugin) if address.url else _at_entry_point(address.plugin)


def where_of(error: BaseException, file: str | None) -> str:
    """File and line of the user's own code in the way of an error, or of the place where it was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    return find_line(error, lambda each: each == file) or find_line(error) or file or ""


def _in_file(path: Path, name: str) -> type[CameraSource]:
    module = load_file_module(path)
    found = {
        each.__name__: each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, CameraSource) and each.__module__ == module.__name__
    }
    if name in found:
        return found[name]
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise ConfigError([f"{path}: holds no source; derive a class from framebus.CameraSource"])
    right = f"name one of them, as in {path.name}:{next(iter(found))}"
    raise ConfigError([f"{path}: holds the sources {', '.join(found)}; {right}"])


def _at_entry_point(name: str) -> type[CameraSource]:
    points = list(entry_points(group=SOURCES, name=name))
    if not points:
        known = sorted(find_sources())
        close = difflib.get_close_matches(name, known, 1)
        right = f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
        raise ConfigError([f"plugin:{name}: no installed package brings a source of this name; {right}"])
    if len({point.value for point in points}) > 1:
        raise ConfigError([f"plugin:{name}: two packages bring a source of this name; remove one"])
    try:
        loaded = points[0].load()
    except (Exception, SystemExit) as error:  # a plug-in may fail in any way; its camera says so
        what = f"{type(error).__name__}: {error}"
        raise ConfigError([f"{where_of(error, None)}: plugin:{name} can't be loaded: {what}"]) from error
    if not isinstance(loaded, type) or not issubclass(loaded, CameraSource):
        raise ConfigError([f"plugin:{name}: {points[0].value} is no source; derive it from framebus.CameraSource"])
    return loaded
