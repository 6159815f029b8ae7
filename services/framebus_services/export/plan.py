"""Which segments a clip is made of, and what is missing. Reads names, sizes and times of files; opens no video."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from framebus.recordings import Segment, gaps, list_segments, parse_segment

LATEST_S = 20.0
"""What is younger than two usual segments may be on its way to the disk: its absence at a range's end is no gap."""

Gap = tuple[float, float]
"""From and to, in seconds since 1970."""


@dataclass(frozen=True)
class Span:
    """A segment, and the wall time up to which it reaches."""

    segment: Segment
    end_s: float

    @property
    def start_s(self) -> float:
        return self.segment.start_ms / 1_000


@dataclass(frozen=True)
class Cover:
    """How a range is covered by recordings."""

    end_s: float
    """the range's end, or where the recordings end when the range reaches into now"""
    is_cut: bool
    gaps: list[Gap]
    """longer than a second"""

    def share(self, start_s: float, end_s: float, begin_s: float) -> float:
        """How much of a segment lies between `begin_s` and the end of the range, 0 to 1."""
        used_s = min(end_s, self.end_s) - max(start_s, begin_s)
        return min(1.0, max(0.0, used_s) / max(end_s - start_s, 0.001))


def find_spans(data: Path, camera: str, start_s: float, end_s: float) -> list[Span]:
    """The segments that hold something of [start_s, end_s), in order.

    The open one counts up to its last change. One that lies wholly within the others is left out: the clock was set
    back, or the segment is just being given its final name.
    """
    found = [span for segment in list_segments(data, camera, start_s, end_s) if (span := _span(segment)) is not None]
    found.sort(key=lambda span: (span.segment.start_ms, -span.end_s))
    spans: list[Span] = []
    reached_s = start_s
    for span in found:
        if span.end_s > reached_s:
            spans.append(span)
            reached_s = span.end_s
    return spans


def find_again(segment: Segment) -> Segment | None:
    """The segment under the name that it has by now, or None when it is gone."""
    if segment.path.exists():
        return segment
    for path in segment.path.parent.glob(f"{segment.start_ms}_*"):
        if (found := parse_segment(path)) is not None:
            return found
    return None


def cover(spans: Sequence[tuple[float, float]], start_s: float, end_s: float, now_at_s: float) -> Cover:
    """What of [start_s, end_s) the spans (from and to, in order) cover.

    A range that reaches beyond the recordings and into the last 20 s ends where they end. Of what is missing before,
    nothing is forgiven.
    """
    reached_s = max((span_end_s for _, span_end_s in spans), default=start_s)
    due_s = min(end_s, max(reached_s, now_at_s - LATEST_S))
    is_cut = reached_s < end_s and end_s > now_at_s - LATEST_S
    return Cover(end_s=min(end_s, reached_s), is_cut=is_cut, gaps=gaps(spans, start_s, due_s))


def _span(segment: Segment) -> Span | None:
    if segment.end_ms is not None:
        return Span(segment, segment.end_ms / 1_000)
    try:
        return Span(segment, max(segment.start_ms / 1_000, segment.path.stat().st_mtime))
    except FileNotFoundError:
        again = find_again(segment)
        return _span(again) if again is not None and not again.is_open else None
