"""Makes proper segments of the `.part` files that a crash or a full disk left behind."""

import logging
from collections.abc import Callable
from pathlib import Path

import av

from framebus.messages import SegmentClosed
from framebus.recordings import BAD_SUFFIX, parse_segment, recordings_folder
from framebus_services.capture.segment import publish_segment
from framebus_services.video.fragments import HEAD_BYTES, whole_bytes
from framebus_services.video.remux import UnreadableError, remux_prefix

log = logging.getLogger(__name__)

WORK_NAME = ".salvage.mp4"
TRIED_SUFFIX = ".tried"
MAX_TRIES = 3


def salvage(
    data: Path,
    camera: str,
    on_closed: Callable[[SegmentClosed], None],
    on_unrepaired: Callable[[str], None],
    beat: Callable[[], None],
) -> None:
    """Repair what the camera's recorder left open; calls `beat` as it gets on.

    For each file that can't be repaired it calls `on_unrepaired` with `removed.begun` or `kept.unreadable`.

    Raises OSError when the disk is full or broken; what was not repaired by then is left as it is.
    """
    folder = recordings_folder(data, camera)
    work = folder / WORK_NAME
    for part in sorted(folder.glob("*/*/*.mp4.part")):
        segment = parse_segment(part)
        if segment is None:
            continue
        beat()
        work.unlink(missing_ok=True)
        if part.stat().st_nlink > 1:  # killed between its two names: the final one is there
            part.unlink()
            continue
        if _is_only_begun(part):
            part.unlink()
            log.info("a recording of %s ended before its first fragment was whole: %s is removed", camera, part.name)
            on_unrepaired("removed.begun")
            continue
        tried = part.with_suffix(TRIED_SUFFIX)
        try:
            _note_try(tried)
            remuxed = remux_prefix(part, work, beat)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            if isinstance(error, OSError):
                raise  # the disk's fault, not the file's
            bad = part.rename(part.with_suffix(BAD_SUFFIX))  # tried again, it would fail again
            log.warning("a recording of %s can't be repaired, kept as %s: %r", camera, bad, error)
            on_unrepaired("kept.unreadable")
            continue
        finally:
            tried.unlink(missing_ok=True)  # only the end of the process leaves it
        closed = publish_segment(work, data, camera, segment.start_ms / 1_000, remuxed.duration_s)
        part.unlink()
        log.info("repaired a recording of %s: %s, %.1f s", camera, closed.path, closed.duration_s)
        on_closed(closed)


def _is_only_begun(part: Path) -> bool:
    """Whether the process died within the file's first second: it begins as ours do, and nothing of it is whole."""
    with part.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return (not head or head[4:] == b"ftyp") and whole_bytes(part) == 0


def _note_try(tried: Path) -> None:
    """Add a byte to `tried`; raises UnreadableError when each try before ended with the process: FFmpeg may abort."""
    with tried.open("ab") as file:
        if file.tell() >= MAX_TRIES:
            raise UnreadableError(f"{tried.stem}: {MAX_TRIES} repairs ended with the process")
        file.write(b".")
