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
    if ticks is None:
        return None
    tick = packet.time_base
    return ticks * tick.numerator / tick.denominator  # as a float at once: each Fraction looks for a common divisor


def copy_of(packet: AnyPacket) -> AnyPacket:
    """The same packet once more, for who needs it as it is while another changes it."""
    copy: AnyPacket = av.Packet(bytes(packet))
    copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return copy
