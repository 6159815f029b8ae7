"""Finds what installed packages add to framebus, by entry point; says what it cannot load and why."""

from importlib.metadata import EntryPoint, entry_points

from framebus.jobs import AnyJobType, JobType

JOB_TYPES = "framebus.job_types"


def load_job_types() -> tuple[dict[str, AnyJobType], list[str]]:
    """The job types of all installed packages by name, and a sentence for each that could not be loaded."""
    found: dict[str, AnyJobType] = {}
    problems: list[str] = []
    for point in entry_points(group=JOB_TYPES):
        job_type = _load(point, problems)
        if job_type is not None:
            found[job_type.name] = job_type
    return found, problems


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
