"""The jobs of one type in the order in which its board shows them; a board costs the same however many jobs wait."""

import heapq
import itertools
from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from framebus.jobs import FINAL
from framebus.messages import JobState, JobView
from framebus.throttle import Throttle

Turns = Mapping[tuple[int, str], int]
"""by priority and camera: the least is served next"""

PROGRESS_PERIOD_S = 1.0
_Key = tuple[int, int, int, int]


@dataclass(slots=True)
class Shown:
    """A job on a board."""

    view: JobView
    """as it moved last"""
    priority: int
    number: int
    ended_up_s: float | None = None
    progress: Throttle = field(default_factory=lambda: Throttle(PROGRESS_PERIOD_S))
    reported: tuple[str, float, float | None] | None = None
    """step, percent and seconds left that its worker told since"""

    @property
    def newest(self) -> JobView:
        """With what its worker told last; put together only when somebody is told."""
        if self.reported is not None:
            step, percent, eta_s = self.reported
            self.view, self.reported = replace(self.view, step=step, percent=percent, eta_s=eta_s), None
        return self.view


class ShownJobs:
    """All active jobs of a type, and those that have just ended."""

    def __init__(self) -> None:
        self._jobs: dict[str, Shown] = {}
        self._at_work: dict[str, Shown] = {}
        self._lines: dict[tuple[int, str], list[tuple[int, str]]] = {}
        """number and id of the queued jobs, by priority and camera, in the order of their numbers"""
        self._retrying: dict[str, Shown] = {}
        self._ended: dict[str, Shown] = {}

    def get(self, job_id: str) -> Shown | None:
        return self._jobs.get(job_id)

    def put(self, shown: Shown) -> None:
        """A job is new, or has moved."""
        job_id, state = shown.view.id, shown.view.state
        self.drop(job_id)
        self._jobs[job_id] = shown
        if state is JobState.QUEUED:
            insort(self._lines.setdefault(_line_of(shown), []), (shown.number, job_id))
        elif state is JobState.RETRYING:
            self._retrying[job_id] = shown
        elif state in FINAL:
            self._ended[job_id] = shown
        else:
            self._at_work[job_id] = shown

    def drop(self, job_id: str) -> None:
        """Show a job no more."""
        shown = self._jobs.pop(job_id, None)
        if shown is None:
            return
        for some in (self._at_work, self._retrying, self._ended):
            some.pop(job_id, None)
        if shown.view.state is JobState.QUEUED:
            line = self._lines[_line_of(shown)]
            del line[bisect_left(line, (shown.number, job_id))]
            if not line:
                del self._lines[_line_of(shown)]

    @property
    def waiting(self) -> int:
        return len(self._retrying) + sum(map(len, self._lines.values()))

    @property
    def ended(self) -> int:
        return len(self._ended)

    def at_work(self) -> list[JobView]:
        return [shown.newest for shown in sorted(self._at_work.values(), key=_place)]

    def first_waiting(self, turns: Turns, limit: int) -> list[JobView]:
        """As they will be leased: the first jobs of all cameras, turn by turn, then their second ones; retries last."""
        lines = (self._in_turn(line, turns) for line in self._lines)
        first = [self._jobs[job_id] for _, job_id in itertools.islice(heapq.merge(*lines), limit)]
        first += heapq.nsmallest(limit - len(first), self._retrying.values(), key=_place)
        return [shown.newest for shown in first]

    def last_ended(self, limit: int) -> list[JobView]:
        """The newest first."""
        return [shown.newest for shown in itertools.islice(reversed(self._ended.values()), limit)]

    def oldest_ended(self) -> Shown | None:
        return next(iter(self._ended.values()), None)

    def _in_turn(self, line: tuple[int, str], turns: Turns) -> Iterator[tuple[_Key, str]]:
        priority = line[0]
        for round, (number, job_id) in enumerate(self._lines[line]):
            yield (-priority, round, turns.get(line, number), number), job_id


def _line_of(shown: Shown) -> tuple[int, str]:
    return shown.priority, shown.view.camera or ""


def _place(shown: Shown) -> tuple[int, int]:
    return -shown.priority, shown.number
