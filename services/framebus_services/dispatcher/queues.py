"""What the queue of each job type remembers: failures in a row, rests, pauses, how long a job takes.

Written in the transaction of the move that changes it. Intervals are boot time; the disk keeps wall times, and what is
left of a rest or pause after a restart is never more than was granted, whatever the wall clock says.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from framebus.clock import Clock
from framebus.jobs import JobEvent
from framebus.messages import JobState
from framebus.settings import QueuePolicy
from framebus.throttle import backoff_s
from framebus_services.dispatcher.store import Store

FIRST_GUESS_S = 60.0
OLD_SHARE = 0.8
"""of the average, when another job has succeeded"""
COUNTS_AS_FAILURE = frozenset({JobEvent.FAIL_TRANSIENT, JobEvent.FAIL_RATE_LIMITED, JobEvent.STALLED})
AT_WORK = frozenset({JobState.RUNNING, JobState.PUBLISHING})


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One type's queue. Rest and pause end at boot times."""

    streak: int = 0
    """failures in a row"""
    rest_until_s: float = float("-inf")
    rest_s: float = 0.0
    """how long the rest is that ends then"""
    last_end_s: float = float("-inf")
    avg_duration_s: float | None = None
    processed: int = 0
    failed: int = 0


class Queues:
    """The queues of all types, as the last move left them."""

    def __init__(self, store: Store, clock: Clock, policy_of: Callable[[str], QueuePolicy]) -> None:
        self._store = store
        self._clock = clock
        self._policy_of = policy_of
        self._queues: dict[str, Queue] = {kind: self._loaded(kind, *row) for kind, row in store.queues().items()}

    def of(self, kind: str) -> Queue:
        return self._queues.get(kind) or Queue()

    def ready_s(self, kind: str) -> float:
        """Boot time before which no job of the type begins, for a rest or a pause."""
        queue = self.of(kind)
        return max(queue.rest_until_s, queue.last_end_s + self._policy_of(kind).pause_s)

    def mark(self) -> dict[str, Queue]:
        """As they are now, for `undo`."""
        return dict(self._queues)

    def undo(self, mark: dict[str, Queue]) -> None:
        """The transaction was undone: as they were then."""
        self._queues = dict(mark)

    def note(
        self, kind: str, was: JobState, event: JobEvent, to: JobState, worked_s: float | None, rest_s: float | None
    ) -> None:
        """A job has moved. `worked_s`: how long it was at work; `rest_s`: what its worker asks the type for."""
        if was not in AT_WORK and to not in (JobState.FAILED, JobState.DEAD):
            return
        before = queue = self.of(kind)
        now_s, policy = self._clock.boot_s(), self._policy_of(kind)
        if was in AT_WORK and to is not JobState.RUNNING:
            queue = replace(queue, last_end_s=now_s)
        if to is JobState.SUCCEEDED:
            average_s = _blend(queue.avg_duration_s, worked_s)
            queue = replace(queue, streak=0, avg_duration_s=average_s, processed=queue.processed + 1)
        elif to in (JobState.FAILED, JobState.DEAD):
            queue = replace(queue, failed=queue.failed + 1)
        if event in COUNTS_AS_FAILURE and to is not JobState.CANCELLED:
            queue = replace(queue, streak=queue.streak + 1)
            asked_s = rest_after_s(queue.streak, policy)
            if event is JobEvent.FAIL_RATE_LIMITED:
                asked_s = min(rest_s, policy.expires_s) if rest_s is not None else _own_rest_s(queue.streak, policy)
            if now_s + asked_s > max(now_s, queue.rest_until_s):
                queue = replace(queue, rest_until_s=now_s + asked_s, rest_s=asked_s)
        if queue != before:
            self._queues[kind] = queue
            self._write(kind, queue)

    def _write(self, kind: str, queue: Queue) -> None:
        to_wall_s = self._clock.wall_s() - self._clock.boot_s()
        ends = [None if at_s == float("-inf") else at_s + to_wall_s for at_s in (queue.last_end_s, queue.rest_until_s)]
        self._store.set_queue(
            kind, queue.streak, *ends, queue.rest_s, queue.avg_duration_s, queue.processed, queue.failed
        )

    def _loaded(
        self,
        kind: str,
        streak: int,
        last_end_at: float | None,
        resting_until: float | None,
        rest_s: float,
        avg_duration_s: float | None,
        processed: int,
        failed: int,
    ) -> Queue:
        policy = self._policy_of(kind)
        now_s, now_at_s = self._clock.boot_s(), self._clock.wall_s()
        granted_s = min(rest_s, max(policy.rest_limit_s, policy.expires_s))
        left_s = min(max((resting_until or 0.0) - now_at_s, 0.0), granted_s)
        ago_s = max(now_at_s - last_end_at, 0.0) if last_end_at is not None else float("inf")
        return Queue(
            streak=streak,
            rest_until_s=now_s + left_s,
            rest_s=granted_s,
            last_end_s=now_s - ago_s,
            avg_duration_s=avg_duration_s,
            processed=processed,
            failed=failed,
        )


def rest_after_s(streak: int, policy: QueuePolicy) -> float:
    """How long a type rests after so many failures in a row, in seconds: not after the first, then doubling.

    >>> [rest_after_s(n, QueuePolicy(rest_s=15.0)) for n in range(9)]
    [0.0, 0.0, 15.0, 30.0, 60.0, 120.0, 240.0, 300.0, 300.0]
    """
    if streak < 2:
        return 0.0
    return min(policy.rest_limit_s, policy.rest_s * 2.0 ** min(streak - 2, 60))


def _own_rest_s(streak: int, policy: QueuePolicy) -> float:
    """When the worker does not say for how long: a type that never rests would ask again at once, and for ever."""
    rest_s = rest_after_s(max(streak, 2), policy)
    return rest_s or backoff_s(streak, base_s=policy.backoff_s, limit_s=policy.backoff_limit_s, jitter=0.0)


def _blend(old_s: float | None, new_s: float | None) -> float | None:
    if old_s is None or new_s is None:
        return old_s if new_s is None else new_s
    return OLD_SHARE * old_s + (1.0 - OLD_SHARE) * new_s
