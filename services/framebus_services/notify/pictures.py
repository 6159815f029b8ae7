"""The picture of the moment: taken out of the camera's ring, made small, and kept in a file until it was delivered."""

import contextlib
import logging
import os
import time
from pathlib import Path

from framebus.clock import Clock

log = logging.getLogger(__name__)

LONGEST_SIDE = 1_280
OLDEST_S = 5.0
"""an older frame is no picture of the present"""
KEPT_S = 86_400.0
"""what is there then was left by a job whose end nobody heard of"""


def take_picture(shm: Path, camera: str, number: int, clock: Clock) -> bytes | None:
    """Frame `number` of a camera as JPEG, or the newest where the ring has lost it; None when there is none."""
    try:
        from framebus_services.notify.frames import newest_jpeg  # noqa: PLC0415  NumPy, OpenCV: may be not installed

        return newest_jpeg(shm, camera, number, clock, LONGEST_SIDE, OLDEST_S)
    except ImportError as error:
        log.warning("%s: no picture: %s is not installed: pip install 'framebus[cameras]'", camera, error.name)
    except (OSError, ValueError) as error:
        log.warning("%s: no picture: %s", camera, error)
    return None


class PictureFiles:
    """`<data>/notify/<job id>.jpg`."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "notify"

    def keep(self, id: str, jpeg: bytes) -> None:
        """Put a picture there, whole or not at all; one that is there stays. A full disk costs the picture."""
        path = self._path(id)
        temp = path.with_name(f".{path.name}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                temp.write_bytes(jpeg)
                temp.replace(path)
        except OSError as error:
            log.warning("the picture of job %s is left out: %s", id, error)
            with contextlib.suppress(OSError):
                temp.unlink(missing_ok=True)

    def read(self, id: str) -> bytes | None:
        with contextlib.suppress(OSError):
            return self._path(id).read_bytes()
        return None

    def remove(self, id: str) -> None:
        with contextlib.suppress(OSError):
            self._path(id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what was left."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - KEPT_S:
                    os.unlink(entry.path)

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.jpg"
