"""Whether others refer to a packet's picture: read from the heads of its units of H.264 and H.265, without decoding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from av.video.codeccontext import VideoCodecContext

from framebus_services.video.packets import AnyPacket

START = b"\0\0\1"

Unit = tuple[int, bool]
"""its first byte, and whether a picture begins with it, should it be a part of one"""


class Role(Enum):
    """What a packet's picture is to those after it."""

    KEY = "key"
    """nothing from here on refers to what came before"""
    REFERRED = "referred"
    """others may be made of it"""
    ALONE = "alone"
    """nobody refers to it: who leaves it out loses this picture and no other"""
    NEEDED = "needed"
    """it holds more than one picture, or what others need beside it, or can't be told"""


class Roles:
    """Tells the roles of one stream's packets, of any codec."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._is_alone = decoder.codec.intra_only
        name = decoder.codec.canonical_name
        extradata = bytes(decoder.extradata or b"")
        # An MP4's description begins with 1, and says how long the lengths are; a camera's with a start code.
        has_lengths = extradata[:1] == b"\1"
        is_known = has_lengths or not extradata or extradata.startswith((START, b"\0" + START))
        self._codec = CODECS.get(name) if is_known else None
        at = self._codec.length_at if self._codec is not None else 0
        self._length_bytes = extradata[at] % 4 + 1 if has_lengths and len(extradata) > at else 0

    def of(self, packet: AnyPacket) -> Role:
        if self._is_alone:
            return Role.ALONE
        if self._codec is None:
            return Role.NEEDED
        data, begins_at = bytes(packet), self._codec.begins_at
        units = _units_by_length(data, self._length_bytes, begins_at) if self._length_bytes else _units(data, begins_at)
        picture: Role | None = None
        is_plain = True
        for header, begins in units:
            role = self._codec.read(header)
            if role is Role.KEY and picture is None:
                return role
            if role is Role.NEEDED or (picture is not None and role is not None and (begins or role is not picture)):
                is_plain = False
            elif picture is None:
                picture = role
            if picture is not None and not is_plain:
                break
        return picture if picture is not None and is_plain else Role.NEEDED


def _h264(header: int) -> Role | None:
    """The role of a unit that begins with this byte; NEEDED for what is no picture, None for what says nothing."""
    kind = header & 31
    if kind == 5:
        return Role.KEY
    if kind == 1:
        return Role.REFERRED if header & 96 else Role.ALONE
    return None if kind in (6, 9, 12, 14) else Role.NEEDED  # remarks, delimiters, filling, heads for scalable video


def _h265(header: int) -> Role | None:
    """As of H.264; none counts as ALONE: to a picture that says so of its layer, those of higher layers may refer."""
    kind = header >> 1 & 63
    if kind in (19, 20):
        return Role.KEY
    if kind < 19:
        return Role.REFERRED
    return None if kind in (35, 38, 39, 40) else Role.NEEDED


@dataclass(frozen=True)
class _Codec:
    read: Callable[[int], Role | None]
    length_at: int
    """where in the description of an MP4 stands how many bytes a length has, less one, in the lower two bits"""
    begins_at: int
    """how far from a unit's begin stands, in the highest bit, whether a picture begins"""


CODECS = {"h264": _Codec(_h264, length_at=4, begins_at=1), "hevc": _Codec(_h265, length_at=21, begins_at=2)}
NO_UNIT: Unit = (-1, False)


def _units_by_length(data: bytes, length_bytes: int, begins_at: int) -> Iterator[Unit]:
    at = 0
    while at + length_bytes < len(data):
        begin = at + length_bytes
        at = begin + int.from_bytes(data[at:begin], "big")
        if at > len(data):  # cut off, or with start codes, whatever the description says
            yield NO_UNIT
            return
        yield _unit(data, begin, begins_at)


def _units(data: bytes, begins_at: int) -> Iterator[Unit]:
    at = data.find(START)
    while 0 <= at < len(data) - len(START):
        yield _unit(data, at + len(START), begins_at)
        at = data.find(START, at + len(START))


def _unit(data: bytes, begin: int, begins_at: int) -> Unit:
    return data[begin], data[begin + begins_at : begin + begins_at + 1] >= b"\x80"
