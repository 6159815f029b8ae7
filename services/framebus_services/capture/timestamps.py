"""Timestamps of a camera as a file may have them, and what time it was on the wall."""

from collections import Counter, deque
from dataclasses import dataclass

from framebus_services.video.packets import AnyPacket, time_s

JUMP_AHEAD_S = 10.0
JUMP_BACK_S = 1.0
MAX_HELD = 32
GUESSED_STEP_S = 0.04
"""between frames, where a stream does not say"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a packet came in."""

    wall_s: float
    boot_s: float


class Mender:
    """Makes the timestamps of one stream rise, as a muxer wants them; one for each connection and after each jump."""

    def __init__(self, tally: Counter[str]) -> None:
        self._tally = tally
        self._held: list[AnyPacket] = []
        self._last_dts: int | None = None

    def jumps(self, packet: AnyPacket) -> bool:
        """Whether the time of `packet` is so far from the last one's that it belongs to another file."""
        if packet.dts is None or self._last_dts is None:
            return False
        step_s = time_s(packet.dts - self._last_dts, packet) or 0.0
        return step_s > JUMP_AHEAD_S or step_s < -JUMP_BACK_S

    def mend(self, packet: AnyPacket) -> list[AnyPacket]:
        """The packets that may be written now, in order, changed where needed.

        The first packets of a connection may lack a dts: they wait for the first that has one. Later ones are dropped.
        """
        if packet.dts is None:
            self._hold(packet)
            return []
        ready = [*self._release(packet), packet]
        for each in ready:
            self._raise_dts(each)
        return ready

    def _hold(self, packet: AnyPacket) -> None:
        if self._last_dts is not None or len(self._held) == MAX_HELD:
            self._tally["dropped.no_dts"] += 1
        else:
            self._held.append(packet)

    def _release(self, after: AnyPacket) -> list[AnyPacket]:
        held, self._held = self._held, []
        if not held or after.dts is None:
            return []
        step = max(1, after.duration or round(GUESSED_STEP_S / after.time_base))
        known = [packet.pts for packet in (*held, after) if packet.pts is not None]
        dts = after.dts - step * len(held)
        for packet in held:
            packet.dts = dts
            if packet.pts is None:  # a key frame that is shown before all others
                packet.pts = max(dts, min(known) - step) if known else dts
            dts += step
        return held

    def _raise_dts(self, packet: AnyPacket) -> None:
        if packet.dts is None:
            return
        if self._last_dts is not None and packet.dts <= self._last_dts:
            packet.dts = self._last_dts + 1
            self._tally["mended.dts"] += 1
        if packet.pts is None or packet.pts < packet.dts:
            packet.pts = packet.dts
        self._last_dts = packet.dts


class WallTime:
    """Tells what time it was when a frame was taken: its own time plus the least delay seen in the last minute.

    A packet may come late, never early; so the least delay is the truest one.
    """

    BUCKET_S = 10.0
    BUCKETS = 6
    RESET_S = 30.0
    """a delay that much longer is no delay: the camera's clock jumped back"""

    def __init__(self) -> None:
        self._least: deque[tuple[float, float]] = deque(maxlen=self.BUCKETS)  # when the bucket began, least delay
        self._delay_s = 0.0
        """the least of all"""
        self._wall_offset_s = 0.0

    @property
    def is_known(self) -> bool:
        """Whether anything was noted."""
        return bool(self._least)

    def note(self, pts_s: float, arrival: Arrival) -> float:
        """A frame came; returns by how many seconds more than the least it was delayed."""
        delay_s = arrival.boot_s - pts_s
        self._wall_offset_s = arrival.wall_s - arrival.boot_s
        if self._least and delay_s - self._delay_s > self.RESET_S:
            self._least.clear()
        if not self._least or arrival.boot_s - self._least[-1][0] >= self.BUCKET_S:
            self._least.append((arrival.boot_s, delay_s))
            self._delay_s = min(least_s for _, least_s in self._least)
        elif delay_s < self._least[-1][1]:
            self._least[-1] = (self._least[-1][0], delay_s)
            self._delay_s = min(self._delay_s, delay_s)
        return delay_s - self._delay_s

    def at_s(self, pts_s: float) -> float:
        """The wall time of a timestamp, seconds since 1970; something must have been noted."""
        return pts_s + self._delay_s + self._wall_offset_s
