"""What is broadcast of the jobs: one board per type, moves soon, progress once a second, the last word always."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import BoardStatus, JobBoard, JobState, JobView, More, QueueStatus
from framebus.settings import QueuePolicy
from framebus.throttle import Throttle

MOVE_PERIOD_S = 0.05
PROGRESS_PERIOD_S = 1.0
ENDED_SHOWN_S = 5.0
MAX_WAITING = 100
MAX_ENDED = 50
MAX_LIST_BYTES = 400_000
"""of the waiting and of the ended jobs: a board of long names must still fit into a message"""


class BoardClock:
    """When the next board leaves: 50 ms after the last one for a move, a second after it for progress.

    >>> clock = BoardClock()
    >>> clock.note_move(10.0); clock.due_at_s
    10.0
    >>> clock.release(10.0); clock.note_progress(10.1); clock.due_at_s
    11.0
    >>> clock.note_move(10.2); clock.due_at_s
    10.2
    """

    def __init__(self) -> None:
        self.due_at_s: float | None = None
        self._last_s = float("-inf")
        self._move_period_s = MOVE_PERIOD_S

    def note_move(self, now_s: float) -> None:
        self._note(max(now_s, self._last_s + self._move_period_s))

    def note_progress(self, now_s: float) -> None:
        self._note(max(now_s, self._last_s + PROGRESS_PERIOD_S))

    def release(self, now_s: float, build_s: float = 0.0) -> None:
        """A board left; boards that take long to build leave less often."""
        self.due_at_s = None
        self._last_s = now_s
        self._move_period_s = max(MOVE_PERIOD_S, 10.0 * build_s)

    def _note(self, due_s: float) -> None:
        self.due_at_s = due_s if self.due_at_s is None else min(self.due_at_s, due_s)


@dataclass(slots=True)
class _Shown:
    view: JobView
    priority: int
    number: int
    ended_up_s: float | None = None
    progress: Throttle = field(default_factory=lambda: Throttle(PROGRESS_PERIOD_S))


class Boards:
    """The jobs of all types as subscribers see them. One thread builds and sends."""

    def __init__(self, publish: Callable[[JobBoard | JobView], None], policy_of: Callable[[str], QueuePolicy]) -> None:
        self._publish = publish
        self._policy_of = policy_of
        self._jobs: dict[str, dict[str, _Shown]] = {}
        self._counts: dict[str, dict[JobState, int]] = {}
        self._clocks: dict[str, BoardClock] = {}

    def add_type(self, kind: str, counts: dict[JobState, int], now_s: float) -> None:
        """Show a type from now on, even when it has no jobs."""
        self._counts[kind] = dict(counts)
        self._jobs.setdefault(kind, {})
        self._clocks.setdefault(kind, BoardClock()).note_move(now_s)

    def load(self, view: JobView, priority: int, number: int, now_s: float) -> None:
        """A job that was there before this dispatcher: counted already, told with the first board."""
        self._show(view, priority, number, now_s)

    def move(self, view: JobView, was: JobState | None, priority: int, number: int, now_s: float) -> None:
        """A job has moved from `was` (None: it is new): tell it at once, and put it on the next board."""
        counts = self._counts.setdefault(view.type, {})
        if was is not None:
            counts[was] = counts.get(was, 0) - 1
        counts[view.state] = counts.get(view.state, 0) + 1
        view = self._show(view, priority, number, now_s)
        self._clocks.setdefault(view.type, BoardClock()).note_move(now_s)
        self._publish(view)

    def _show(self, view: JobView, priority: int, number: int, now_s: float) -> JobView:
        jobs = self._jobs.setdefault(view.type, {})
        before = jobs.get(view.id)
        if before is not None and before.view.attempt == view.attempt:  # a beat may be newer than the row that moved
            view = replace(view, percent=max(view.percent, before.view.percent))
        jobs[view.id] = _Shown(view, priority, number, ended_up_s=now_s if view.state in FINAL else None)
        return view

    def progress(self, job_id: str, step: str, percent: float, eta_s: float | None, now_s: float) -> None:
        """A running job tells how far it is."""
        shown = next((jobs[job_id] for jobs in self._jobs.values() if job_id in jobs), None)
        if shown is None or shown.view.state is not JobState.RUNNING:
            return
        percent = max(percent, shown.view.percent)
        if (step, percent, eta_s) == (shown.view.step, shown.view.percent, shown.view.eta_s):
            return
        shown.view = replace(shown.view, step=step, percent=percent, eta_s=eta_s)
        shown.progress.note(now_s)
        self._clocks[shown.view.type].note_progress(now_s)

    def release_due(self, now_s: float, clock: Callable[[], float]) -> None:
        """Send what is due: progress of single jobs, then the boards."""
        for kind, jobs in self._jobs.items():
            for shown in jobs.values():
                if shown.view.state is JobState.RUNNING and shown.progress.is_due(now_s):
                    shown.progress.release(now_s)
                    self._publish(shown.view)
            if self._forget_ended(jobs, now_s):
                self._clocks[kind].note_move(now_s)
            due_s = self._clocks[kind].due_at_s
            if due_s is not None and now_s >= due_s:
                started_s = clock()
                self._publish(self._build(kind))
                self._clocks[kind].release(now_s, clock() - started_s)

    def next_due_s(self) -> float | None:
        """When `release_due` has something to do, or None."""
        dues = [clock.due_at_s for clock in self._clocks.values()]
        for jobs in self._jobs.values():
            dues += [shown.progress.due_at_s for shown in jobs.values() if shown.view.state is JobState.RUNNING]
            dues += [shown.ended_up_s + ENDED_SHOWN_S for shown in jobs.values() if shown.ended_up_s is not None]
        return min((due for due in dues if due is not None), default=None)

    def _forget_ended(self, jobs: dict[str, _Shown], now_s: float) -> bool:
        old = [
            job_id
            for job_id, shown in jobs.items()
            if shown.ended_up_s is not None and now_s >= shown.ended_up_s + ENDED_SHOWN_S
        ]
        for job_id in old:
            del jobs[job_id]
        return bool(old)

    def _build(self, kind: str) -> JobBoard:
        jobs = self._jobs[kind].values()
        running = _in_line(shown for shown in jobs if shown.view.state in (JobState.RUNNING, JobState.PUBLISHING))
        queued = _in_line(shown for shown in jobs if shown.view.state is JobState.QUEUED)
        waiting = queued + _in_line(shown for shown in jobs if shown.view.state is JobState.RETRYING)
        ended = sorted(
            (shown for shown in jobs if shown.ended_up_s is not None), key=lambda shown: shown.ended_up_s or 0
        )
        first = _fitting(waiting[:MAX_WAITING])
        last = _fitting([shown.view for shown in reversed(ended[-MAX_ENDED:])])[::-1]
        policy = self._policy_of(kind)
        status = BoardStatus.RUNNING if running else BoardStatus.QUEUED if waiting else BoardStatus.IDLE
        return JobBoard(
            type=kind,
            status=status,
            running=running,
            waiting=first,
            ended=last,
            more=More(waiting=len(waiting) - len(first), ended=len(ended) - len(last)),
            counts={state.value: number for state, number in self._counts.get(kind, {}).items() if number},
            queue=QueueStatus(
                max_queued=policy.max_queued,
                max_running=policy.max_running,
                free=max(0, policy.max_queued - len(waiting)),
            ),
        )


def _fitting(views: list[JobView]) -> list[JobView]:
    """As many of the first as fit."""
    sizes = itertools.accumulate(len(codec.encode(view)) for view in views)
    return [view for view, size in zip(views, sizes, strict=True) if size <= MAX_LIST_BYTES]


def _in_line(shown: Iterable[_Shown]) -> list[JobView]:
    return [one.view for one in sorted(shown, key=lambda one: (-one.priority, one.number))]
