"""Lets the recordings of cameras grow old that are configured no more.

A camera's capture process deletes its old recordings; once the camera is taken out of the file, nobody would. The
launcher does it: it alone knows which cameras are configured, also after a reload. (An export or dispatcher that was
told a list could act on one that is out of date, and capture of another camera may not be there at all.) How long they
are kept is what the camera's own process noted last, in `recordings/<camera>/.keep`; without a note, the default.

It looks every ten minutes, on a thread of its own, since a slow disk must not keep the launcher from hearing beats. It
deletes by age only, closed segments only, and nothing within an hour of its start or of a jump of the clock: as capture
does. Where services run without a launcher nobody knows which cameras are no more, and nothing is deleted.
"""

import logging
import re
from collections.abc import Callable, Collection
from pathlib import Path

from framebus.clock import Clock
from framebus.keep import KEEP_NAME, read_keep
from framebus.messages import NAME_PATTERN
from framebus.recordings import recordings_folder
from framebus.retention import Retention
from framebus_launcher.sweeping import Sweeping

log = logging.getLogger(__name__)

PERIOD_S = 600.0
PAUSE_S = 0.002
"""between two steps, so that the launcher's loop is never kept waiting"""


class RemovedCameras(Sweeping):
    """The recordings under `data` that belong to no camera of `configured()`; call `sweep` now and then."""

    def __init__(self, data: Path, configured: Callable[[], Collection[str]], clock: Clock) -> None:
        super().__init__("removed cameras", PERIOD_S, "old recordings of removed cameras can't be deleted")
        self._data = data
        self._configured = configured
        self._clock = clock
        self._keepers: dict[str, Retention] = {}

    def sweep(self) -> None:
        """Delete what is past its time. Raises OSError."""
        removed = self._removed()
        self._keepers = {camera: keeper for camera, keeper in self._keepers.items() if camera in removed}
        for camera in removed:
            keeper = self._keepers.get(camera)
            if keeper is None:
                keep = read_keep(self._data, camera)
                keeper = self._keepers[camera] = Retention(self._data, camera, keep, self._clock)
            before = keeper.tally.total()
            while keeper.step():
                if self._is_over.wait(PAUSE_S) or camera in self._configured():
                    return
            if deleted := keeper.tally.total() - before:
                log.info("%s is configured no more: %d old recordings were deleted", camera, deleted)
            _remove_if_only_a_note(recordings_folder(self._data, camera))

    def _removed(self) -> list[str]:
        try:
            folders = [path.name for path in (self._data / "recordings").iterdir() if path.is_dir()]
        except FileNotFoundError:
            return []
        configured = self._configured()
        return sorted(name for name in folders if re.fullmatch(NAME_PATTERN, name) and name not in configured)


def _remove_if_only_a_note(folder: Path) -> None:
    if [path.name for path in folder.iterdir()] == [KEEP_NAME]:
        (folder / KEEP_NAME).unlink()
        folder.rmdir()
