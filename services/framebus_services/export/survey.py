"""What a clip can be made of, after a look into each segment of its range."""

import logging
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.contract import ExportParams, gaps_text
from framebus_services.export.pace import Pace
from framebus_services.export.plan import Cover, cover, find_spans
from framebus_services.export.source import SegmentError, Source, inspect

log = logging.getLogger(__name__)

SPARE_BYTES = 64 * 1024 * 1024
"""left free for the recordings beside the clip"""


@dataclass(frozen=True)
class Survey:
    """The segments of a clip, all of one format, and what they cover."""

    sources: list[Source]
    cover: Cover

    @property
    def has_audio(self) -> bool:
        """Whether all segments have the same kind of sound."""
        return self.sources[0].audio is not None and len({source.audio for source in self.sources}) == 1

    def planned_bytes(self, start_s: float) -> int:
        """About how large the clip will be."""
        return sum(round(source.size_bytes * self._share(source, start_s)) for source in self.sources)

    def _share(self, source: Source, start_s: float) -> float:
        used_s = min(source.end_s, self.cover.end_s) - max(source.start_s, start_s)
        return min(1.0, max(0.0, used_s) / max(source.end_s - source.start_s, 0.001))


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
            log.warning("%s: left out: %s", params.camera, error)
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
    _check_formats(sources)
    return Survey(sources, covered)


def check_space(folder: Path, planned_bytes: int) -> None:
    """Raises WorkError when the disk has no room for a clip of that size."""
    folder.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(folder).free
    needed_bytes = planned_bytes + SPARE_BYTES
    if free_bytes < needed_bytes:
        text = f"{needed_bytes} bytes are needed, of them {SPARE_BYTES} to spare; {free_bytes} are free"
        raise WorkError(FailKind.NO_SPACE, text)


def _check_formats(sources: list[Source]) -> None:
    """One file holds one format: where it changes, the clip would break."""
    first = sources[0]
    for source in sources:
        if source.video != first.video:
            at = datetime.fromtimestamp(source.start_s, UTC)
            text = (
                f"the picture changes from {first.video} to {source.video} at {at:%Y-%m-%dT%H:%M:%SZ} "
                f"({source.segment.path.name}); export the parts before and after as clips of their own"
            )
            raise WorkError(FailKind.PERMANENT, text)


def _failure(kind: FailKind, text: str, problems: list[SegmentError]) -> WorkError:
    return WorkError(kind, "; ".join([text, *(str(error) for error in problems[:1])]))
