"""Does export jobs: looks what there is, copies it, verifies the clip."""

import logging
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from framebus.errors import ConfigError
from framebus.requests import FailKind
from framebus.runner import JobRunner, Output, Report, RunnerContext, WorkError
from framebus.settings import ExportSettings
from framebus_services.export.contract import EXPORT, MAX_GAPS_TOLD, ClipResult, ExportParams
from framebus_services.export.copy import Copied, Copier
from framebus_services.export.names import clip_name
from framebus_services.export.pace import Pace
from framebus_services.export.survey import Survey, check_space, survey
from framebus_services.export.thumbnail import write_thumbnail
from framebus_services.export.verify import verify

log = logging.getLogger(__name__)

PREPARED, COPIED, VERIFIED = 5.0, 90.0, 99.0
"""percent of the whole job at the end of each step"""
SHORT_S = 0.5


class Clip(JobRunner[ExportParams, ClipResult]):
    """Makes a clip of recordings."""

    contract = EXPORT

    settings_type = ExportSettings

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)
        self._data = context.place.data
        self._clock = context.clock
        self._zone = _zone(context.settings(ExportSettings).timezone)
        """of the names; None is the machine's"""

    def run(self, params: ExportParams, report: Report) -> Output[ClipResult]:
        """Write the clip, and its thumbnail if one is wanted."""
        start_s, _ = params.range_s()
        found = survey(self._data, params, self._clock.wall_s(), Pace(report, "preparing", 0.0, PREPARED))
        check_space(self._data / "exports", found.planned_bytes(start_s))

        name = clip_name(params.camera, start_s, found.cover.end_s, report.job.name, self._zone)
        final, picture = f"{name}.mp4", f"{name}.jpg"
        clip = report.temp(final)
        copier = Copier(
            found.sources,
            start_s,
            found.cover.end_s,
            with_audio=found.has_audio,
            pace=Pace(report, "copying", PREPARED, COPIED),
        )
        copied = copier.write(clip, params.title)
        _check_end(copied, found)
        pace = Pace(report, "verifying", COPIED, VERIFIED)
        verify(clip, frames=copied.frames, duration_s=copied.duration_s, pace=pace)

        has_picture = params.thumbnail and _make_thumbnail(clip, copied.key_s, report.temp(picture))
        return Output(
            result=_result(found, copied, start_s, clip.stat().st_size),
            files=[picture, final] if has_picture else [final],
        )


def _zone(name: str) -> tzinfo | None:
    """The time zone of that name; None is the machine's."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"timezone: {name!r} is not known; write one like Europe/Berlin"]) from None


def _check_end(copied: Copied, found: Survey) -> None:
    """A segment that ends before its index says so must not end a clip in silence."""
    missing_s = found.cover.end_s - copied.end_at_s
    if missing_s > SHORT_S:
        text = f"the recording breaks off {missing_s:.1f} s before the end of the clip"
        raise WorkError(FailKind.NO_SOURCE, text)


def _make_thumbnail(clip: Path, at_s: float, target: Path) -> bool:
    try:
        write_thumbnail(clip, at_s, target)
        return True
    except ValueError as error:  # a clip without a picture is better than none
        log.warning("no thumbnail: %s", error)
        return False


def _result(found: Survey, copied: Copied, start_s: float, size_bytes: int) -> ClipResult:
    first = found.sources[0]
    return ClipResult(
        start_at_s=copied.start_at_s,
        end_at_s=copied.end_at_s,
        duration_s=copied.duration_s,
        starts_earlier_s=max(0.0, round(start_s - copied.start_at_s, 3)),
        cut_at_s=copied.end_at_s if found.cover.is_cut else None,
        frames=copied.frames,
        size_bytes=size_bytes,
        width=first.width,
        height=first.height,
        codec=first.video.codec,
        has_audio=found.has_audio,
        gaps=found.cover.gaps[:MAX_GAPS_TOLD],
    )
