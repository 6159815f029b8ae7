"""A job as the ledger keeps it: one row, and what everybody may see of it."""

from dataclasses import dataclass

from framebus.messages import NIL, JobError, JobState, JobView


@dataclass(slots=True, kw_only=True)
class Job:
    """One row. Times are wall clock, in seconds since 1970."""

    number: int = 0
    """order of arrival"""
    id: str
    type: str
    camera: str | None = None
    case_id: str | None = None
    name: str | None = None
    params: bytes
    params_sha: bytes
    priority: int = 0
    state: JobState = JobState.QUEUED
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    kills: int = 0
    fence: int = 0
    owner: str | None = None
    incarnation: int | None = None
    slot: int | None = None
    isolated: bool = False
    is_suspect: bool = False
    """its worker died while it had this job: leased alone until it has ended, so that one knows who is to blame"""
    leased_up_s: float | None = None
    """boot time of its lease; of the boot `boot_id`"""
    boot_id: str | None = None
    not_before: float | None = None
    expires_at: float
    cancel_requested: bool = False
    retry_of: str | None = None
    files: bytes | None = None
    step: str = ""
    percent: float = 0.0
    result: bytes | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    seen_at: float | None = None
    """when somebody asked for the story of a dead job"""
    rev: int = 0

    def view(self) -> JobView:
        """What everybody may know of the job."""
        error = JobError(code=self.error_code, message=self.error_message or "") if self.error_code else None
        return JobView(
            id=self.id,
            type=self.type,
            state=self.state,
            camera=self.camera,
            name=self.name,
            case=self.case_id,
            created_at_s=self.created_at,
            started_at_s=self.started_at,
            ended_at_s=self.ended_at,
            attempt=self.attempt,
            step=self.step,
            percent=self.percent,
            next_try_at_s=self.not_before if self.state is JobState.RETRYING else None,
            cancelling=self.cancel_requested and self.state is JobState.RUNNING,
            retry_of=self.retry_of,
            error=error,
            result=NIL if self.result is None else type(NIL)(self.result),
        )
