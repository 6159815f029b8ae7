"""Finds what installed packages add to framebus, by entry point; says what it cannot load and why."""

import difflib
import traceback
from importlib.metadata import EntryPoint, entry_points

from framebus.errors import ConfigError
from framebus.jobs import AnyJobType, JobType
from framebus.processor import AnyProcessor, BaseProcessor
from framebus.processor_file import load_processor_file, read_reference
from framebus.redact import redact
from framebus.runner import AnyJobRunner, JobRunner

JOB_TYPES = "framebus.job_types"
JOBS = "framebus.jobs"
PROCESSORS = "framebus.processors"


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
    points = list(entry_points(group=JOBS, name=name))
    if not points:
        known = ", ".join(sorted(find_job_runners())) or "none"
        raise ConfigError([f"{name}: no installed package brings a runner of this name; there are {known}"])
    if len({point.value for point in points}) > 1:
        sources = " and ".join(sorted(f"{point.value} of {_package(point)}" for point in points))
        raise ConfigError([f"{name}: two packages bring a runner of this name, {sources}; remove one"])
    point = points[0]
    whence = f"{name}: the runner {point.value} of {_package(point)}"
    try:
        loaded = point.load()
    except Exception as error:  # noqa: BLE001  a plug-in may fail in any way; its row says so
        raise ConfigError([f"{whence} can't be loaded: {type(error).__name__}: {error}{_where(error)}"]) from None
    if not isinstance(loaded, type) or not issubclass(loaded, JobRunner):
        raise ConfigError([f"{whence} is no JobRunner; the entry point names a class derived from framebus.JobRunner"])
    if not isinstance(getattr(loaded, "contract", None), JobType):
        raise ConfigError([f"{whence} has no contract; give it `contract = ...`, a framebus.JobType"])
    return loaded


def find_processors() -> dict[str, str]:
    """The processors of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=PROCESSORS)}


def load_processor(reference: str) -> type[AnyProcessor]:
    """The class of a processor: of an installed package by its name, or of a file as in `./mine.py:Lights`.

    Raises ConfigError with the reason.
    """
    file = read_reference(reference)
    return _load_installed(reference) if file is None else load_processor_file(file)


def _load_installed(name: str) -> type[AnyProcessor]:
    points = list(entry_points(group=PROCESSORS, name=name))
    if not points:
        known = sorted(find_processors())
        close = difflib.get_close_matches(name, known, 1)
        likely = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError([f"unknown processor {redact(name)[:40]!r}; known are {', '.join(known)}{likely}"])
    if len({point.value for point in points}) > 1:
        sources = " and ".join(sorted(f"{point.value} of {_package(point)}" for point in points))
        raise ConfigError([f"two packages bring a processor {name}, {sources}; remove one"])
    point = points[0]
    whence = f"the processor {point.value} of {_package(point)}"
    try:
        loaded = point.load()
    except Exception as error:  # noqa: BLE001  a plug-in may fail in any way; its entry says so
        raise ConfigError([f"{whence} can't be loaded: {type(error).__name__}: {error}{_where(error)}"]) from None
    if not isinstance(loaded, type) or not issubclass(loaded, BaseProcessor):
        raise ConfigError([f"{whence} is no processor; derive it from framebus.Processor or DeferredProcessor"])
    return loaded  # type: ignore[return-value]  # the two kinds are all that there are


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
