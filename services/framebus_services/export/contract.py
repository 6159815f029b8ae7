"""The contract of export jobs: what is refused at once. The dispatcher loads this: no video here."""

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import CheckContext, JobType
from framebus.recordings import folders_in, latest_segment_end_s, recordings_folder
from framebus.settings import QueuePolicy
from framebus_services.export.params import ExportParams, check_fields, check_lengths, shown
from framebus_services.export.plan import Cover, Gap, Span, cover, find_spans
from framebus_services.export.result import MAX_GAPS_TOLD

LONGEST_S = 24 * 3_600.0
LATEST_S = 4e9
"""in the year 2096; what lies far beyond can't even be written as a date"""
MAX_GAPS_WRITTEN = 5


def check(params: ExportParams, context: CheckContext) -> None:
    """Refuse a clip that cannot be made."""
    gaps = check_but_gaps(params, context)[1].gaps
    if gaps and not params.allow_gaps:
        raise RefusedError(
            ErrorCode.NO_SOURCE,
            gaps_text(params.camera, gaps),
            details={"gaps": [list(gap) for gap in gaps[:MAX_GAPS_TOLD]]},
        )


def check_but_gaps(params: ExportParams, context: CheckContext) -> tuple[list[Span], Cover]:
    """As `check`, but gaps are told, with the segments of the range, not refused."""
    check_fields(params)
    _check_camera(params.camera, context)
    start_s, end_s = params.range_s()
    _check_range(start_s, end_s, context.now_at_s)
    check_lengths(params, start_s, end_s)
    spans = find_spans(context.data, params.camera, start_s, end_s)
    if not spans:
        newest_s = latest_segment_end_s(context.data, params.camera)
        newest = "" if newest_s is None else f"; its closed recordings end at {shown(newest_s)}"
        text = f"{params.camera} has no recording from {shown(start_s)} to {shown(end_s)}{newest}"
        raise RefusedError(ErrorCode.NO_SOURCE, text)
    return spans, cover([(span.start_s, span.end_s) for span in spans], start_s, end_s, context.now_at_s)


def gaps_text(camera: str, gaps: list[Gap]) -> str:
    """What is missing, as a sentence that says what would be right."""
    listed = ", ".join(f"{shown(start_s)} to {shown(end_s)}" for start_s, end_s in gaps[:MAX_GAPS_WRITTEN])
    more = f" and {len(gaps) - MAX_GAPS_WRITTEN} more" if len(gaps) > MAX_GAPS_WRITTEN else ""
    return f"{camera} has gaps: {listed}{more}; set allow_gaps=true (framebus export --allow-gaps) to leave them out"


def _check_camera(camera: str, context: CheckContext) -> None:
    if camera in context.cameras or recordings_folder(context.data, camera).is_dir():
        return
    known = sorted({*context.cameras, *(folder.name for folder in folders_in(context.data / "recordings"))})
    text = f"there is no camera {camera}; known are {', '.join(known) or 'none'}"
    raise RefusedError(ErrorCode.NOT_FOUND, text, details={"cameras": known})


def _check_range(start_s: float, end_s: float, now_at_s: float) -> None:
    if max(start_s, end_s) > LATEST_S:
        wrong = f"the range from {shown(start_s)} to {shown(end_s)} reaches beyond {shown(LATEST_S)}"
    elif not 0.0 <= start_s < end_s:
        wrong = f"the range from {shown(start_s)} to {shown(end_s)} is empty or negative; start must lie before end"
    elif end_s - start_s > LONGEST_S:
        wrong = f"the range is {(end_s - start_s) / 3_600:.1f} h long; at most {LONGEST_S / 3_600:.0f} h fit one clip"
    elif start_s > now_at_s:
        wrong = f"start {shown(start_s)} is in the future; now is {shown(now_at_s)}"
    else:
        return
    raise RefusedError(ErrorCode.BAD_REQUEST, wrong)


EXPORT = JobType(
    name="export",
    params=ExportParams,
    check=check,
    policy=QueuePolicy(max_queued=100, max_running=3),
    stall_s=30.0,
)
