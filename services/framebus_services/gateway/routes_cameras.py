"""Routes about cameras: how they are, a picture, pictures that move where video can't be shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response, StreamingResponse

from framebus.errors import RefusedError
from framebus.messages import CameraState
from framebus_services.gateway.authority import Listing, OfCamera
from framebus_services.gateway.desk import Call, Desk
from framebus_services.gateway.route import Route
from framebus_services.gateway.views import Cameras, CameraView

FRESH_S = 0.1
BOUNDARY = "frame"
RETRY_S = 1.0


class StreamQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    fps: Annotated[float, Meta(ge=0.2, le=5.0)] = 2.0


def live_of(desk: Desk, camera: str) -> str:
    """How a camera's video comes to a browser: fmp4, mjpeg, or none as far as that is known."""
    item = desk.hub.states.get(f"camera/{camera}/")
    if item is None:
        return "none"
    codec = item.body.get("codec")
    if codec:
        return "fmp4" if codec == "h264" else "mjpeg"
    is_up = item.body.get("state") in (CameraState.ONLINE, CameraState.DEGRADED)
    return "mjpeg" if is_up else "none"


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
        method="GET",
        path="api/cameras/{camera}/snapshot.jpg",
        handle=snapshot,
        summary="A picture of now.",
        media="image/jpeg",
    ),
    Route(path="api/cameras/{camera}/live.mjpeg", **_STREAM),  # type: ignore[arg-type]
    Route(path="live/{camera}.mjpeg", **_STREAM),  # type: ignore[arg-type]
)
