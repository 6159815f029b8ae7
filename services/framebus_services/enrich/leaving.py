"""Processors that were replaced, or that the configuration no longer has: they finish while the others go on."""

import time
from dataclasses import dataclass

from framebus.clock import Clock
from framebus_services.enrich.seat import Seat


@dataclass(frozen=True, kw_only=True)
class _Leaver:
    seat: Seat
    cut_s: float
    """boot time from which what waits is not done any more"""


class Leaving:
    """Those on their way out. How long one may be at what is in hand, its seat sees to."""

    def __init__(self, clock: Clock, drain_s: float) -> None:
        """What waits is done for `drain_s` at most."""
        self._clock = clock
        self._drain_s = drain_s
        self._leavers: list[_Leaver] = []
        self._gone: list[str] = []

    @property
    def seats(self) -> list[Seat]:
        return [leaver.seat for leaver in self._leavers]

    def add(self, seat: Seat) -> None:
        """Let it go; it gets nothing more to do."""
        seat.stop()
        self._leavers.append(_Leaver(seat=seat, cut_s=self._clock.boot_s() + self._drain_s))
        self.step()

    def step(self) -> None:
        """Let those who have finished go for good."""
        now_s = self._clock.boot_s()
        for leaver in list(self._leavers):
            seat = leaver.seat
            seat.step()
            if now_s >= leaver.cut_s:
                seat.cut()
            if seat.has_stopped:
                seat.end()
                seat.bury(time.monotonic())
                self._leavers.remove(leaver)
                self._gone.append(seat.name)

    def take_gone(self) -> list[str]:
        """The names of those who have gone for good since the last time."""
        gone, self._gone = self._gone, []
        return gone
