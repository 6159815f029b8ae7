"""How large a clip becomes and how long it plays, before it is made: for the space on the disk, and for plans."""

from dataclasses import dataclass

from framebus_services.export.keys import FPS
from framebus_services.export.params import ExportParams, Mode, OnChange
from framebus_services.export.presets import PRESETS
from framebus_services.export.source import SegmentError, Source, open_segment, packets, video_of

SOUND_BYTES_PER_S = 16_000
MAX_PACKETS = 3_000
"""that are looked at in a segment: some minutes"""
ENCODED_SHARE = 0.6
"""of the bytes of a recorded key frame, once it is encoded for a timelapse"""
MAX_GROWTH = 1.5
"""nothing that is encoded becomes much larger than it was"""


@dataclass(frozen=True)
class KeyFrames:
    """What the key frames of a recording are like."""

    per_s: float
    size_bytes: float
    """of one"""


def look_at_keys(source: Source) -> KeyFrames:
    """Count the key frames of what can be read of a segment."""
    keys = total_bytes = 0
    end_s = 0.0
    try:
        with open_segment(source.segment) as container:
            video = video_of(container)
            for number, packet in enumerate(packets(container, [video], source.segment)):
                if number >= MAX_PACKETS:
                    break
                end_s = max(end_s, float(((packet.dts or 0) + (packet.duration or 0)) * packet.time_base))
                if packet.is_keyframe:
                    keys += 1
                    total_bytes += packet.size
    except SegmentError:
        pass  # the job itself tells
    return KeyFrames(max(1, keys) / max(end_s, 0.1), total_bytes / max(1, keys))


def playing_s(params: ExportParams, range_s: float) -> float:
    """How long a clip of so many recorded seconds plays."""
    return range_s / params.chosen_speed


def estimated_bytes(
    params: ExportParams, first: Source, planned_bytes: int, range_s: float, *, has_changes: bool
) -> int:
    """About how large the clip becomes that is made of `planned_bytes` of recordings."""
    if params.mode is Mode.TIMELAPSE:
        keys = look_at_keys(first)
        pictures = min(keys.per_s * range_s, playing_s(params, range_s) * FPS) + 1
        return round(pictures * keys.size_bytes * (1.0 if params.instant else ENCODED_SHARE))
    if params.mode is Mode.COPY and not (has_changes and params.on_change is OnChange.ENCODE):
        return planned_bytes
    frames = range_s * float(first.fps)
    encoded_bytes = PRESETS[params.chosen_preset].estimated_bytes(first.width, first.height, frames)
    if first.audio is not None:
        encoded_bytes += round(range_s * SOUND_BYTES_PER_S)
    return min(encoded_bytes, round(planned_bytes * MAX_GROWTH))
