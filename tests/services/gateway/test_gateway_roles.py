"""All routes and all roles: who may do what, and who is not even told that it is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_rig import Rig
from msgspec import Raw

from framebus import codec
from framebus.door import Reply
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobState, JobView, QueueStatus, ServiceState, ServiceStatus
from framebus.requests import (
    CancelJob,
    ChangeConfig,
    Config,
    ConfigApplied,
    ExportPlan,
    GetConfig,
    GetJob,
    GetLogs,
    GetQueue,
    GetStory,
    JobAccepted,
    JobStory,
    JobViews,
    ListJobs,
    Logs,
    PlanExport,
    RestartService,
    RetryJob,
    Snapshot,
    StartService,
    StopService,
    SubmitJob,
    TakeSnapshot,
)
from framebus_services.gateway.table import ROUTES

JOB = "ab" * 16
CLIP = {"type": "export", "params": {"camera": "back", "start": 1.0, "end": 2.0}}
ROLES = ("nobody", "wrong", "front_viewer", "viewer", "admin")

# path and body of a request for something of the camera `back`, and the status for each of ROLES
OF_BACK = (401, 401, 404, 200, 200)
FOR_ALL = (401, 401, 200, 200, 200)
OF_ALL_CAMERAS = (401, 401, 403, 200, 200)
MATRIX: dict[tuple[str, str], tuple[str, Any, tuple[int, ...]]] = {
    ("GET", "healthz"): ("healthz", None, (200, 200, 200, 200, 200)),
    ("GET", "readyz"): ("readyz", None, (200, 200, 200, 200, 200)),
    ("POST", "api/session"): ("api/session", {"token": "no such"}, (401, 401, 401, 401, 401)),
    ("DELETE", "api/session"): ("api/session", None, (204, 204, 204, 204, 204)),
    ("GET", "metrics"): ("metrics", None, OF_ALL_CAMERAS),
    ("GET", "api/openapi.json"): ("api/openapi.json", None, FOR_ALL),
    ("GET", "api/me"): ("api/me", None, FOR_ALL),
    ("GET", "api/system"): ("api/system", None, FOR_ALL),
    ("GET", "api/services"): ("api/services", None, FOR_ALL),
    ("POST", "api/services/{name}/restart"): ("api/services/capture@back/restart", {}, (401, 401, 404, 403, 202)),
    ("POST", "api/services/{name}/start"): ("api/services/export/start", {}, (401, 401, 404, 403, 202)),
    ("POST", "api/services/{name}/stop"): ("api/services/export/stop", {}, (401, 401, 404, 403, 202)),
    ("GET", "api/services/{name}/logs"): ("api/services/export/logs", None, (401, 401, 404, 403, 200)),
    ("GET", "api/config"): ("api/config", None, (401, 401, 403, 403, 200)),
    ("GET", "api/cameras"): ("api/cameras", None, FOR_ALL),
    ("POST", "api/cameras"): ("api/cameras", {"name": "new", "source": "rtsp://h/s"}, (401, 401, 403, 403, 202)),
    ("GET", "api/cameras/{camera}/snapshot.jpg"): ("api/cameras/back/snapshot.jpg", None, OF_BACK),
    ("GET", "api/cameras/{camera}/live.mjpeg"): ("api/cameras/back/live.mjpeg?fps=9", None, (401, 401, 422, 422, 422)),
    ("GET", "live/{camera}.mjpeg"): ("live/away.mjpeg", None, (401, 401, 404, 404, 404)),
    ("GET", "api/recordings"): ("api/recordings?camera=back&start=1&end=2", None, OF_BACK),
    ("GET", "api/recordings/{camera}/{file}"): ("api/recordings/back/1000_1000.mp4", None, OF_BACK),
    ("GET", "api/events"): ("api/events?camera=back&start=1&end=2", None, OF_BACK),
    ("GET", "api/events/{camera}/{id}.jpg"): ("api/events/back/0000000001000-abcdef.jpg", None, OF_BACK),
    ("POST", "api/jobs"): ("api/jobs", CLIP, (401, 401, 404, 403, 202)),
    ("POST", "api/plan"): ("api/plan", CLIP, OF_BACK),
    ("GET", "api/jobs"): ("api/jobs?camera=back", None, OF_BACK),
    ("GET", "api/jobs/{id}"): (f"api/jobs/{JOB}", None, OF_BACK),
    ("GET", "api/jobs/{id}/story"): (f"api/jobs/{JOB}/story", None, OF_BACK),
    ("DELETE", "api/jobs/{id}"): (f"api/jobs/{JOB}", None, (401, 401, 404, 403, 202)),
    ("POST", "api/jobs/{id}/retry"): (f"api/jobs/{JOB}/retry", {}, (401, 401, 404, 403, 202)),
    ("GET", "api/queue/{type}/status"): ("api/queue/export/status", None, OF_ALL_CAMERAS),
    ("GET", "api/exports"): ("api/exports?camera=back", None, OF_BACK),
    ("GET", "api/exports/{camera}/{file}"): ("api/exports/back/clip.mp4", None, OF_BACK),
}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A gateway whose services answer all that is asked."""
    rig = Rig(tmp_path_factory.mktemp("roles"))
    bus = rig.bus
    view = JobView(id=JOB, type="export", state=JobState.FAILED, camera="back", created_at_s=1.0)
    accepted = JobAccepted(id=JOB, state=JobState.QUEUED, position=1, created=True)
    service = ServiceStatus(name="export", state=ServiceState.READY, since_at_s=1.0)
    bus.when_asked(SubmitJob, lambda _: accepted)
    bus.when_asked(RetryJob, lambda _: accepted)
    bus.when_asked(GetJob, lambda _: view)
    bus.when_asked(CancelJob, lambda _: view)
    bus.when_asked(GetStory, lambda _: JobStory(job=view, moves=[], evidence=["its last words"]))
    bus.when_asked(ListJobs, lambda _: JobViews(jobs=[view]))
    bus.when_asked(GetQueue, lambda _: QueueStatus(max_queued=1, max_running=1, free=1))
    bus.when_asked(
        PlanExport, lambda _: ExportPlan(segments=[], start_at_s=1.0, end_at_s=2.0, duration_s=1.0, size_bytes=1)
    )
    for request in (RestartService, StartService, StopService):
        bus.when_asked(request, lambda _: service)
    bus.when_asked(GetLogs, lambda _: Logs(lines=[], next=1))
    bus.when_asked(GetConfig, lambda _: Config(file="framebus.yml", revision=1, value=Raw(codec.encode({}))))
    bus.when_asked(ChangeConfig, lambda _: ConfigApplied(revision=2))
    snapshot = Snapshot(camera="back", number=1, captured_at_s=1.0, width=2, height=2)
    bus.when_asked(TakeSnapshot, lambda _: Reply(snapshot, b"jpeg"))
    write(rig.data / "recordings/back/1970-01-01/00/1000_1000.mp4")
    write(rig.data / "events/back/0000000001000-abcdef.jpg")
    write(rig.data / "exports/back/clip.mp4")
    rig.show_camera("back")
    yield rig
    rig.close()


