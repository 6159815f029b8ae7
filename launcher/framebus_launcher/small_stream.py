"""Guesses where a camera's small stream is, from the address of its main one: as its maker writes them.

A guess is only tried; nobody is told that it is so before pictures came from there.
"""

import re
from typing import NamedTuple


class Shape(NamedTuple):
    """How one maker's main stream is written, and what makes the small one of it."""

    maker: str
    main: str
    """a regular expression of what is to be replaced in path and query"""
    small: str


SHAPES = (
    Shape("Hikvision", r"(?i)(/Streaming/(?:Unicast/)?Channels/[0-9]*)01\b", r"\g<1>02"),
    Shape("Hikvision, old", r"(?i)(/ch[0-9]+/)main(/av_stream)", r"\1sub\2"),
    Shape("Dahua, Amcrest, Lorex", r"(?i)(/cam/realmonitor\?.*subtype=)0", r"\g<1>1"),
    Shape("Reolink", r"(?i)(Preview_[0-9]+_)main", r"\1sub"),
    Shape("Reolink, HTTP", r"(?i)(stream=channel[0-9]+_)main(\.bcs)", r"\1sub\2"),
    Shape("TP-Link, Tapo, VIGI", r"(/stream)1$", r"\g<1>2"),
    Shape("Uniview", r"(/unicast/c[0-9]+/s)0(/live)", r"\g<1>1\2"),
    Shape("Uniview", r"(/media/video)1\b", r"\g<1>2"),
    Shape("Foscam", r"(?i)(/video)Main\b", r"\1Sub"),
    Shape("Hanwha, Samsung", r"(/profile)[12](/media\.smp)", r"\g<1>3\2"),
    Shape("Vivotek", r"(/live)1?(\.sdp)$", r"\g<1>2\2"),
    Shape("XiongMai", r"(_channel=[0-9]+_stream=)0", r"\g<1>1"),
    Shape("HiSilicon", r"^(/)11$", r"\g<1>12"),
    Shape("V380 and others", r"(/live/ch[0-9]+_)0$", r"\g<1>1"),
    Shape("Axis", r"(/axis-media/media\.amp)(?:\?videocodec=h264)?$", r"\1?videocodec=h264&resolution=640x360"),
)
_HOST = re.compile(r"(rtsps?|https?)://[^/?#]*")


def guess_small(source: str) -> str | None:
    """The address of the small stream, for all one knows; None where nothing is known of such an address.

    >>> guess_small("rtsp://viewer:s@10.0.0.5/Streaming/Channels/101")
    'rtsp://viewer:s@10.0.0.5/Streaming/Channels/102'
    """
    host = _HOST.match(source)
    if host is None:
        return None
    rest = source[host.end() :]
    for shape in SHAPES:
        guess = re.sub(shape.main, shape.small, rest, count=1)
        if guess != rest:
            return host[0] + guess
    return None
