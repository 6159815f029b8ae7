"""Routes about jobs: hand in, look, cancel, retry."""

import re
from typing import Annotated, Any

from msgspec import Meta, Raw, Struct
from starlette.responses import Response

from framebus import codec
from framebus.asking import MAX_ROWS
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobId, JobState, JobView, Name, QueueStatus, Text
from framebus.requests import (
    CancelJob,
    ExportPlan,
    GetJob,
    GetQueue,
    GetStory,
    JobAccepted,
    JobStory,
    JobViews,
    ListJobs,
    PlanExport,
    RetryJob,
    SubmitJob,
)
from framebus_services.gateway.authority import Action, Listing, OfCamera, WholeGroup
from framebus_services.gateway.desk import Call
from framebus_services.gateway.refusals import FieldError, in_params, to_json
from framebus_services.gateway.route import Route

DISPATCHER = "dispatcher"
EXPORT = "export"
PLAN_S = 15.0
_JOB_ID = re.compile(r"[0-9a-f]{32}")


class NewJob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job to be done."""

    type: Name
    params: dict[str, Any]
    """as the job type defines them"""
    id: JobId | None = None
    """draw one, to be sure that a request that is sent again is the same job"""
    priority: Annotated[int, Meta(ge=-100, le=100)] = 0
    name: Text | None = None
    case: Text | None = None


class JobsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Name | None = None
    state: str | None = None
    camera: Name | None = None
    case: Text | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100
    next: Text | None = None


async def submit(call: Call) -> Response:
    job: NewJob = call.body
    call.authorise(OfCamera(camera=_camera_of(job), what="such camera"))
    request = SubmitJob(
        type=job.type,
        params=_params(job),
        id=job.id,
        priority=job.priority,
        name=job.name,
        case=job.case,
    )
    try:
        return _accepted(call, await call.desk.pool.ask(DISPATCHER, request))
    except RefusedError as error:
        raise in_params(error) from None


async def plan(call: Call) -> ExportPlan:
    job: NewJob = call.body
    call.authorise(OfCamera(camera=_camera_of(job), what="such camera"))
    if job.type != EXPORT:
        raise FieldError(f"only jobs of type {EXPORT} can be planned - at `$.type`")
    try:
        return await call.desk.pool.ask(EXPORT, PlanExport(params=_params(job)), PLAN_S)
    except RefusedError as error:
        raise in_params(error) from None


async def jobs(call: Call) -> JobViews:
    query: JobsQuery = call.query
    thing = Listing() if query.camera is None else OfCamera(camera=query.camera, what=f"camera {query.camera}")
    call.authorise(thing)
    if query.state is not None and query.state not in set(JobState) - {JobState.UNKNOWN}:
        known = ", ".join(state for state in JobState if state is not JobState.UNKNOWN)
        raise FieldError(f"state is one of {known} - at `$.state`")
    request = ListJobs(
        type=query.type,
        state=JobState(query.state) if query.state is not None else None,
        camera=query.camera,
        case=query.case,
        limit=query.limit,
        next=query.next,
    )
    found = await call.desk.pool.ask(DISPATCHER, request)
    return JobViews(jobs=[job for job in found.jobs if call.subject.sees(job.camera)], next=found.next)


async def job(call: Call) -> JobView:
    return await _load(call)


async def story(call: Call) -> JobStory:
    view = await _load(call)
    told = await call.desk.pool.ask(DISPATCHER, GetStory(id=view.id))
    evidence = told.evidence if call.subject.may(Action.MANAGE) else []
    return JobStory(job=told.job, moves=told.moves, evidence=evidence)


async def cancel(call: Call) -> JobView:
    view = await _load(call)
    return await call.desk.pool.ask(DISPATCHER, CancelJob(id=view.id))


async def retry(call: Call) -> Response:
    view = await _load(call)
    return _accepted(call, await call.desk.pool.ask(DISPATCHER, RetryJob(id=view.id)))


async def queue(call: Call) -> QueueStatus:
    call.authorise(WholeGroup())
    return await call.desk.pool.ask(DISPATCHER, GetQueue(type=call.path["type"]))


async def _load(call: Call) -> JobView:
    """The job that the path names, for who may do this to it."""
    job_id = call.path["id"]
    if not _JOB_ID.fullmatch(job_id):
        call.authorise(Listing())
        raise RefusedError(ErrorCode.NOT_FOUND, "there is no such job; an id has 32 hex digits")
    view = await call.desk.pool.ask(DISPATCHER, GetJob(id=job_id))
    call.authorise(OfCamera(camera=view.camera, what=f"job {job_id}"))
    return view


def _params(job: NewJob) -> Raw:
    try:
        return Raw(codec.encode(job.params))
    except OverflowError:
        raise FieldError("a whole number has at most 64 bits - at `$.params`") from None


def _camera_of(job: NewJob) -> str | None:
    camera = job.params.get("camera")
    return camera if isinstance(camera, str) else None


def _accepted(call: Call, accepted: JobAccepted) -> Response:
    headers = {"Location": f"{call.desk.root}api/jobs/{accepted.id}"}
    return Response(to_json(accepted), 202, headers, "application/json")


ROUTES = (
    Route(
        method="POST",
        path="api/jobs",
        handle=submit,
        summary="Hand in a job; answered when it is on disk.",
        action=Action.MAKE,
        body=NewJob,
        answer=JobAccepted,
        status=202,
    ),
    Route(
        method="POST",
        path="api/plan",
        handle=plan,
        summary="What would this clip contain?",
        body=NewJob,
        answer=ExportPlan,
    ),
    Route(
        method="GET",
        path="api/jobs",
        handle=jobs,
        summary="Jobs, newest first.",
        query=JobsQuery,
        answer=JobViews,
    ),
    Route(method="GET", path="api/jobs/{id}", handle=job, summary="One job.", answer=JobView),
    Route(
        method="GET",
        path="api/jobs/{id}/story",
        handle=story,
        summary="What happened to a job; its last words for an admin.",
        answer=JobStory,
    ),
    Route(
        method="DELETE",
        path="api/jobs/{id}",
        handle=cancel,
        summary="Stop a job; a running one is told and ends soon after.",
        action=Action.MAKE,
        answer=JobView,
        status=202,
    ),
    Route(
        method="POST",
        path="api/jobs/{id}/retry",
        handle=retry,
        summary="A new job with the parameters of one that ended.",
        action=Action.MAKE,
        answer=JobAccepted,
        status=202,
    ),
    Route(
        method="GET",
        path="api/queue/{type}/status",
        handle=queue,
        summary="How full is the queue of a job type?",
        answer=QueueStatus,
    ),
)
