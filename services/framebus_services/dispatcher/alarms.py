"""When active jobs have to be looked at, for a retry or because they expire; in boot time, whatever the wall says."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass

from framebus.clock import Clock
from framebus.jobs import FINAL, NO_SPACE_RETRY_S
from framebus.messages import JobState
from framebus.settings import QueuePolicy
from framebus_services.dispatcher.job import Job

SPARE = 1_000
"""alarms that are over may be remembered so much longer before they are swept out"""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Boot times of an active job: when it expires, and when it has to be looked at."""

    expires_s: float
    due_s: float | None
    """None while it is being published: it ends by itself"""


class Alarms:
    """The alarms of the active jobs, as the last commit left them."""

    def __init__(
        self, clock: Clock, policy_of: Callable[[str], QueuePolicy], rest_until_s: Callable[[str], float]
    ) -> None:
        """`rest_until_s(type)` is the boot time at which the rest of a type ends."""
        self._clock = clock
        self._policy_of = policy_of
        self._rest_until_s = rest_until_s
        self._alarms: dict[str, Alarm] = {}
        self._heap: list[tuple[float, str]] = []
        """when which job is due; also of jobs whose alarm was set anew since, or that have ended"""

    def alarm_of(self, job: Job) -> Alarm | None:
        """The alarm of a job as it is now; None when it has ended.

        Wall times of the row become boot times here, once: a clock that jumps moves nothing but a restart.
        """
        if job.state in FINAL:
            return None
        policy = self._policy_of(job.type)
        now_s, now_at_s = self._clock.boot_s(), self._clock.wall_s()
        known = self._alarms.get(job.id)
        left_s = min(max(job.expires_at - now_at_s, 0.0), policy.expires_s)
        expires_s = known.expires_s if known is not None else now_s + left_s
        due_s: float | None = expires_s
        if job.state is JobState.PUBLISHING:
            due_s = None
        elif job.state is JobState.RETRYING:
            limit_s = max(policy.backoff_limit_s * 1.2, NO_SPACE_RETRY_S, self._rest_until_s(job.type) - now_s)
            wait_s = min(max((job.not_before or 0.0) - now_at_s, 0.0), limit_s)
            due_s = min(expires_s, now_s + wait_s)
        return Alarm(expires_s=expires_s, due_s=due_s)

    def set(self, job_id: str, alarm: Alarm | None) -> None:
        """What was committed of a job."""
        if alarm is None:
            self._alarms.pop(job_id, None)
            return
        known = self._alarms.get(job_id)
        self._alarms[job_id] = alarm
        if alarm.due_s is not None and (known is None or known.due_s != alarm.due_s):
            heapq.heappush(self._heap, (alarm.due_s, job_id))
        if len(self._heap) > 2 * len(self._alarms) + SPARE:
            self._heap = [(one.due_s, name) for name, one in self._alarms.items() if one.due_s is not None]
            heapq.heapify(self._heap)

    def due(self) -> list[tuple[str, bool]]:
        """The jobs that have to be looked at now, and whether they expired."""
        now_s = self._clock.boot_s()
        if (next_s := self.next_due_s()) is None or next_s > now_s:
            return []
        return [
            (job_id, alarm.expires_s <= now_s)
            for job_id, alarm in self._alarms.items()
            if alarm.due_s is not None and alarm.due_s <= now_s
        ]

    def next_due_s(self) -> float | None:
        """Boot time of the first alarm."""
        while self._heap:
            due_s, job_id = self._heap[0]
            alarm = self._alarms.get(job_id)
            if alarm is not None and alarm.due_s == due_s:
                return due_s
            heapq.heappop(self._heap)
        return None
