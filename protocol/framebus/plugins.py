"""Finds what installed packages add to framebus, by entry point; says what it cannot load and why."""

from importlib.metadata import EntryPoint, entry_points

from framebus.errors import ConfigError
from framebus.jobs import AnyJobType, JobType
from framebus.own_code import find_line

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


def find_services() -> dict[str, str]:
    """The services of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=SERVICES)}


def find_processors() -> dict[str, str]:
    """The processors of all installed packages, name to `module:class`; nothing of them is imported."""
    return {point.name: point.value for point in entry_points(group=PROCESSORS)}


def load_only(group: str, role: str, name: str) -> tuple[object, str]:
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
    line = find_line(error, lambda file: "importlib" not in file and file != __file__)
    return f" ({line})" if line else ""


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
