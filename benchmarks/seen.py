"""What a benchmark saw: the lines that it prints, and how peers take turns, for each script of this folder."""

import json
import os
import platform
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

OURS = "framebus"

Figures = Mapping[str, float]
"""one run of one system: figure with its unit, as in the table of goals -> value"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One figure of one system in one case, over several runs; the middle one counts."""

    goal: int
    case: str
    system: str
    figure: str  # with its unit, as "frames/s" or "CPU us/frame"
    median: float
    low: float
    high: float
    runs: int


def in_turns(goal: int, case: str, systems: Mapping[str, Callable[[], Figures]], runs: int) -> Iterator[Seen]:
    """Run each system `runs` times, in another order each round, so that a busy moment of the machine hits all of them.

    A system that cannot run here raises `LeftOut`; it is told on the error output, and the others go on.
    """
    figures: dict[str, list[Figures]] = {name: [] for name in systems}
    for number in range(runs):
        names = list(figures)
        random.Random(number).shuffle(names)
        for name in names:
            try:
                figures[name].append(systems[name]())
            except LeftOut as why:
                say(f"goal {goal}, {case}: {name} left out: {why}")
                del figures[name]
    for name, seen in figures.items():
        yield from over_runs(goal, case, name, seen)


def over_runs(goal: int, case: str, system: str, runs: Iterable[Figures]) -> Iterator[Seen]:
    """A line for each figure of the runs of one system."""
    runs = list(runs)
    for figure in runs[0] if runs else ():
        values = [run[figure] for run in runs]
        yield Seen(
            goal=goal,
            case=case,
            system=system,
            figure=figure,
            median=statistics.median(values),
            low=min(values),
            high=max(values),
            runs=len(values),
        )


class LeftOut(Exception):
    """A peer that is not installed here; says what would bring it."""


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest rank; `percent` 0..100. Raises ValueError for no values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values to take a percentile of")
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def machine(*packages: str) -> dict[str, object]:
    """What the figures belong to: processors, system, versions of `packages`."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
        "packages": {name: _version(name) for name in packages},
    }


def tell(line: Seen) -> None:
    """Print the line as JSON; the runner reads it."""
    print(json.dumps(asdict(line)), flush=True)


def say(text: str) -> None:
    """A word for who watches, on the error output."""
    print(text, file=sys.stderr, flush=True)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
