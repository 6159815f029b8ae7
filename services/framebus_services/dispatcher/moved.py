"""What a transaction of the ledger changed, for those who must know: boards, leases, alarms."""

from dataclasses import dataclass

from framebus.messages import JobState, JobView
from framebus_services.dispatcher.alarms import Alarm
from framebus_services.dispatcher.job import Job


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A move that was made."""

    view: JobView
    was: JobState | None
    priority: int
    number: int
    fence: int
    alarm: Alarm | None

    @classmethod
    def of(cls, job: Job, was: JobState | None, alarm: Alarm | None) -> "Moved":
        return cls(view=job.view(), was=was, priority=job.priority, number=job.number, fence=job.fence, alarm=alarm)
