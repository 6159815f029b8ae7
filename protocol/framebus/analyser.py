"""What looks at one uploaded or exported file and says what is on it: the base class of analysers.

The service `analysis` runs them, one file after another, in a process of its own; entry point `framebus.analysers`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class AnalysedFile:
    """The file that a job names; it lies still while the job runs."""

    path: Path
    """opens the file that was checked, whatever lies at its name by now; `name` has its ending"""
    name: str = ""
    """as it was uploaded"""
    is_video: bool
    camera: str | None = None


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What an analyser says."""

    values: dict[str, Any] = field(default_factory=dict)
    """of values that MessagePack can carry; at most 3 KiB together, since a job's result has at most 4"""
    jpeg: bytes | None = None
    """the picture that shows it best"""


class Analyser(ABC):
    """The keyword arguments of `__init__` are its settings, checked against their annotations."""

    @abstractmethod
    def analyse(self, file: AnalysedFile, report: Callable[[str, float], None]) -> Analysis:
        """Look at one file; call `report(step, percent)` now and then, 0 to 100: it raises when the job must end.

        Work that has not called it for 120 s, or for 3 s after the job was cancelled, is killed with its process.
        Raise `framebus.WorkError` for a failure with a reason: its kind decides whether it is tried again, and whether
        the queue rests.
        """
