"""One stream of a clip: gives each packet its time there, in order, none twice."""

import math
from fractions import Fraction

from av.stream import Stream

from framebus_services.video.packets import AnyPacket, time_base


class Lane:
    """Counts in the ticks of the segment at hand; the first picture of the clip stands at 0."""

    def __init__(self, stream: Stream, hidden_s: Fraction = Fraction(0)) -> None:
        self.stream = stream
        self.hidden = 0
        """packets that stand before the begin: what is shown is made from them"""
        self._hidden_s = hidden_s
        self.is_over = False
        """the end of the range was reached"""
        self.packets = 0
        self._base = Fraction(1)
        self._shift = 0
        self._least_pts = 0
        self._end_dts = 0
        self._least_dts: int | None = None
        self._next_dts = 0
        self._end_pts = 0

    @property
    def end_s(self) -> float:
        """Where in the clip the last packet ends."""
        return float(self._end_pts * self._base)

    def begin(self, source: Stream, zero_s: Fraction, until_s: Fraction) -> None:
        """Take packets of another segment: its timestamp 0 stands at `zero_s` of the clip, which ends at `until_s`."""
        scale, self._base = self._base, time_base(source)
        scale /= self._base
        self._next_dts, self._end_pts = math.ceil(self._next_dts * scale), math.ceil(self._end_pts * scale)
        if self._least_dts is not None:
            self._least_dts = math.ceil(self._least_dts * scale)
        self._shift = round(zero_s / self._base)
        self._end_dts = math.ceil((until_s - zero_s) / self._base)
        self._least_pts = -math.ceil(self._hidden_s / self._base)

    def overlap_s(self, packet: AnyPacket) -> Fraction:
        """How much later a segment that begins with `packet` has to stand, for its times not to go back."""
        if self._least_dts is None or packet.dts is None or packet.dts + self._shift >= self._least_dts:
            return Fraction(0)
        return (self._next_dts - packet.dts - self._shift) * self._base

    def move(self, later_s: Fraction) -> None:
        """Let the rest of this segment stand later."""
        self._shift += round(later_s / self._base)

    def place(self, packet: AnyPacket) -> bool:
        """Give a packet its time in the clip. False: it is not part of the clip, or would go back in time."""
        if packet.dts is None or packet.pts is None:
            return False
        if packet.dts >= self._end_dts:  # by dts: what ends by pts lacks pictures that others are made from
            self.is_over = True
            return False
        dts, pts = packet.dts + self._shift, packet.pts + self._shift
        if pts < self._least_pts or (self._least_dts is not None and dts < self._least_dts):
            return False
        duration = packet.duration or 0
        self.packets += 1
        self.hidden += pts < 0
        self._least_dts, self._next_dts = dts + 1, dts + max(duration, 1)
        self._end_pts = max(self._end_pts, pts + duration)
        packet.dts, packet.pts, packet.stream = dts, pts, self.stream
        return True
