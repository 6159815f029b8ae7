"""Makes proper segments of the `.part` files that a crash or a full disk left behind."""

import logging
from collections.abc import Callable
from pathlib import Path

from framebus.messages import SegmentClosed
from framebus.recordings import parse_segment, recordings_folder
from framebus_services.capture.segment import publish_segment
from framebus_services.video.remux import UnreadableError, remux_prefix

log = logging.getLogger(__name__)

WORK_NAME = ".salvage.mp4"


def salvage(data: Path, camera: str, on_closed: Callable[[SegmentClosed], None]) -> int:
    """Repair what the camera's recorder left open; returns how many files held nothing and were removed.

    Raises OSError when the disk is full or broken; what was not repaired by then is left as it is.
    """
    folder = recordings_folder(data, camera)
    work = folder / WORK_NAME
    removed = 0
    for part in sorted(folder.glob("*/*/*.mp4.part")):
        segment = parse_segment(part)
        if segment is None:
            continue
        work.unlink(missing_ok=True)
        if part.stat().st_nlink > 1:  # killed between its two names: the final one is there
            part.unlink()
            continue
        try:
            remuxed = remux_prefix(part, work)
        except UnreadableError as error:
            log.warning("removed an unreadable recording of %s: %s", camera, error)
            part.unlink()
            removed += 1
            continue
        closed = publish_segment(work, data, camera, segment.start_ms / 1_000, remuxed.duration_s)
        part.unlink()
        log.info("repaired a recording of %s: %s, %.1f s", camera, closed.path, closed.duration_s)
        on_closed(closed)
    return removed
