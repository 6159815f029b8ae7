"""Routes about what went by: objects that have ended, their pictures, and how much there was when."""

import time
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from framebus.asking import MAX_ROWS
from framebus.errors import ErrorCode, RefusedError
from framebus.events import ID_PATTERN, EndedObject, events_folder, list_events
from framebus.messages import AtS, Name
from framebus_services.gateway.authority import OfCamera
from framebus_services.gateway.desk import Call
from framebus_services.gateway.files import file_response
from framebus_services.gateway.refusals import FieldError
from framebus_services.gateway.route import Route
from framebus_services.gateway.routes_recordings import check_range
from framebus_services.gateway.views import Bucket, Events, EventView

MAX_BUCKETS = 2_000


class EventsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    camera: Name
    start: AtS
    end: AtS
    zone: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 100
    bucket_s: Annotated[float, Meta(gt=0.0, le=1e7)] | None = None


async def events(call: Call) -> Events:
    query: EventsQuery = call.query
    call.authorise(OfCamera(camera=query.camera, what=f"camera {query.camera}"))
    check_range(query.start, query.end)
    if query.bucket_s is not None and (query.end - query.start) / query.bucket_s > MAX_BUCKETS:
        raise FieldError(f"at most {MAX_BUCKETS} buckets at once - at `$.bucket_s`")
    data = call.desk.place.data
    return await call.desk.pool.run(lambda: _list(data, query))


async def picture(call: Call) -> Response:
    camera, object_id = call.path["camera"], call.path["id"]
    call.authorise(OfCamera(camera=camera, what=f"picture {object_id}"))
    if not ID_PATTERN.match(object_id) or camera not in call.desk.cameras:
        raise RefusedError(ErrorCode.NOT_FOUND, "there is no such picture")
    folder = events_folder(call.desk.place.data, camera)
    return await call.desk.pool.run(lambda: file_response(folder, f"{object_id}.jpg"))


def _list(data: Path, query: EventsQuery) -> Events:
    end_s = min(query.end, time.time() + 1.0)
    found = list_events(data, query.camera, query.start, end_s) if end_s > query.start else []
    found = [event for event in found if query.zone is None or query.zone in event.zones]
    if query.bucket_s is not None:
        return Events(buckets=_buckets(found, query.start, query.end, query.bucket_s))
    newest = found[::-1][: query.limit]
    return Events(events=[_view(event, data) for event in newest], more=len(found) - len(newest))


def _view(event: EndedObject, data: Path) -> EventView:
    is_there = event.picture is not None and (data / event.picture).is_file()
    given = msgspec.structs.asdict(event)
    del given["picture"]
    given["box"] = msgspec.to_builtins(event.box)
    return EventView(**given, picture_url=f"api/events/{event.camera}/{event.id}.jpg" if is_there else None)


def _buckets(found: list[EndedObject], start_s: float, end_s: float, bucket_s: float) -> list[Bucket]:
    counts: dict[int, int] = {}
    covered: dict[int, float] = {}
    reached_s = start_s
    for event in found:  # by their start
        first = max(0, int((event.start_at_s - start_s) / bucket_s))
        counts[first] = counts.get(first, 0) + 1
        at_s, until_s = max(reached_s, event.start_at_s), min(end_s, event.end_at_s)
        reached_s = max(reached_s, until_s)
        while at_s < until_s:
            number = int((at_s - start_s) / bucket_s)
            step_s = max(min(until_s, start_s + (number + 1) * bucket_s) - at_s, 1e-3)
            covered[number] = covered.get(number, 0.0) + step_s
            at_s += step_s
    return [
        Bucket(at_s=start_s + n * bucket_s, count=counts.get(n, 0), seconds=round(covered.get(n, 0.0), 3))
        for n in sorted(counts.keys() | covered.keys())
    ]


ROUTES = (
    Route(
        method="GET",
        path="api/events",
        handle=events,
        summary="Objects that have ended, newest first; or how many there were when.",
        query=EventsQuery,
        answer=Events,
    ),
    Route(
        method="GET",
        path="api/events/{camera}/{id}.jpg",
        handle=picture,
        summary="The best picture of an object.",
        media="image/jpeg",
    ),
)
