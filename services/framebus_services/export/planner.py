"""Answers `export.plan`: what a clip would contain, before anybody asks for it. Opens few files, so it is soon done."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from framebus import codec
from framebus.bus import Bus
from framebus.door import Promise
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.jobs import CheckContext
from framebus.messages import CameraStatus
from framebus.requests import MAX_ROWS, ExportPlan, Gap, PlanExport, PlannedSegment
from framebus_services.export.contract import check_but_gaps
from framebus_services.export.estimate import estimated_bytes, playing_s
from framebus_services.export.gentle import give_way
from framebus_services.export.made import exact
from framebus_services.export.params import ExportParams, Mode, OnChange
from framebus_services.export.plan import Span
from framebus_services.export.seek import find_begin
from framebus_services.export.source import Format, SegmentError, Source, inspect, open_segment, video_of, wall_zero_s
from framebus_services.video.packets import time_base

log = logging.getLogger(__name__)

MAX_WAITING = 8
MAX_OPENED = 100
"""segments that are looked into for a change of the picture, spread over the range"""
RETRY_S = 1.0


def serve_plans(bus: Bus) -> "Planner":
    """What the service of the clips does besides making them; it gives way to the cameras from here on."""
    give_way()
    return Planner(bus)


class Planner:
    """Plans on a thread of its own, one after another: a slow disk keeps no beat of the service."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._data = bus.place.data
        self._cameras: set[str] = set()
        self._waiting: queue.Queue[tuple[PlanExport, Promise] | None] = queue.Queue(MAX_WAITING)
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)
        bus.on(CameraStatus, self._note_camera)
        bus.answer_later(PlanExport, self._accept)
        self._thread.start()

    def stop(self) -> None:
        """End after the plan at hand; who waits is refused."""
        self._is_stopping = True
        while True:
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                break
            if waiting is not None:
                waiting[1].refuse(_stopping())
        self._waiting.put(None)
        self._thread.join(timeout=1.0)

    def is_healthy(self) -> bool:
        return self._is_stopping or self._thread.is_alive()

    def _note_camera(self, status: CameraStatus) -> None:
        self._cameras.add(status.camera)

    def _accept(self, request: PlanExport, promise: Promise) -> None:
        if self._is_stopping:
            promise.refuse(_stopping())
            return
        try:
            self._waiting.put_nowait((request, promise))
        except queue.Full:
            text = f"{MAX_WAITING} plans are waiting already; ask again in {RETRY_S:.0f} s"
            promise.refuse(RefusedError(ErrorCode.BUSY, text, retry_after_s=RETRY_S))

    def _work(self) -> None:
        while (taken := self._waiting.get()) is not None:
            request, promise = taken
            if self._bus.clock.boot_s() < promise.until_s:
                self._bus.call_soon(self._answer(request, promise))

    def _answer(self, request: PlanExport, promise: Promise) -> Callable[[], None]:
        try:
            params = codec.decode_body(bytes(request.params), ExportParams)
            context = CheckContext(data=self._data, cameras=frozenset(self._cameras), now_at_s=self._bus.clock.wall_s())
            return partial(promise.resolve, plan(params, context))
        except MalformedError as error:
            return partial(promise.refuse, RefusedError(ErrorCode.BAD_REQUEST, f"params: {error}"))
        except RefusedError as error:
            return partial(promise.refuse, error)
        except Exception as error:
            self._bus.call_soon(partial(self._bus.stats.count, "errors.plan"))
            log.exception("a plan failed")
            return partial(promise.refuse, RefusedError(ErrorCode.INTERNAL, f"the plan failed: {error!r}"))


def plan(params: ExportParams, context: CheckContext) -> ExportPlan:
    """What a clip would contain; raises RefusedError as the job would be refused, but not for gaps."""
    spans, covered = check_but_gaps(params, context)
    start_s, _ = params.range_s()
    first = _first_readable(spans)
    sizes = [_size_bytes(span) for span in spans]
    parts = _parts(spans)
    begin_s = _begin_s(params, first, start_s)
    range_s = max(0.0, covered.end_s - max(start_s, first.start_s))
    shares = [covered.share(span.start_s, span.end_s, begin_s) for span in spans]
    planned_bytes = sum(round(size * share) for size, share in zip(sizes, shares, strict=True))
    return ExportPlan(
        segments=[
            PlannedSegment(
                path=str(span.segment.path.relative_to(context.data)),
                start_at_s=span.start_s,
                end_at_s=span.end_s,
                size_bytes=size,
            )
            for span, size in zip(spans[:MAX_ROWS], sizes, strict=False)
        ],
        more_segments=max(0, len(spans) - MAX_ROWS),
        gaps=[Gap(start_at_s=gap_start_s, end_at_s=gap_end_s) for gap_start_s, gap_end_s in covered.gaps[:MAX_ROWS]],
        start_at_s=begin_s,
        end_at_s=covered.end_s,
        duration_s=playing_s(params, range_s if params.mode is Mode.TIMELAPSE else max(0.0, covered.end_s - begin_s)),
        size_bytes=estimated_bytes(params, first, planned_bytes, range_s, has_changes=parts > 1),
        parts=parts if params.is_copied and params.on_change is not OnChange.ENCODE else 1,
    )


def _first_readable(spans: Sequence[Span]) -> Source:
    for span in spans[:MAX_OPENED]:
        try:
            return inspect(span.segment)
        except SegmentError as error:
            problem = error
    raise RefusedError(ErrorCode.NO_SOURCE, f"{len(spans)} segments lie in the range; {problem}")


def _begin_s(params: ExportParams, first: Source, start_s: float) -> float:
    """Where the clip begins: at a key frame, or exactly."""
    if params.precise or params.mode is Mode.ENCODE:
        return max(start_s, first.start_s)
    try:
        with open_segment(first.segment) as container:
            video = video_of(container)
            zero_s = wall_zero_s(first.segment, video)
            begin = find_begin(first, container, exact(start_s) - zero_s, lambda _: None)
            return float(zero_s + begin.key * time_base(video))
    except SegmentError:
        return max(start_s, first.start_s)


def _parts(spans: Sequence[Span]) -> int:
    """How often the picture changes, and one: looks into some segments, so in a long range it is a guess."""
    step = max(1, len(spans) // MAX_OPENED)
    chosen = [*range(0, len(spans), step), len(spans) - 1]
    formats = {number: found for number in chosen if (found := _format(spans[number])) is not None}
    known = sorted(formats)
    return 1 + sum(formats[before] != formats[after] for before, after in pairwise(known))


def _format(span: Span) -> Format | None:
    try:
        return inspect(span.segment).video
    except SegmentError:
        return None


def _size_bytes(span: Span) -> int:
    try:
        return span.segment.path.stat().st_size
    except OSError:
        return 0  # deleted, or renamed, this moment


def _stopping() -> RefusedError:
    return RefusedError(ErrorCode.UNAVAILABLE, "export is stopping; ask again in a moment", retry_after_s=RETRY_S)
