"""Routes about the group: who I am, the disk, services, the configuration."""

import os
import shutil
import socket
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from framebus.messages import ServiceStatus, Text
from framebus.recordings import list_segments
from framebus.requests import (
    Config,
    GetConfig,
    GetLogs,
    Logs,
    RestartService,
    StartService,
    StopService,
)
from framebus_services.gateway.authority import Action, Listing, OfCamera, WholeGroup
from framebus_services.gateway.desk import Call, Nothing
from framebus_services.gateway.refusals import FieldError
from framebus_services.gateway.route import Route
from framebus_services.gateway.views import Me, ServiceViews, System

LAUNCHER = "launcher"
HOUR_S = 3_600.0
DAY_S = 86_400.0
LEAST_COVERED_S = 60.0
"""of recordings, before they tell how much a day makes"""


class LogsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lines: Annotated[int, Meta(ge=1, le=200)] = 40


class ConfigQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Text = ""


async def me(call: Call) -> Me:
    call.authorise(Listing())
    subject, desk = call.subject, call.desk
    return Me(
        role=subject.role,
        cameras=[camera for camera in desk.all_cameras() if subject.sees(camera)],
        is_restricted=subject.is_restricted,
        can_export=subject.may(Action.MAKE),
        timezone=desk.settings.timezone,
        version=version("framebus"),
        host=socket.gethostname(),
        now_at_s=time.time(),
    )


async def system(call: Call) -> System:
    call.authorise(Listing())
    data, cameras = call.desk.place.data, list(call.desk.cameras)
    return await call.desk.pool.run(lambda: _measure(data, cameras, time.time()))


async def services(call: Call) -> ServiceViews:
    call.authorise(Listing())
    seen = call.desk.hub.seen(call.subject, "service/")
    return ServiceViews(services=[{**body, "is_stale": item.is_stale} for item, body in seen])


async def restart(call: Call) -> ServiceStatus:
    name = _service(call)
    return await call.desk.pool.ask(LAUNCHER, RestartService(name=name))


async def start(call: Call) -> ServiceStatus:
    name = _service(call)
    return await call.desk.pool.ask(LAUNCHER, StartService(name=name))


async def stop(call: Call) -> ServiceStatus:
    name = _service(call)
    return await call.desk.pool.ask(LAUNCHER, StopService(name=name))


async def logs(call: Call) -> Logs:
    query: LogsQuery = call.query
    name = _service(call)
    return await call.desk.pool.ask(LAUNCHER, GetLogs(name=name, limit=query.lines))


async def config(call: Call) -> Config:
    query: ConfigQuery = call.query
    call.authorise(WholeGroup())
    return await call.desk.pool.ask(LAUNCHER, GetConfig(path=query.path))


def _service(call: Call) -> str:
    """The service that the path names, for who may do this to it."""
    name = call.path["name"]
    call.authorise(OfCamera(camera=name.partition("@")[2] or None, what=f"service {name}"))
    if len(name) > 65 or not name.replace("@", "", 1).replace("_", "").replace("-", "").isalnum():
        raise FieldError("a service is named as in export, or capture@front - at `$.name`")
    return name


def _measure(data: Path, cameras: list[str], now_s: float) -> System:
    """How full the disk is, and how soon it will be, by what the last hour recorded."""
    disk = shutil.disk_usage(data if data.is_dir() else os.curdir)
    per_day = sum(_bytes_per_day(data, camera, now_s) for camera in cameras)
    days = round(disk.free / per_day, 1) if per_day > 0.0 else None
    return System(total_bytes=disk.total, free_bytes=disk.free, bytes_per_day=round(per_day), days_left=days)


def _bytes_per_day(data: Path, camera: str, now_s: float) -> float:
    size, covered_s = 0, 0.0
    for segment in list_segments(data, camera, now_s - HOUR_S, now_s):
        if segment.end_ms is None:
            continue
        try:
            size += segment.path.stat().st_size
        except OSError:  # it was deleted just now
            continue
        covered_s += (segment.end_ms - segment.start_ms) / 1_000
    return size * DAY_S / max(covered_s, LEAST_COVERED_S)


_SERVICE = {"method": "POST", "body": Nothing, "answer": ServiceStatus, "action": Action.MANAGE, "status": 202}
ROUTES = (
    Route(method="GET", path="api/me", handle=me, summary="Who am I here, and what is this?", answer=Me),
    Route(method="GET", path="api/system", handle=system, summary="The disk of the recordings.", answer=System),
    Route(
        method="GET",
        path="api/services",
        handle=services,
        summary="All services and how they are.",
        answer=ServiceViews,
    ),
    Route(path="api/services/{name}/restart", handle=restart, summary="Stop it in good order, start it.", **_SERVICE),  # type: ignore[arg-type]
    Route(path="api/services/{name}/start", handle=start, summary="Start what is stopped or broken.", **_SERVICE),  # type: ignore[arg-type]
    Route(path="api/services/{name}/stop", handle=stop, summary="Stop a service until it is started.", **_SERVICE),  # type: ignore[arg-type]
    Route(
        method="GET",
        path="api/services/{name}/logs",
        handle=logs,
        summary="The last lines of a service.",
        action=Action.MANAGE,
        query=LogsQuery,
        answer=Logs,
    ),
    Route(
        method="GET",
        path="api/config",
        handle=config,
        summary="The configuration, secrets removed.",
        action=Action.MANAGE,
        query=ConfigQuery,
        answer=Config,
    ),
)
