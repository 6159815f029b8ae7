"""What is broadcast of the jobs: one board per type, moves soon, progress once a second, the last word always."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import BoardStatus, JobBoard, JobState, JobView, More, QueueStatus
from framebus.throttle import Throttle

log = logging.getLogger(__name__)

Turns = Mapping[tuple[int, str], int]
"""by priority and camera: the least is served next"""

MOVE_PERIOD_S = 0.05
PROGRESS_PERIOD_S = 1.0
ENDED_SHOWN_S = 5.0
MAX_WAITING = 100
MAX_ENDED = 50
MAX_LIST_BYTES = 300_000
"""of the running, of the waiting and of the ended jobs: a board of long names must still fit into a message (1 MiB)"""


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

    def __init__(
        self,
        publish: Callable[[JobBoard | JobView], None],
        queue_status: Callable[[str], QueueStatus],
        turns_of: Callable[[str], Turns] = lambda _: {},
    ) -> None:
        """`queue_status(type)` tells how full a queue is now, `turns_of(type)` whose turn it is."""
        self._publish = publish
        self._queue_status = queue_status
        self._turns_of = turns_of
        self._jobs: dict[str, dict[str, _Shown]] = {}
        self._counts: dict[str, dict[JobState, int]] = {}
        self._clocks: dict[str, BoardClock] = {}
        # Looked through at every beat and batch; all jobs would be too many for that.
        self._untold: dict[str, _Shown] = {}
        self._ended: dict[str, _Shown] = {}

    def add_type(self, kind: str, counts: dict[JobState, int], now_s: float) -> None:
        """Show a type from now on, even when it has no jobs."""
        self._counts[kind] = dict(counts)
        self._jobs.setdefault(kind, {})
        self._clocks.setdefault(kind, BoardClock()).note_move(now_s)

    def note_queue(self, kind: str, now_s: float) -> None:
        """The queue of a type is not as it was, though no job has moved."""
        self._clocks[kind].note_move(now_s)

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
        shown = _Shown(view, priority, number, ended_up_s=now_s if view.state in FINAL else None)
        jobs[view.id] = shown
        self._untold.pop(view.id, None)
        if shown.ended_up_s is not None:
            self._ended[view.id] = shown
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
        self._untold[job_id] = shown
        self._clocks[shown.view.type].note_progress(now_s)

    def release_due(self, now_s: float, clock: Callable[[], float]) -> None:
        """Send what is due: progress of single jobs, then the boards."""
        for shown in [shown for shown in self._untold.values() if shown.progress.is_due(now_s)]:
            del self._untold[shown.view.id]
            shown.progress.release(now_s)
            self._publish(shown.view)
        self._forget_ended(now_s)
        for kind, board_clock in self._clocks.items():
            if board_clock.due_at_s is not None and now_s >= board_clock.due_at_s:
                started_s = clock()
                try:
                    self._publish(self._build(kind))
                except Exception:  # the other types' boards leave all the same
                    log.exception("the board of %s jobs could not be sent", kind)
                board_clock.release(now_s, clock() - started_s)

    def next_due_s(self) -> float | None:
        """When `release_due` has something to do, or None."""
        dues = [clock.due_at_s for clock in self._clocks.values()]
        dues += [shown.progress.due_at_s for shown in self._untold.values()]
        dues.append(self._next_forgotten_s())
        return min((due for due in dues if due is not None), default=None)

    def _next_forgotten_s(self) -> float | None:
        oldest = next(iter(self._ended.values()), None)
        return None if oldest is None or oldest.ended_up_s is None else oldest.ended_up_s + ENDED_SHOWN_S

    def _forget_ended(self, now_s: float) -> None:
        while (forgotten_s := self._next_forgotten_s()) is not None and now_s >= forgotten_s:
            view = self._ended.pop(next(iter(self._ended))).view
            del self._jobs[view.type][view.id]
            self._clocks[view.type].note_move(now_s)

    def _build(self, kind: str) -> JobBoard:
        jobs = self._jobs[kind].values()
        running = _in_line(shown for shown in jobs if shown.view.state in (JobState.RUNNING, JobState.PUBLISHING))
        queued = _by_turns((shown for shown in jobs if shown.view.state is JobState.QUEUED), self._turns_of(kind))
        waiting = queued + _in_line(shown for shown in jobs if shown.view.state is JobState.RETRYING)
        ended = sorted(
            (shown for shown in jobs if shown.ended_up_s is not None), key=lambda shown: shown.ended_up_s or 0
        )
        at_work = _fitting(running)
        first = _fitting(waiting[:MAX_WAITING])
        last = _fitting([shown.view for shown in reversed(ended[-MAX_ENDED:])])[::-1]
        status = BoardStatus.RUNNING if running else BoardStatus.QUEUED if waiting else BoardStatus.IDLE
        return JobBoard(
            type=kind,
            status=status,
            running=at_work,
            waiting=first,
            ended=last,
            more=More(
                running=len(running) - len(at_work),
                waiting=len(waiting) - len(first),
                ended=len(ended) - len(last),
            ),
            counts={state.value: number for state, number in self._counts.get(kind, {}).items() if number},
            queue=self._queue_status(kind),
        )


def _fitting(views: list[JobView]) -> list[JobView]:
    """As many of the first as fit."""
    sizes = itertools.accumulate(len(codec.encode(view)) for view in views)
    return [view for view, size in zip(views, sizes, strict=True) if size <= MAX_LIST_BYTES]


def _in_line(shown: Iterable[_Shown]) -> list[JobView]:
    return [one.view for one in sorted(shown, key=lambda one: (-one.priority, one.number))]


def _by_turns(shown: Iterable[_Shown], turns: Turns) -> list[JobView]:
    """As they will be leased: the first jobs of all cameras, turn by turn, then their second ones."""
    rounds: Counter[tuple[int, str]] = Counter()
    keys: list[tuple[tuple[int, int, int, int], JobView]] = []
    for one in sorted(shown, key=lambda one: one.number):
        line = (one.priority, one.view.camera or "")
        keys.append(((-one.priority, rounds[line], turns.get(line, one.number), one.number), one.view))
        rounds[line] += 1
    return [view for _, view in sorted(keys, key=lambda pair: pair[0])]
