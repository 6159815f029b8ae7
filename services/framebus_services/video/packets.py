"""Names for the types of PyAV that packets and streams come in, and their times."""

from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import av
from av.packet import Packet
from av.stream import Stream

if TYPE_CHECKING:
    AnyPacket: TypeAlias = Packet[Stream]
else:
    AnyPacket = Packet  # generic for type checkers only


def time_base(of: AnyPacket | Stream) -> Fraction:
    """The length of a tick in seconds."""
    return Fraction(of.time_base or Fraction(1, av.time_base))  # PyAV 19 has a type of its own, which knows no `//`


def time_s(ticks: int | None, packet: AnyPacket) -> float | None:
    """A timestamp of `packet` in seconds; None when it has none."""
    return None if ticks is None else float(ticks * packet.time_base)