def write(path: Path, data: bytes = b"0123456789") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def token_of(rig: Rig, role: str) -> str | None:
    return {"nobody": None, "wrong": "no such token"}.get(role) if role in ("nobody", "wrong") else getattr(rig, role)


def test_the_matrix_has_every_route_of_the_table_and_no_other() -> None:
    assert MATRIX.keys() == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("role", ROLES)
def test_every_route_answers_every_role_as_the_matrix_says(group: Rig, role: str) -> None:
    statuses = {
        key: group.ask(f"/{path}", key[0], token=token_of(group, role), body=body).status
        for key, (path, body, _) in MATRIX.items()
    }

    expected = {key: by_role[ROLES.index(role)] for key, (_, _, by_role) in MATRIX.items()}
    # Ten wrong tokens are enough for one address; a refusal is a refusal.
    assert {key: 401 if status == 429 else status for key, status in statuses.items()} == expected


def test_what_a_viewer_may_not_know_of_is_as_if_it_were_not_there(group: Rig) -> None:
    group.bus.when_asked(GetJob, lambda asked: refuse_unknown(asked.id))

    hidden = group.ask("/api/exports/back/clip.mp4", token=group.front_viewer)
    missing = group.ask("/api/exports/front/clip.mp4", token=group.front_viewer)

    assert (hidden.status, hidden.json) == (missing.status, missing.json)
    assert "back" not in str(group.get("/api/cameras", group.front_viewer))
    assert group.get("/api/jobs", group.front_viewer)["jobs"] == []
    assert group.get("/api/me", group.front_viewer)["cameras"] == ["front"]


def test_last_words_of_a_job_are_for_an_admin(group: Rig) -> None:
    group.bus.when_asked(
        GetJob, lambda _: JobView(id=JOB, type="export", state=JobState.DEAD, camera="back", created_at_s=1.0)
    )

    assert group.get(f"/api/jobs/{JOB}/story", group.viewer)["evidence"] == []
    assert group.get(f"/api/jobs/{JOB}/story", group.admin)["evidence"] == ["its last words"]


def refuse_unknown(job_id: str) -> JobView:
    raise RefusedError(ErrorCode.NOT_FOUND, f"there is no job {job_id}")
