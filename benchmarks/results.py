"""All that one run of the benchmarks saw, as it is kept in `results.json`; the report is made from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.goals import GOALS, SCRIPTS, Goal, Key
from benchmarks.seen import Seen

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"


@dataclass(kw_only=True)
class Results:
    """The lines of all scripts, and what they belong to."""

    date: str
    is_quick: bool
    machine: dict[str, Any]
    minutes: float = 0.0
    load_after: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)
    """what a script died of, by its name"""
    seen: list[Seen] = field(default_factory=list)
    scripts: list[str] = field(default_factory=lambda: list(SCRIPTS))
    """which were asked for"""

    @property
    def medians(self) -> dict[Key, float]:
        return {(line.case, line.system, line.figure): line.median for line in self.seen}

    def verdicts(self) -> Iterator["Verdict"]:
        """Each goal of the scripts with what came of it, in the order of the table."""
        medians = self.medians
        numbers = {number for name in self.scripts for number in SCRIPTS[name]}
        for goal in GOALS:
            if goal.number in numbers:
                yield Verdict(goal=goal, value=goal.value(medians))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A goal, and its ratio or figure; None where it was not measured."""

    goal: Goal
    value: float | None

    @property
    def word(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.goal.is_met(self.value) else "missed"


def read_results(path: Path = RESULTS) -> Results:
    """Raises FileNotFoundError, msgspec.ValidationError."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def write_results(results: Results, path: Path = RESULTS) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
