"""What a look at a source found, before a camera is made of it: capture looks, the launcher writes it down."""

from msgspec import Struct

from framebus.messages import Cause


class LookAt(Struct, frozen=True, kw_only=True):
    """What is asked."""

    source: str
    limit_s: float = 10.0
    """so long packets are taken at most, after the connection was made"""


class SourceReport(Struct, frozen=True, kw_only=True):
    """What came of it; `cause` and `detail` tell why nothing did."""

    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    """measured"""
    key_s: float = 0.0
    """between key frames; 0: none came for the second time"""
    bytes_per_s: float = 0.0
    """measured, sound included; 0: it has no packets to be recorded as they are"""
    audio: str = ""
    """the codec of its sound; empty: none"""
    watched_s: float = 0.0
    """of its own time"""
    cause: Cause | None = None
    detail: str = ""
