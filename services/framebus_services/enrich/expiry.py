"""Deletes a camera's ended objects, their pictures, and what it showed, when their time is over."""

import logging
from pathlib import Path

from framebus.clock import Clock
from framebus.events import day_of, events_folder, start_of
from framebus.keep import read_keep
from framebus.shown import shown_day
from framebus.wall_trust import WallTrust

log = logging.getLogger(__name__)

PERIOD_S = 600.0
"""between two looks"""
DAY_S = 86_400.0


class Expiry:
    """What is old among the ended objects of all cameras; call `step` now and then."""

    def __init__(self, data: Path, keep_s: dict[str, float], clock: Clock) -> None:
        self._data = data
        self._keep_s = dict(keep_s)
        self._clock = clock
        self._wall = WallTrust(clock)
        self._due_s = clock.boot_s()

    def watch(self, camera: str, keep_s: float) -> None:
        """Look after one more camera, from any thread."""
        self._keep_s[camera] = keep_s

    def step(self) -> int:
        """Delete what is too old, if it is time to look; returns how many files went. Raises OSError."""
        if self._clock.boot_s() < self._due_s:
            return 0
        self._due_s = self._clock.boot_s() + PERIOD_S
        if not self._wall.is_trusted():
            return 0
        deleted = 0
        for camera, keep_s in {**self._removed(), **self._keep_s}.items():
            old_s = self._clock.wall_s() - keep_s
            for path in _files(events_folder(self._data, camera)):
                if (ended_s := _latest_s(path)) is not None and ended_s < old_s:
                    path.unlink(missing_ok=True)
                    deleted += 1
        return deleted

    def _removed(self) -> dict[str, float]:
        """Cameras that nobody told of, with how long their recordings were last to be kept: the configuration of
        before this process had them."""
        names = [path.name for path in _files(self._data / "events") if path.is_dir()]
        return {name: read_keep(self._data, name).longest_s for name in names if name not in self._keep_s}


def _latest_s(path: Path) -> float | None:
    """Until when a file tells something; None for a file that is not ours."""
    if (day := day_of(path) or shown_day(path)) is not None:
        return day.timestamp() + DAY_S
    name, _, ending = path.name.removeprefix(".").partition(".")
    return start_of(name) if ending in ("jpg", "jpg.part") else None


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
