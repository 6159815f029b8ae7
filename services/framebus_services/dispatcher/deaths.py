"""Tells everybody that a process has died, and for a while tells it again."""

from framebus.bus import Bus
from framebus.messages import Gone
from framebus.requests import WorkerLost

PERIOD_S = 1.0
REPEATED_S = 10.0
"""after a restart of the dispatcher, subscribers need a while to be back"""


class Deaths:
    """Those of the last seconds."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: dict[str, tuple[Gone, float]] = {}
        """by process, and until when it is told"""
        bus.every(PERIOD_S, self._repeat)

    def tell(self, lost: WorkerLost) -> None:
        gone = Gone(src=lost.worker, incarnation=lost.incarnation)
        self._bus.publish(gone)
        self._told[lost.worker] = (gone, self._bus.clock.boot_s() + REPEATED_S)

    def _repeat(self) -> None:
        now_s = self._bus.clock.boot_s()
        self._told = {src: (gone, until_s) for src, (gone, until_s) in self._told.items() if until_s > now_s}
        for gone, _ in self._told.values():
            self._bus.publish(gone)
