"""What a job type brings to do its jobs: a JobRunner. Leases, beats, files and failures are settled by `hands`.

class Clip(JobRunner[ClipParams, ClipResult]):
    contract = CLIP

    def run(self, params, report):
        path = report.temp("front/clip.mp4")     # write here; the dispatcher gives it its name when all is whole
        report("copying", 40.0)                  # raises Stopped when the job was cancelled or lost
        return Output(result=ClipResult(...), files=["front/clip.mp4"])

At the entry point `framebus.jobs` of a package it is run by `python -m framebus.run_jobs NAME`, and by the launcher.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from msgspec import Struct

from framebus.bus import Bus
from framebus.clock import Clock
from framebus.errors import ErrorCode, FramebusError
from framebus.jobs import AnyJobType
from framebus.place import Place
from framebus.report import Report, Stopped, StopReason
from framebus.requests import FailKind
from framebus.settings import RunnerSettings

__all__ = [
    "AnyJobRunner",
    "JobRunner",
    "Output",
    "Report",
    "RunnerContext",
    "StopReason",
    "Stopped",
    "WorkError",
]

P = TypeVar("P", bound=Struct)
R = TypeVar("R", bound=Struct)
S = TypeVar("S", bound=Struct)


class WorkError(FramebusError):
    """A job failed for a known reason; `kind` decides whether it is tried again.

    With RATE_LIMITED the whole type rests for `retry_after_s`, by default as long as its policy says.
    """

    def __init__(
        self, kind: FailKind, message: str, code: ErrorCode | None = None, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.code = code
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Output(Generic[R]):
    """What a job made: its result, and the files that get their names now, the main one last."""

    result: R
    files: Sequence[str] = ()
    """relative to the exports folder; each was asked for with `report.temp()`"""


@dataclass(frozen=True, kw_only=True)
class RunnerContext:
    """Where a runner lives: the same in a thread of its service and in a process of its own."""

    place: Place
    clock: Clock
    raw_settings: bytes = b"{}"

    @classmethod
    def of(cls, bus: Bus) -> "RunnerContext":
        return cls(place=bus.place, clock=bus.clock, raw_settings=bus.raw_settings)

    def settings(self, kind: type[S]) -> S:
        """The service's section of the configuration; raises msgspec.ValidationError."""
        return msgspec.json.decode(self.raw_settings, type=kind)


class JobRunner(ABC, Generic[P, R]):
    """Does the jobs of one type: in a thread of its service, or each slot in a process of its own."""

    contract: ClassVar[AnyJobType]
    settings_type: ClassVar[type[RunnerSettings]] = RunnerSettings
    """its section of the configuration; checked when the service starts"""
    is_isolated: ClassVar[bool] = False
    """Where native code may crash, or work must be killable: `run` and `verify` are called in a WorkerProcess then.

    A crash fails the job alone; work that stalls, or does not heed that it must stop, is killed.
    """

    companion: ClassVar[Callable[[Bus], object] | None] = None
    """what else its service does: answers requests, tells news; made before jobs are taken, in the service itself"""

    def __init__(self, context: RunnerContext) -> None:
        """Called once for each process. Raise ConfigError for settings that make no sense."""
        self.context = context

    @abstractmethod
    def run(self, params: P, report: Report) -> Output[R]:
        """Do one job. Raise WorkError for a failure with a reason; call `report()` at least each `stall_s`."""

    def verify(self, path: Path, result: R) -> None:
        """Look at the finished main file before it is published; raise WorkError when it is not what it should be."""


AnyJobRunner = JobRunner[Any, Any]
