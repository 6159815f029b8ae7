"""Does export jobs: looks what there is, makes the files, verifies them."""

import logging
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from framebus.errors import ConfigError
from framebus.runner import JobRunner, Output, Report, RunnerContext
from framebus.settings import ExportSettings
from framebus_services.export.bandwidth import Bandwidth
from framebus_services.export.contract import EXPORT
from framebus_services.export.estimate import estimated_bytes
from framebus_services.export.made import Made
from framebus_services.export.making import Making
from framebus_services.export.names import clip_name
from framebus_services.export.pace import Pace
from framebus_services.export.params import ExportParams
from framebus_services.export.planner import serve_plans
from framebus_services.export.result import ClipResult, Part, fitted
from framebus_services.export.survey import Survey, check_space, survey
from framebus_services.export.thumbnail import write_thumbnail
from framebus_services.export.verify import verify

log = logging.getLogger(__name__)

PREPARED, WRITTEN, VERIFIED = 5.0, 90.0, 99.0
"""percent of the whole job at the end of each step"""
ENCODED_SPARE = 0.01
"""the share of pictures that may lack where they were encoded"""


class Clip(JobRunner[ExportParams, ClipResult]):
    """Makes a clip of recordings."""

    contract = EXPORT
    settings_type = ExportSettings
    companion = serve_plans

    def __init__(self, context: RunnerContext) -> None:
        super().__init__(context)
        self._data = context.place.data
        self._clock = context.clock
        self._settings = context.settings(ExportSettings)
        self._zone = _zone(self._settings.timezone)
        """of the names; None is the machine's"""
        self._bandwidth = Bandwidth(self._settings.bandwidth_bytes_per_s, context.clock)
        """of all clips at work together"""

    def run(self, params: ExportParams, report: Report) -> Output[ClipResult]:
        """Write the files of the clip, and its thumbnail if one is wanted."""
        start_s, _ = params.range_s()
        now_s = self._clock.wall_s()
        found = survey(self._data, params, now_s, Pace(report, "preparing", 0.0, PREPARED, self._bandwidth))
        making = Making(params, found, self._settings.encoder)
        check_space(self._data / "exports", _needed_bytes(params, found, start_s))

        name = clip_name(params.camera, start_s, found.cover.end_s, report.job.name, self._zone)
        finals = [f"{name}.mp4"]
        if len(making.ranges) > 1:
            finals = [f"{name}_part{number}.mp4" for number, _ in enumerate(making.ranges, 1)]
        writing = Pace(report, making.step, PREPARED, WRITTEN, self._bandwidth)
        mades = [making.write(number, report.temp(final), writing) for number, final in enumerate(finals)]
        temps = [report.temp(final) for final in finals]
        verifying = Pace(report, "verifying", WRITTEN, VERIFIED, self._bandwidth)
        _verify(mades, temps, verifying)

        picture = f"{name}.jpg"
        if params.thumbnail and _make_thumbnail(params, mades, temps, report.temp(picture), verifying.part(1.0, 1.0)):
            finals.insert(0, picture)
        result = _result(params, found, mades, start_s, sum(temp.stat().st_size for temp in temps))
        warnings = [*found.warnings, *(warning for made in mades for warning in made.warnings), *making.warnings]
        return Output(result=fitted(result, found.cover.gaps, warnings, finals), files=finals)


def _zone(name: str) -> tzinfo | None:
    """The time zone of that name; None is the machine's."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"timezone: {name!r} is not known; write one like Europe/Berlin"]) from None


def _needed_bytes(params: ExportParams, found: Survey, start_s: float) -> int:
    range_s = found.cover.end_s - start_s
    planned_bytes = found.planned_bytes(start_s)
    return estimated_bytes(params, found.sources[0], planned_bytes, range_s, has_changes=len(found.runs) > 1)


def _verify(mades: list[Made], temps: list[Path], pace: Pace) -> None:
    for number, (made, temp) in enumerate(zip(mades, temps, strict=True)):
        verify(
            temp,
            frames=made.frames + made.hidden_frames,
            duration_s=made.duration_s,
            pace=pace.part(number / len(mades), (number + 1) / len(mades)),
            spare=ENCODED_SPARE if made.encoder else 0.0,
        )


def _make_thumbnail(params: ExportParams, mades: list[Made], temps: list[Path], target: Path, pace: Pace) -> bool:
    wanted_s = params.thumbnail_s()
    chosen = (len(mades) - 1) // 2 if wanted_s is None else 0
    for number, made in enumerate(mades):
        if wanted_s is not None and made.start_at_s <= wanted_s:
            chosen = number
    made = mades[chosen]
    at_s = made.key_s if wanted_s is None else max(0.0, wanted_s - made.start_at_s) / made.speed
    is_exact = wanted_s is not None or made.hidden_frames > 0
    try:
        write_thumbnail(temps[chosen], min(at_s, made.duration_s), target, is_exact=is_exact, pace=pace)
        return True
    except ValueError as error:  # a clip without a picture is better than none
        log.warning("no thumbnail: %s", error)
        return False


def _result(params: ExportParams, found: Survey, mades: list[Made], start_s: float, size_bytes: int) -> ClipResult:
    first, last = mades[0], mades[-1]
    parts = [
        Part(
            start_at_s=made.start_at_s,
            end_at_s=made.end_at_s,
            frames=made.frames,
            width=made.width,
            height=made.height,
            codec=made.codec,
        )
        for made in mades
    ]
    return ClipResult(
        mode=str(params.mode),
        start_at_s=first.start_at_s,
        end_at_s=last.end_at_s,
        duration_s=sum(made.duration_s for made in mades),
        starts_earlier_s=max(0.0, round(start_s - first.start_at_s, 3)),
        cut_at_s=last.end_at_s if found.cover.is_cut else None,
        frames=sum(made.frames for made in mades),
        hidden_frames=first.hidden_frames,
        hidden_s=first.hidden_s,
        speed=first.speed,
        encoder=first.encoder,
        size_bytes=size_bytes,
        width=first.width,
        height=first.height,
        codec=first.codec,
        has_audio=any(made.has_audio for made in mades),
        parts=parts if len(parts) > 1 else [],
    )
