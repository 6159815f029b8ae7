"""Names for the types of PyAV that packets and streams come in."""

from typing import TYPE_CHECKING, TypeAlias

from av.packet import Packet
from av.stream import Stream

if TYPE_CHECKING:
    AnyPacket: TypeAlias = Packet[Stream]
else:
    AnyPacket = Packet  # generic for type checkers only


def time_s(ticks: int | None, packet: AnyPacket) -> float | None:
    """A timestamp of `packet` in seconds; None when it has none."""
    return None if ticks is None else float(ticks * packet.time_base)
