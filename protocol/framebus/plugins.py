"""Finds what installed packages add to framebus, by entry point; says what it cannot load and why."""

import difflib
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from msgspec import Struct

from framebus.analyser import Analyser
from framebus.arguments import convert_arguments, find_argument_problems
from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.jobs import AnyJobType, JobType
from framebus.processor import AnyProcessor, BaseProcessor
from framebus.processor_file import load_processor_file, read_reference
from framebus.redact import redact
from framebus.runner import AnyJobRunner, JobRunner

JOB_TYPES = "framebus.job_types"
JOBS = "framebus.jobs"
PROCESSORS = "framebus.processors"
ANALYSERS = "framebus.analysers"
SERVICES = "framebus.services"


def load_job_types() -> tuple[dict[str, AnyJobType], list[str]]:
    """The job types of all installed packages by name, and a sentence for each that could not be loaded."""
    found: dict[str, AnyJobType] = {}
    problems: list[str] = []
    for point in entry_points(group=JOB_TYPES):
        job_type = _load(point, problems)
        if job_type is not None:
            found[job_type.name] = job_type
    return found, problems


def find_job_runners() -> dict[str, str]:
    """The runners of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=JOBS)}


def load_job_runner(name: str) -> type[AnyJobRunner]:
    """The runner at an entry point; raises ConfigError with the reason when it can't be had."""
    loaded, whence = _load_only(JOBS, "runner", name)
    if not isinstance(loaded, type) or not issubclass(loaded, JobRunner):
        raise ConfigError([f"{whence} is no JobRunner; the entry point names a class derived from framebus.JobRunner"])
    if not isinstance(getattr(loaded, "contract", None), JobType):
        raise ConfigError([f"{whence} has no contract; give it `contract = ...`, a framebus.JobType"])
    return loaded


def find_services() -> dict[str, str]:
    """The services of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=SERVICES)}


def load_service(name: str) -> Callable[[Bus], object]:
    """What makes the service at an entry point, given its bus; raises ConfigError with the reason."""
    loaded, whence = _load_only(SERVICES, "service", name)
    if not callable(loaded):
        raise ConfigError([f"{whence} is no service; the entry point names a class or function that takes a Bus"])
    settings_type = getattr(loaded, "settings_type", None)
    if settings_type is not None and not (isinstance(settings_type, type) and issubclass(settings_type, Struct)):
        raise ConfigError([f"{whence} has a settings_type that is no msgspec.Struct"])
    return cast(Callable[[Bus], object], loaded)


def find_processors() -> dict[str, str]:
    """The processors of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=PROCESSORS)}


def load_processor(reference: str) -> type[AnyProcessor]:
    """The class of a processor: of an installed package by its name, or of a file as in `./mine.py:Lights`.

    Raises ConfigError with the reason.
    """
    file = read_reference(reference)
    if file is not None:
        return load_processor_file(file)
    known = sorted(find_processors())
    if reference not in known:
        close = difflib.get_close_matches(reference, known, 1)
        likely = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError([f"unknown processor {redact(reference)[:40]!r}; known are {', '.join(known)}{likely}"])
    loaded, whence = _load_only(PROCESSORS, "processor", reference)
    if not isinstance(loaded, type) or not issubclass(loaded, BaseProcessor):
        raise ConfigError([f"{whence} is no processor; derive it from framebus.Processor or DeferredProcessor"])
    return loaded  # type: ignore[return-value]  # the two kinds are all that there are


def load_analyser(name: str, settings: Mapping[str, Any]) -> Analyser:
    """The analyser that an installed package brings, with these settings; raises ConfigError with the reason."""
    kind, whence = _load_only(ANALYSERS, "analyser", name)
    if not isinstance(kind, type) or not issubclass(kind, Analyser):
        raise ConfigError([f"{whence} is no analyser; derive it from framebus.analyser.Analyser"])
    if problems := find_argument_problems(kind, settings, f"analysers.{name}"):
        raise ConfigError(problems)
    try:
        return kind(**convert_arguments(kind, settings))
    except (ValueError, TypeError, OSError) as error:
        raise ConfigError([f"analysers.{name}: {error}"]) from None


def _load_only(group: str, role: str, name: str) -> tuple[object, str]:
    """What the one entry point of this name holds, and in words whence it comes; raises ConfigError."""
    points = list(entry_points(group=group, name=name))
    if not points:
        known = ", ".join(sorted({point.name for point in entry_points(group=group)})) or "none"
        raise ConfigError([f"{name}: no installed package brings {_a(role)} of this name; there are {known}"])
    if len({point.value for point in points}) > 1:
        sources = " and ".join(sorted(f"{point.value} of {_package(point)}" for point in points))
        raise ConfigError([f"{name}: two packages bring {_a(role)} of this name, {sources}; remove one"])
    point = points[0]
    whence = f"{name}: the {role} {point.value} of {_package(point)}"
    try:
        return point.load(), whence
    except Exception as error:  # noqa: BLE001  a plug-in may fail in any way; its row says so
        raise ConfigError([f"{whence} can't be loaded: {type(error).__name__}: {error}{_where(error)}"]) from None


def _a(role: str) -> str:
    """
    >>> _a("analyser"), _a("runner")
    ('an analyser', 'a runner')
    """
    return f"an {role}" if role[0] in "aeio" else f"a {role}"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


def _where(error: Exception) -> str:
    """File and line of the plug-in's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    own = [frame for frame in frames if frame.filename != __file__]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _load(point: EntryPoint, problems: list[str]) -> AnyJobType | None:
    try:
        loaded = point.load()
    except Exception as error:  # noqa: BLE001  a plug-in may fail in any way; the rest must run
        problems.append(f"job type {point.name} of {point.value}: {type(error).__name__}: {error}")
        return None
    if isinstance(loaded, JobType):
        return loaded
    problems.append(f"job type {point.name} of {point.value}: expected a JobType, got {type(loaded).__name__}")
    return None
