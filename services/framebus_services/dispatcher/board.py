"""What is broadcast of the jobs: one board per type, moves soon, progress once a second, the last word always."""

import itertools
import logging
from collections.abc import Callable

from msgspec.structs import replace

from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import BoardStatus, JobBoard, JobState, JobView, More, QueueStatus
from framebus_services.dispatcher.shown import PROGRESS_PERIOD_S, Shown, ShownJobs, Turns

log = logging.getLogger(__name__)

MOVE_PERIOD_S = 0.05
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


class Boards:
    """The jobs of all types as subscribers see them. One thread builds and sends."""

    def __init__(
        self,
        publish: Callable[[JobBoard | JobView], None],
        queue_status: Callable[[str], QueueStatus],
        turns_of: Callable[[str], Turns] = lambda _: {},
        count: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`queue_status(type)` tells how full a queue is now, `turns_of(type)` whose turn; `count` what failed."""
        self._publish = publish
        self._queue_status = queue_status
        self._turns_of = turns_of
        self._count = count
        self._jobs: dict[str, ShownJobs] = {}
        self._counts: dict[str, dict[JobState, int]] = {}
        self._clocks: dict[str, BoardClock] = {}
        # Looked through when something is due; all jobs would be too many for that.
        self._untold: dict[str, Shown] = {}
        self._running: dict[str, Shown] = {}
        self._due_s: float | None = None
        """when something is due, or earlier"""

    def add_type(self, kind: str, counts: dict[JobState, int], now_s: float) -> None:
        """Show a type from now on, even when it has no jobs."""
        self._counts[kind] = dict(counts)
        self._jobs.setdefault(kind, ShownJobs())
        self._clocks.setdefault(kind, BoardClock())
        self.note_queue(kind, now_s)

    def note_queue(self, kind: str, now_s: float) -> None:
        """The queue of a type is not as it was, though no job has moved."""
        self._clocks[kind].note_move(now_s)
        self._expect(self._clocks[kind].due_at_s)

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
        self._clocks.setdefault(view.type, BoardClock())
        self.note_queue(view.type, now_s)
        self._publish(view)

    def _show(self, view: JobView, priority: int, number: int, now_s: float) -> JobView:
        jobs = self._jobs.setdefault(view.type, ShownJobs())
        before = jobs.get(view.id)
        if before is not None and before.view.attempt == view.attempt and before.newest.percent > view.percent:
            view = replace(view, percent=before.newest.percent)  # a beat may be newer than the row that moved
        shown = Shown(view, priority, number, ended_up_s=now_s if view.state in FINAL else None)
        jobs.put(shown)
        self._untold.pop(view.id, None)
        self._running.pop(view.id, None)
        if view.state is JobState.RUNNING:
            self._running[view.id] = shown
        elif shown.ended_up_s is not None:
            self._expect(now_s + ENDED_SHOWN_S)
        return view

    def progress(self, job_id: str, step: str, percent: float, eta_s: float | None, now_s: float) -> None:
        """A running job tells how far it is."""
        shown = self._running.get(job_id)
        if shown is None:
            return
        view = shown.view
        before = shown.reported or (view.step, view.percent, view.eta_s)
        reported = (step, max(percent, before[1]), eta_s)
        if reported == before:
            return
        shown.reported = reported
        if job_id not in self._untold:
            self._untold[job_id] = shown
            shown.progress.note(now_s)
            self._expect(shown.progress.due_at_s)
        clock = self._clocks[view.type]
        if clock.due_at_s is None:  # else the board that is due takes this along
            clock.note_progress(now_s)
            self._expect(clock.due_at_s)

    def release_due(self, now_s: float, clock: Callable[[], float]) -> None:
        """Send what is due: progress of single jobs, then the boards."""
        try:
            for shown in [shown for shown in self._untold.values() if shown.progress.is_due(now_s)]:
                del self._untold[shown.view.id]
                shown.progress.release(now_s)
                self._publish(shown.newest)
            self._forget_ended(now_s)
            for kind, board_clock in self._clocks.items():
                if board_clock.due_at_s is not None and now_s >= board_clock.due_at_s:
                    started_s = clock()
                    try:
                        self._publish(self._build(kind))
                    except Exception:  # the other types' boards leave all the same
                        self._count("errors.board")
                        log.exception("the board of %s jobs could not be sent", kind)
                    board_clock.release(now_s, clock() - started_s)
        finally:
            self._due_s = self._first_due_s()

    def next_due_s(self) -> float | None:
        """When `release_due` has something to do, or None."""
        return self._due_s

    def _expect(self, due_s: float | None) -> None:
        if due_s is not None and (self._due_s is None or due_s < self._due_s):
            self._due_s = due_s

    def _first_due_s(self) -> float | None:
        dues = [clock.due_at_s for clock in self._clocks.values()]
        dues += [shown.progress.due_at_s for shown in self._untold.values()]
        dues += [_forgotten_s(jobs.oldest_ended()) for jobs in self._jobs.values()]
        return min((due for due in dues if due is not None), default=None)

    def _forget_ended(self, now_s: float) -> None:
        for kind, jobs in self._jobs.items():
            while (oldest := jobs.oldest_ended()) and (_forgotten_s(oldest) or 0.0) <= now_s:
                jobs.drop(oldest.view.id)
                self._clocks[kind].note_move(now_s)

    def _build(self, kind: str) -> JobBoard:
        jobs = self._jobs[kind]
        running = jobs.at_work()
        at_work = _fitting(running)
        first = _fitting(jobs.first_waiting(self._turns_of(kind), MAX_WAITING))
        last = _fitting(jobs.last_ended(MAX_ENDED))[::-1]
        status = BoardStatus.RUNNING if running else BoardStatus.QUEUED if jobs.waiting else BoardStatus.IDLE
        return JobBoard(
            type=kind,
            status=status,
            running=at_work,
            waiting=first,
            ended=last,
            more=More(
                running=len(running) - len(at_work),
                waiting=jobs.waiting - len(first),
                ended=jobs.ended - len(last),
            ),
            counts={state.value: number for state, number in self._counts.get(kind, {}).items() if number},
            queue=self._queue_status(kind),
        )


def _forgotten_s(ended: Shown | None) -> float | None:
    return None if ended is None or ended.ended_up_s is None else ended.ended_up_s + ENDED_SHOWN_S


def _fitting(views: list[JobView]) -> list[JobView]:
    """As many of the first as fit."""
    sizes = itertools.accumulate(len(codec.encode(view)) for view in views)
    return [view for view, size in zip(views, sizes, strict=True) if size <= MAX_LIST_BYTES]
