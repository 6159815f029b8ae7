"""What becomes of a task that was given to a WorkerProcess."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from framebus.errors import FramebusError


class TaskEnd(StrEnum):
    """How a task ended."""

    DONE = "done"
    """`result` holds what the work returned"""
    RAISED = "raised"
    """the work raised: `error`, `error_type` and `traceback`"""
    CRASHED = "crashed"
    """it took its process with it: `signal` or `exit_code`, and `log_tail`"""
    QUARANTINED = "quarantined"
    """it killed three processes, and gets no fourth"""
    TIMED_OUT = "timed_out"
    """it took longer than the limit, and was killed"""
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"
    """no process could be made ready for it: `error` says why"""
    NOT_DONE = "not_done"
    """the WorkerProcess was collected or closed before"""


class TaskError(FramebusError):
    """Raised by `TaskOutcome.value()` for a task that is not done."""


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """The end of one task, with the key and the task that were submitted."""

    key: Hashable
    task: Any
    end: TaskEnd
    result: Any = None
    error: str = ""
    """what went wrong, as a sentence"""
    error_type: str = ""
    traceback: str = ""
    """of the work, as text; empty unless it raised"""
    signal: int | None = None
    exit_code: int | None = None
    log_tail: list[str] = field(default_factory=list)
    """last lines of the process that crashed"""

    @property
    def is_done(self) -> bool:
        return self.end is TaskEnd.DONE

    def value(self) -> Any:
        """The result; raises TaskError, with the traceback in its text, when there is none."""
        if self.is_done:
            return self.result
        raise TaskError(f"task {self.key!r} {self.end.value}: {self.error}\n{self.traceback}".rstrip())
