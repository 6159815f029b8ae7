"""Starts the process of a row: its number, its settings file, its environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from framebus.clock import Clock
from framebus.place import Place
from framebus_launcher.folders import write_settings
from framebus_launcher.incarnation import Incarnations
from framebus_launcher.liveness import SUSPECT_S
from framebus_launcher.process import RunningChild
from framebus_launcher.table import Row
from framebus_launcher.zygote import Zygote

SUPERVISION = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""what a supervisor tells its child: ours are not our children's"""
OURS = ("FRAMEBUS_LOG_FORMAT",)
"""what is meant for the launcher: children write plain lines to it, whatever it makes of them"""


class Spawner:
    """Knows what every child of the group is told."""

    def __init__(self, place: Place, notify: Path, incarnations: Incarnations, clock: Clock) -> None:
        self.zygote: Zygote | None = None
        """where it has what a row is made of, the row's process comes from it"""
        self._place = place
        self._notify = notify
        self._incarnations = incarnations
        self._clock = clock

    def spawn(self, row: Row, *, was_killed: bool = False) -> RunningChild:
        """Start it; raises OSError when that can't be done. `was_killed`: its life before, from outside."""
        incarnation = self._incarnations.draw(self._clock.wall_s())
        settings = write_settings(self._place, row)
        return RunningChild(
            row.argv,
            environment=self._environment(row, incarnation, settings, was_killed),
            nice=row.nice,
            incarnation=incarnation,
            zygote=self.zygote if self.zygote is not None and self.zygote.can_fork(row.module) else None,
        )

    def _environment(self, row: Row, incarnation: int, settings: Path, was_killed: bool) -> Mapping[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in SUPERVISION + OURS}
        told = {
            **self._place.to_environment(),
            "FRAMEBUS_NAME": row.name,
            "FRAMEBUS_INCARNATION": str(incarnation),
            "FRAMEBUS_SETTINGS": str(settings),
            "FRAMEBUS_KILLED": "1" if was_killed else "",
        }
        if row.notify:
            told["NOTIFY_SOCKET"] = str(self._notify)
            told["WATCHDOG_USEC"] = str(round(SUSPECT_S * 1e6))
        # Python holds back what it prints into a pipe; a log line shall come when it is written.
        return {"PYTHONUNBUFFERED": "1", **inherited, "PATH": search_path(inherited), **row.env, **told}


def search_path(environment: Mapping[str, str]) -> str:
    """Where commands are looked for: `python3` in a row shall mean the Python that framebus is installed in."""
    return os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
