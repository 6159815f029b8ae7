"""Routes about recordings: what there is, and the segments themselves."""

import re
import time
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct
from starlette.responses import Response

from framebus.asking import MAX_ROWS
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import NAME_PATTERN, AtS, Name, Seconds, Text
from framebus.recordings import Segment, gaps, hour_folder, list_segments, oldest_segment_start_s, parse_segment
from framebus_services.gateway.authority import OfCamera
from framebus_services.gateway.desk import Call
from framebus_services.gateway.files import FileQuery, file_response
from framebus_services.gateway.refusals import FieldError
from framebus_services.gateway.route import Route
from framebus_services.gateway.views import Recordings, SegmentView, SpanView

LONGEST_S = 31 * 86_400.0
LEAST_GAP_S = 1.0
MAX_SPANS = 2_000


class RecordingsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    camera: Name
    start: AtS
    end: AtS
    merge_s: Seconds | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = MAX_ROWS
    next: Text | None = None


def check_range(start_s: float, end_s: float) -> None:
    """Raises FieldError for a range that is empty or too long."""
    if end_s <= start_s:
        raise FieldError("the end lies before the start - at `$.end`")
    if end_s - start_s > LONGEST_S:
        raise FieldError(f"at most {LONGEST_S / 86_400.0:.0f} days at once - at `$.end`")


async def recordings(call: Call) -> Recordings:
    query: RecordingsQuery = call.query
    call.authorise(OfCamera(camera=query.camera, what=f"camera {query.camera}"))
    check_range(query.start, query.end)
    start_s = query.start
    if query.next is not None:
        if not query.next.isdecimal() or len(query.next) > 15:
            raise FieldError("next is what the answer before said - at `$.next`")
        start_s = max(start_s, int(query.next) / 1_000)
    data, now_s = call.desk.place.data, time.time()
    return await call.desk.pool.run(lambda: _list(data, query, start_s, now_s))


async def segment(call: Call) -> Response:
    query: FileQuery = call.query
    camera, name = call.path["camera"], call.path["file"]
    call.authorise(OfCamera(camera=camera, what=f"file {name}"))
    parsed = parse_segment(Path(name))
    if parsed is None or not re.fullmatch(NAME_PATTERN, camera) or parsed.start_ms > 99_999_999_999_999:
        raise RefusedError(ErrorCode.NOT_FOUND, "there is no such recording")
    folder = hour_folder(call.desk.place.data, camera, parsed.start_ms / 1_000)
    return await call.desk.pool.run(lambda: file_response(folder, name, is_download=query.download))


def _list(data: Path, query: RecordingsQuery, start_s: float, now_s: float) -> Recordings:
    found = list_segments(data, query.camera, start_s, query.end)
    oldest_s = oldest_segment_start_s(data, query.camera)
    if query.merge_s is not None:
        spans = _merged([_span(one, now_s) for one in found], max(query.merge_s, 0.001))
        following = None
        if len(spans) > MAX_SPANS:
            following, spans = str(round(spans[MAX_SPANS][0] * 1_000)), spans[:MAX_SPANS]
        return Recordings(segments=[], spans=_views(spans), gaps=[], oldest_at_s=oldest_s, next=following)
    shown, rest = found[: query.limit], found[query.limit :]
    end_s = min(query.end, now_s, rest[0].start_ms / 1_000 if rest else query.end)
    views = [view for one in shown if (view := _segment_view(query.camera, one, now_s)) is not None]
    spans = [(view.start_at_s, view.end_at_s) for view in views]
    return Recordings(
        segments=views,
        spans=_views(_merged(spans, LEAST_GAP_S)),
        gaps=_views(gaps(spans, start_s, max(start_s, end_s), LEAST_GAP_S)),
        oldest_at_s=oldest_s,
        next=str(rest[0].start_ms) if rest else None,
    )


def _span(segment: Segment, now_s: float) -> tuple[float, float]:
    start_s = segment.start_ms / 1_000
    return start_s, max(start_s, now_s) if segment.end_ms is None else segment.end_ms / 1_000


def _segment_view(camera: str, segment: Segment, now_s: float) -> SegmentView | None:
    try:
        size = segment.path.stat().st_size
    except OSError:  # it got its final name just now, or was deleted: it is no part of this answer
        return None
    start_s, end_s = _span(segment, now_s)
    return SegmentView(
        start_at_s=start_s,
        end_at_s=end_s,
        size_bytes=size,
        is_open=segment.is_open,
        url=f"api/recordings/{camera}/{segment.path.name}",
    )


def _merged(spans: list[tuple[float, float]], apart_s: float) -> list[tuple[float, float]]:
    """Spans that are closer together than `apart_s` become one."""
    merged: list[tuple[float, float]] = []
    for start_s, end_s in spans:
        if merged and start_s - merged[-1][1] <= apart_s:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _views(spans: list[tuple[float, float]]) -> list[SpanView]:
    return [SpanView(start_at_s=start_s, end_at_s=end_s) for start_s, end_s in spans]


ROUTES = (
    Route(
        method="GET",
        path="api/recordings",
        handle=recordings,
        summary="What was recorded in a range, and what was not.",
        query=RecordingsQuery,
        answer=Recordings,
    ),
    Route(
        method="GET",
        path="api/recordings/{camera}/{file}",
        handle=segment,
        summary="A segment, in ranges where asked for.",
        query=FileQuery,
        media="video/mp4",
    ),
)
