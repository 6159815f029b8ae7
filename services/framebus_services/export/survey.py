"""What a clip can be made of, after a look into each segment of its range."""

import logging
import shutil
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.contract import gaps_text
from framebus_services.export.pace import Pace
from framebus_services.export.params import ExportParams, shown
from framebus_services.export.plan import Cover, cover, find_spans
from framebus_services.export.source import SegmentError, Source, inspect

log = logging.getLogger(__name__)

SPARE_BYTES = 64 * 1024 * 1024
"""left free for the recordings beside the clip"""


@dataclass(frozen=True)
class Survey:
    """The segments of a clip, and what they cover."""

    sources: list[Source]
    cover: Cover
    warnings: list[str] = field(default_factory=list)
    """what can't be read"""

    @property
    def runs(self) -> list[list[Source]]:
        """The segments, apart where codec or size change."""
        return [list(run) for _, run in groupby(self.sources, lambda source: source.video)]

    def planned_bytes(self, start_s: float) -> int:
        """About how much of the recordings lies in the range."""
        share = self.cover.share
        return sum(round(one.size_bytes * share(one.start_s, one.end_s, start_s)) for one in self.sources)


def has_same_sound(sources: list[Source]) -> bool:
    """Whether all segments have the same kind of sound."""
    return sources[0].audio is not None and len({source.audio for source in sources}) == 1


def loses_sound(sources: list[Source]) -> bool:
    """Whether some segments have sound that one file cannot hold."""
    return not has_same_sound(sources) and any(source.audio is not None for source in sources)


def survey(data: Path, params: ExportParams, now_at_s: float, pace: Pace) -> Survey:
    """Look into the segments of the range; raises WorkError when they make no clip."""
    start_s, end_s = params.range_s()
    sources: list[Source] = []
    problems: list[SegmentError] = []
    spans = find_spans(data, params.camera, start_s, end_s)
    for number, span in enumerate(spans):
        pace(number / len(spans))
        try:
            source = inspect(span.segment)
        except SegmentError as error:  # what can't be read is a gap
            level = logging.INFO if error.segment.is_open else logging.WARNING  # an open one may just have begun
            log.log(level, "%s: left out: %s", params.camera, error)
            problems.append(error)
            continue
        if source.end_s > start_s:
            sources.append(source)
    covered = cover([(source.start_s, source.end_s) for source in sources], start_s, end_s, now_at_s)
    if not sources:
        is_begun = any(error.segment.is_open for error in problems)  # a moment later something will be whole
        kind = FailKind.TRANSIENT if is_begun else FailKind.NO_SOURCE
        raise _failure(kind, f"{params.camera} has nothing in the range", problems)
    if covered.gaps and not params.allow_gaps:
        raise _failure(FailKind.NO_SOURCE, gaps_text(params.camera, covered.gaps), problems)
    broken = [str(error) for error in problems if not error.segment.is_open]
    return Survey(sources, covered, broken)


def change_text(runs: list[list[Source]]) -> str:
    """Where the picture first changes."""
    before, after = runs[0][0], runs[1][0]
    same = " of other codec parameters" if str(before.video) == str(after.video) else ""
    return (
        f"the picture changes from {before.video} to {after.video}{same} at {shown(after.start_s)} "
        f"({after.segment.path.name})"
    )


def check_space(folder: Path, planned_bytes: int) -> None:
    """Raises WorkError when the disk has no room for a clip of that size."""
    folder.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(folder).free
    needed_bytes = planned_bytes + SPARE_BYTES
    if free_bytes < needed_bytes:
        needed, free = f"{planned_bytes / 1e6:.1f} MB", f"{free_bytes / 1e6:.1f} MB"
        text = f"the disk is full: the clip takes {needed}, {SPARE_BYTES / 1e6:.0f} MB stay free; {free} are free now"
        raise WorkError(FailKind.NO_SPACE, text)


def _failure(kind: FailKind, text: str, problems: list[SegmentError]) -> WorkError:
    return WorkError(kind, "; ".join([text, *(str(error) for error in problems[:1])]))
