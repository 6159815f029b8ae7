"""How full a queue is and how long a new job waits there: facts of the ledger in, what users are told out. Pure."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field

from framebus.messages import QueueStatus
from framebus.settings import QueuePolicy
from framebus_services.dispatcher.hands import Slot
from framebus_services.dispatcher.queues import FIRST_GUESS_S

MAX_SIMULATED = 1_000
"""jobs whose begins are worked out one by one; beyond, the mean is good enough"""
OVERDUE_SHARE = 0.1
"""of the average: what is left of a job that takes longer than that"""
STUCK_S = 15.0
"""jobs that nobody asks for wait so long before anybody is alarmed: a worker needs a while to start"""
MIN_RETRY_AFTER_S = 0.25
NOBODY_S = 5.0
"""no place gets free while no worker asks: look again when one may have started"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the ledger knows of one queue; `_s` are boot times or seconds."""

    policy: QueuePolicy
    waiting: int
    """queued and retrying"""
    at_work: tuple[tuple[float, str, int], ...] = ()
    """boot time of the lease, worker and slot"""
    ready_s: float = float("-inf")
    """no job begins before"""
    rest_until_s: float = float("-inf")
    waiting_since_s: float | None = None
    turns: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """by priority and camera: the least is served next"""
    avg_duration_s: float | None = None
    processed: int = 0
    failed: int = 0


def wait_s(facts: Facts, slots: int, now_s: float, place: int) -> float:
    """Seconds until the job at this place in line (from 1) begins, with so many slots at work or free."""
    average_s = facts.avg_duration_s if facts.avg_duration_s is not None else FIRST_GUESS_S
    left_s = [max(average_s - max(0.0, now_s - begun_s), OVERDUE_SHARE * average_s) for begun_s, _, _ in facts.at_work]
    pause_s = facts.policy.pause_s
    free_s = [one + pause_s for one in left_s] + [0.0] * max(0, slots - len(left_s))
    heapq.heapify(free_s)
    first_s = max(0.0, facts.ready_s - now_s)
    begin_s = first_s
    for _ in range(min(place, MAX_SIMULATED)):
        begin_s = max(free_s[0], first_s)
        heapq.heapreplace(free_s, begin_s + average_s + pause_s)
    return begin_s + max(0, place - MAX_SIMULATED) * (average_s + pause_s) / len(free_s)


def status_of(facts: Facts, hands: set[Slot], asked_s: float | None, now_s: float, now_at_s: float) -> QueueStatus:
    """What `job.queue` and the board tell. `hands` ask for work now; somebody asked last at the boot time `asked_s`."""
    policy = facts.policy
    has_hands = bool(hands or facts.at_work)
    idle_since_s = max(facts.waiting_since_s or now_s, asked_s if asked_s is not None else float("-inf"))
    is_stuck = facts.waiting > 0 and not has_hands and now_s - idle_since_s > STUCK_S
    return QueueStatus(
        max_queued=policy.max_queued,
        max_running=policy.max_running,
        free=max(0, policy.max_queued - facts.waiting),
        waiting=facts.waiting,
        running=len(facts.at_work),
        processed_total=facts.processed,
        failed_total=facts.failed,
        avg_duration_s=facts.avg_duration_s if facts.avg_duration_s is not None else FIRST_GUESS_S,
        estimated_wait_s=wait_s(facts, slots_of(facts, hands), now_s, facts.waiting + 1),
        resting_until_at_s=now_at_s + facts.rest_until_s - now_s if facts.rest_until_s > now_s else None,
        worker_running=has_hands,
        stuck_since_at_s=max(0.0, now_at_s - (now_s - idle_since_s)) if is_stuck else None,
    )


def retry_after_s(facts: Facts, hands: set[Slot], now_s: float, place: int) -> float:
    """Seconds until so many jobs more have begun, and their places in the queue are free."""
    least_s = MIN_RETRY_AFTER_S if hands or facts.at_work else NOBODY_S
    return max(least_s, wait_s(facts, slots_of(facts, hands), now_s, place))


def slots_of(facts: Facts, hands: set[Slot]) -> int:
    """How many jobs can be at work at once; as many as are allowed, where no worker has said otherwise yet."""
    known = hands | {(worker, slot) for _, worker, slot in facts.at_work}
    return max(1, min(facts.policy.max_running, len(known) or facts.policy.max_running))
