"""How large a clip becomes and how long it plays, before it is made: for the space on the disk, and for plans."""

from framebus_services.export.keys import FPS
from framebus_services.export.params import ExportParams, Mode, OnChange
from framebus_services.export.presets import PRESETS
from framebus_services.export.source import Source

KEY_FRAMES_SHARE = 0.3
"""of a recording's bytes, where there is a key frame each second; with fewer it is less"""
SOUND_BYTES_PER_S = 16_000


def playing_s(params: ExportParams, range_s: float) -> float:
    """How long a clip of so many recorded seconds plays."""
    return range_s / params.chosen_speed


def estimated_bytes(
    params: ExportParams, first: Source, planned_bytes: int, range_s: float, *, has_changes: bool
) -> int:
    """About how large the clip becomes that is made of `planned_bytes` of recordings."""
    if params.instant:
        return round(planned_bytes * KEY_FRAMES_SHARE)
    if params.mode is Mode.COPY and not (has_changes and params.on_change is OnChange.ENCODE):
        return planned_bytes
    fps = FPS if params.mode is Mode.TIMELAPSE else float(first.fps)
    frames = playing_s(params, range_s) * fps
    pictures = PRESETS[params.chosen_preset].estimated_bytes(first.width, first.height, frames)
    has_sound = first.audio is not None and params.mode is not Mode.TIMELAPSE
    return pictures + round(range_s * SOUND_BYTES_PER_S * has_sound)
