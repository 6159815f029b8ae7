"""The requests of the bus and their answers, and the table of methods.

Those of jobs are in `framebus.job_requests`, those of the launcher in `framebus.group_requests`, those of others in
`framebus.service_requests`; all can be imported from here.
"""

from dataclasses import dataclass

from framebus.asking import MAX_ROWS, A, A_co, Answer, Done, Request
from framebus.group_requests import (
    ChangeConfig,
    Config,
    ConfigApplied,
    GetConfig,
    GetLogs,
    KillService,
    ListServices,
    LogLine,
    Logs,
    Reload,
    RestartService,
    Services,
    StartService,
    StopService,
)
from framebus.job_requests import (
    BatchAccepted,
    BatchAnswer,
    BatchItem,
    BeatAnswer,
    BeatJob,
    CancelCase,
    CancelJob,
    FailKind,
    GetJob,
    GetQueue,
    GetStory,
    JobAccepted,
    JobDone,
    JobEnd,
    JobFailed,
    JobMove,
    JobPrepared,
    JobStopped,
    JobStory,
    JobViews,
    Lease,
    LeasedJob,
    LeaseJob,
    ListJobs,
    PreparedFile,
    ReleaseJob,
    RetryJob,
    SubmitBatch,
    SubmitJob,
    WorkerLost,
)
from framebus.messages import Count, Instance, JobView, Message, QueueStatus, ServiceStats, ServiceStatus, Text
from framebus.service_requests import (
    AskProcessor,
    ExportPlan,
    Gap,
    GetState,
    ListUploads,
    PlanExport,
    PlannedSegment,
    ProcessorAnswer,
    Snapshot,
    StateRow,
    StateRows,
    TakeSnapshot,
    UploadRow,
    Uploads,
)

# Every service ------------------------------------------------------------------------------------------------------


class Pong(Answer, frozen=True, kw_only=True):
    name: Instance
    pid: Count
    epoch: Count
    version: Text


class Ping(Request[Pong], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Are you there?"""


class GetStats(Request[ServiceStats], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What have you counted?"""


# The table ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Method:
    """One row of the table: who answers what with what."""

    name: str
    service: str
    request: type[Request[Message]]
    answer: type[Message]


METHODS: tuple[Method, ...] = (
    Method(name="ping", service="every service", request=Ping, answer=Pong),
    Method(name="stats", service="every service", request=GetStats, answer=ServiceStats),
    Method(name="state.get", service="dispatcher", request=GetState, answer=StateRows),
    Method(name="job.submit", service="dispatcher", request=SubmitJob, answer=JobAccepted),
    Method(name="batch.submit", service="dispatcher", request=SubmitBatch, answer=BatchAccepted),
    Method(name="job.get", service="dispatcher", request=GetJob, answer=JobView),
    Method(name="job.list", service="dispatcher", request=ListJobs, answer=JobViews),
    Method(name="job.story", service="dispatcher", request=GetStory, answer=JobStory),
    Method(name="job.queue", service="dispatcher", request=GetQueue, answer=QueueStatus),
    Method(name="job.cancel", service="dispatcher", request=CancelJob, answer=JobView),
    Method(name="case.cancel", service="dispatcher", request=CancelCase, answer=JobViews),
    Method(name="job.retry", service="dispatcher", request=RetryJob, answer=JobAccepted),
    Method(name="job.lease", service="dispatcher", request=LeaseJob, answer=Lease),
    Method(name="job.beat", service="dispatcher", request=BeatJob, answer=BeatAnswer),
    Method(name="job.prepared", service="dispatcher", request=JobPrepared, answer=JobView),
    Method(name="job.done", service="dispatcher", request=JobDone, answer=JobEnd),
    Method(name="job.fail", service="dispatcher", request=JobFailed, answer=JobView),
    Method(name="job.stopped", service="dispatcher", request=JobStopped, answer=JobView),
    Method(name="job.release", service="dispatcher", request=ReleaseJob, answer=JobView),
    Method(name="worker.lost", service="dispatcher", request=WorkerLost, answer=Done),
    Method(name="service.list", service="launcher", request=ListServices, answer=Services),
    Method(name="service.start", service="launcher", request=StartService, answer=ServiceStatus),
    Method(name="service.stop", service="launcher", request=StopService, answer=ServiceStatus),
    Method(name="service.restart", service="launcher", request=RestartService, answer=ServiceStatus),
    Method(name="service.kill", service="launcher", request=KillService, answer=ServiceStatus),
    Method(name="service.logs", service="launcher", request=GetLogs, answer=Logs),
    Method(name="config.get", service="launcher", request=GetConfig, answer=Config),
    Method(name="config.set", service="launcher", request=ChangeConfig, answer=ConfigApplied),
    Method(name="config.reload", service="launcher", request=Reload, answer=ConfigApplied),
    Method(name="export.plan", service="export", request=PlanExport, answer=ExportPlan),
    Method(name="enrich.request", service="enrich", request=AskProcessor, answer=ProcessorAnswer),
    Method(name="upload.list", service="ingest", request=ListUploads, answer=Uploads),
    Method(name="capture.snapshot", service="capture", request=TakeSnapshot, answer=Snapshot),
)

BY_NAME = {method.name: method for method in METHODS}
_BY_REQUEST: dict[type, Method] = {method.request: method for method in METHODS}


def method_of(request: type) -> Method:
    """The row of a request type; raises TypeError for a type that is in no row."""
    try:
        return _BY_REQUEST[request]
    except KeyError:
        raise TypeError(f"{request.__name__} is no request of the table of methods") from None


__all__ = [
    "BY_NAME",
    "MAX_ROWS",
    "METHODS",
    "A",
    "A_co",
    "Answer",
    "AskProcessor",
    "BatchAccepted",
    "BatchAnswer",
    "BatchItem",
    "BeatAnswer",
    "BeatJob",
    "CancelCase",
    "CancelJob",
    "ChangeConfig",
    "Config",
    "ConfigApplied",
    "Done",
    "ExportPlan",
    "FailKind",
    "Gap",
    "GetConfig",
    "GetJob",
    "GetLogs",
    "GetQueue",
    "GetState",
    "GetStats",
    "GetStory",
    "JobAccepted",
    "JobDone",
    "JobEnd",
    "JobFailed",
    "JobMove",
    "JobPrepared",
    "JobStopped",
    "JobStory",
    "JobViews",
    "KillService",
    "Lease",
    "LeaseJob",
    "LeasedJob",
    "ListJobs",
    "ListServices",
    "ListUploads",
    "LogLine",
    "Logs",
    "Method",
    "Ping",
    "PlanExport",
    "PlannedSegment",
    "Pong",
    "PreparedFile",
    "ProcessorAnswer",
    "ReleaseJob",
    "Reload",
    "Request",
    "RestartService",
    "RetryJob",
    "Services",
    "Snapshot",
    "StartService",
    "StateRow",
    "StateRows",
    "StopService",
    "SubmitBatch",
    "SubmitJob",
    "TakeSnapshot",
    "UploadRow",
    "Uploads",
    "WorkerLost",
    "method_of",
]
