"""Routes about cameras: how they are, a picture, pictures that move where video can't be shown."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.responses import Response, StreamingResponse

from framebus import codec
from framebus.addresses import find_address_problem
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import CameraState, Name
from framebus.requests import ChangeConfig, ConfigApplied, GetConfig
from framebus_services.gateway.authority import Action, Listing, OfCamera, WholeGroup
from framebus_services.gateway.desk import Call, Desk
from framebus_services.gateway.refusals import FieldError, in_section
from framebus_services.gateway.route import Route
from framebus_services.gateway.views import Cameras, CameraView

log = logging.getLogger(__name__)

FRESH_S = 0.1
BOUNDARY = "frame"
RETRY_S = 1.0
ADD_S = 15.0
LAUNCHER = "launcher"
ADDED = ("rtsp", "rtsps", "http", "https", "v4l2", "synthetic")
Address = Annotated[str, Meta(min_length=1, max_length=2_000)]
SHOWN = "h264"
"""the one codec that every browser plays"""


class SmallStream(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: Address


class NewCamera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera to be written into the configuration, as it stands there."""

    name: Name
    source: Address
    detect: SmallStream | None = None


class StreamQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    fps: Annotated[float, Meta(ge=0.2, le=5.0)] = 2.0


def live_of(desk: Desk, camera: str) -> str:
    """How a camera's video comes to a browser: fmp4, mjpeg, or none as far as that is known."""
    item = desk.hub.states.get(f"camera/{camera}/")
    if item is None:
        return "none"
    if stream_of(desk, camera, is_small=False) is not None:
        return "fmp4"
    if item.body.get("codec"):
        return "mjpeg"
    is_up = item.body.get("state") in (CameraState.ONLINE, CameraState.DEGRADED)
    return "mjpeg" if is_up else "none"


def stream_of(desk: Desk, camera: str, *, is_small: bool) -> str | None:
    """The topic of the camera's video that browsers can play: the wanted stream, else the other; None: neither."""
    item = desk.hub.states.get(f"camera/{camera}/")
    codecs = {"live": "codec", "live_small": "small_codec"}
    played = [word for word, field in codecs.items() if item is not None and item.body.get(field) == SHOWN]
    wanted = "live_small" if is_small else "live"
    return f"{wanted if wanted in played else played[0]}/{camera}/" if played else None


def known_camera(call: Call) -> str:
    """The camera that the path names, for who may do this to it; raises RefusedError."""
    camera = call.path["camera"]
    call.authorise(OfCamera(camera=camera, what=f"camera {camera}"))
    call.desk.check_camera(camera)
    return camera


async def cameras(call: Call) -> Cameras:
    call.authorise(Listing())
    seen = {item.topic: (item, body) for item, body in call.desk.hub.seen(call.subject, "camera/")}
    views = []
    for name in call.desk.all_cameras():
        if call.subject.sees(name):
            item, body = seen.get(f"camera/{name}/", (None, None))
            is_stale = item is not None and item.is_stale
            views.append(CameraView(name=name, status=body, is_stale=is_stale, live=live_of(call.desk, name)))
    return Cameras(cameras=views)


async def add(call: Call) -> ConfigApplied:
    """The new camera stands in the configuration file, and runs."""
    camera: NewCamera = call.body
    call.authorise(WholeGroup())
    _check_source(camera.source, "source")
    if camera.detect is not None:
        _check_source(camera.detect.source, "detect.source")
    written = await call.desk.pool.ask(LAUNCHER, GetConfig())
    known = msgspec.msgpack.decode(bytes(written.value)) or {}
    if camera.name in (known.get("cameras") or {}):
        raise RefusedError(ErrorCode.CONFLICT, f"there is a camera {camera.name} already")
    path = f"cameras.{camera.name}"
    section = {name: value for name, value in msgspec.to_builtins(camera).items() if name != "name" and value}
    change = ChangeConfig(path=path, value=Raw(codec.encode(section)), revision=written.revision)
    try:
        applied = await call.desk.pool.ask(LAUNCHER, change, ADD_S)
    except RefusedError as error:
        raise in_section(error, path, "source") from None
    log.info("camera %s was added by %s %s", camera.name, call.subject.role, call.subject.id)
    return applied


def _check_source(source: str, field: str) -> None:
    """Who has a link may add cameras, and not run programs, read files or the environment of this machine."""
    scheme = source.partition(":")[0].lower()
    if scheme not in ADDED or "${" in source:
        kinds = ", ".join(f"{kind}://" for kind in ADDED)
        raise FieldError(f"from here a source is {kinds}; all else is written in framebus.yml - at `$.{field}`")
    if (problem := find_address_problem(source)) is not None:
        raise FieldError(f"{problem} - at `$.{field}`")


async def snapshot(call: Call) -> Response:
    picture = await call.desk.pictures.picture(known_camera(call), FRESH_S)
    headers = {"X-Captured-At-S": f"{picture.captured_at_s:.3f}", "Cache-Control": "no-store"}
    return Response(picture.jpeg, 200, headers, "image/jpeg")


async def stream(call: Call) -> Response:
    query: StreamQuery = call.query
    camera = known_camera(call)
    await call.desk.pictures.picture(camera, 1.0 / query.fps)  # refused before the answer has begun
    call.desk.seats.check()

    async def parts() -> AsyncIterator[bytes]:
        with call.desk.seats.one():  # taken when the answer begins, which it never does for who has gone by then
            async for part in _parts(call, camera, 1.0 / query.fps):
                yield part

    media = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
    return StreamingResponse(parts(), 200, {"Cache-Control": "no-store"}, media)


async def _parts(call: Call, camera: str, period_s: float) -> AsyncIterator[bytes]:
    shown_s = 0.0
    while call.desk.is_open and call.desk.still_good(call.subject):
        try:
            picture = await call.desk.pictures.picture(camera, period_s / 2)
        except RefusedError:
            await asyncio.sleep(RETRY_S)
            continue
        if picture.captured_at_s != shown_s:
            shown_s = picture.captured_at_s
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n\r\n"
            yield head.encode() + picture.jpeg + b"\r\n"
        await asyncio.sleep(period_s)


_STREAM = {
    "method": "GET",
    "handle": stream,
    "summary": "Pictures of the ring at a low rate, for browsers that can't play the video.",
    "query": StreamQuery,
    "media": "multipart/x-mixed-replace",
}
ROUTES = (
    Route(method="GET", path="api/cameras", handle=cameras, summary="All cameras and how they are.", answer=Cameras),
    Route(
        method="POST",
        path="api/cameras",
        handle=add,
        summary="Write a camera into the configuration; it runs at once.",
        action=Action.MANAGE,
        body=NewCamera,
        answer=ConfigApplied,
        status=202,
    ),
    Route(
        method="GET",
        path="api/cameras/{camera}/snapshot.jpg",
        handle=snapshot,
        summary="A picture of now.",
        media="image/jpeg",
    ),
    Route(path="api/cameras/{camera}/live.mjpeg", **_STREAM),  # type: ignore[arg-type]
    Route(path="live/{camera}.mjpeg", **_STREAM),  # type: ignore[arg-type]
)
