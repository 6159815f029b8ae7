"""Whether others refer to a packet's picture: read from the first bytes of H.264 and H.265, without decoding."""

from collections.abc import Callable, Iterator
from enum import Enum

from av.video.codeccontext import VideoCodecContext

from framebus_services.video.packets import AnyPacket

LOOK_BYTES = 4_096
"""of a packet without lengths: what stands before the picture is shorter, or the packet counts as needed"""


class Role(Enum):
    """What a packet's picture is to those after it."""

    KEY = "key"
    """nothing from here on refers to what came before"""
    REFERRED = "referred"
    """others may be made of it"""
    ALONE = "alone"
    """nobody refers to it: who leaves it out loses this picture and no other"""
    NEEDED = "needed"
    """it holds more than a picture, or can't be told"""


class Roles:
    """Tells the roles of one stream's packets, of any codec."""

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._is_alone = decoder.codec.intra_only
        name = decoder.codec.canonical_name
        self._read = READERS.get(name)
        extradata = bytes(decoder.extradata or b"")
        at = LENGTH_AT.get(name, 0)
        # An MP4's description begins with 1, and says how long the lengths are; a camera's with a start code.
        self._length_bytes = extradata[at] % 4 + 1 if extradata[:1] == b"\1" and len(extradata) > at else 0

    def of(self, packet: AnyPacket) -> Role:
        if self._is_alone:
            return Role.ALONE
        if self._read is None:
            return Role.NEEDED
        view = memoryview(packet)
        headers = _headers_by_length(view, self._length_bytes) if self._length_bytes else _headers(view)
        is_plain = True
        for header in headers:
            role = self._read(header)
            if role is Role.KEY:
                return role
            if role is Role.NEEDED:
                is_plain = False
            elif role is not None:
                return role if is_plain else Role.NEEDED
        return Role.NEEDED


def _h264(header: int) -> Role | None:
    """The role of a unit that begins with this byte; NEEDED for what is no picture, None for what says nothing."""
    kind = header & 31
    if kind == 5:
        return Role.KEY
    if kind == 1:
        return Role.REFERRED if header & 96 else Role.ALONE
    return None if kind in (6, 9, 14) else Role.NEEDED  # remarks, delimiters, and heads for scalable video


def _h265(header: int) -> Role | None:
    """As of H.264; none counts as ALONE: to a picture that says so of its layer, those of higher layers may refer."""
    kind = header >> 1 & 63
    if kind in (19, 20):
        return Role.KEY
    if kind < 19:
        return Role.REFERRED
    return None if kind in (35, 39, 40) else Role.NEEDED


READERS: dict[str, Callable[[int], Role | None]] = {"h264": _h264, "hevc": _h265}
LENGTH_AT = {"h264": 4, "hevc": 21}
"""where in the description of an MP4 stands how many bytes a length has, less one, in the lower two bits"""


def _headers_by_length(view: memoryview, length_bytes: int) -> Iterator[int]:
    at = 0
    while at + length_bytes < len(view):
        yield view[at + length_bytes]
        at += length_bytes + int.from_bytes(view[at : at + length_bytes], "big")


def _headers(view: memoryview) -> Iterator[int]:
    head = bytes(view[:LOOK_BYTES])
    at = head.find(b"\0\0\1")
    while 0 <= at < len(head) - 3:
        yield head[at + 3]
        at = head.find(b"\0\0\1", at + 3)
