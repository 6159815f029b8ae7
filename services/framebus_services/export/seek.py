"""Finds where in a segment a clip begins."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from framebus_services.export.source import SegmentError, Source, packets, video_of
from framebus_services.video.packets import time_base

ROUNDING_S = Fraction(1, 1_000)
"""The name of a segment tells its start in whole milliseconds."""


@dataclass(frozen=True)
class Begin:
    """In ticks of the segment's pictures."""

    key: int
    """the last key frame at or before the wanted start, else the first"""
    shown: int | None
    """the first picture at or after the start; None when there is none in this segment"""


def find_begin(
    source: Source,
    container: InputContainer,
    start_s: Fraction,
    pace: Callable[[float], None],
    *,
    is_exact: bool = False,
) -> Begin:
    """Where a clip begins that starts at `start_s` of the segment; leaves the container at the key frame.

    With `is_exact` that is the newest one that the first picture to be shown is made from: it may be that picture.
    Raises SegmentError when there is no key frame, Stopped.
    """
    video = video_of(container)
    base = time_base(video)
    start, least = int((start_s + ROUNDING_S) // base), -int(-(start_s - ROUNDING_S) // base)
    _seek(container, video, start)
    keys: list[int] = []
    shown: int | None = None
    for packet in packets(container, [video], source.segment):
        pace(0.0)
        if packet.pts is None or packet.dts is None:
            continue
        if packet.is_keyframe:
            keys.append(packet.pts)
        if packet.pts >= least and (shown is None or packet.pts < shown):
            shown = packet.pts
        if keys and shown is not None and packet.dts > max(start, shown):
            break  # what comes now is shown still later
    if not keys:
        raise SegmentError(source.segment, ValueError("it has no key frame in the range"))
    latest = start if shown is None or not is_exact else max(start, shown)
    key = max((key for key in keys if key <= latest), default=keys[0])
    _seek(container, video, key)
    return Begin(key, None if shown is None else max(shown, key))


def _seek(container: InputContainer, video: VideoStream, ticks: int) -> None:
    """Go to the key frame at or before; what is before the first is the begin."""
    container.seek(max(ticks, video.start_time or 0), stream=video)
