"""What the process that looks into files is asked, and answers."""

from msgspec import Struct

from framebus_services.ingest.names import Kind
from framebus_services.ingest.reason import Reason
from framebus_services.ingest.sighting import Stamp


class Look(Struct, frozen=True, kw_only=True):
    """Read this file, and decode its picture, or its first and its last."""

    root: str
    path: str
    """below the root"""
    kind: Kind
    max_bytes: int


class Looked(Struct, frozen=True, kw_only=True):
    """What a file is; with a `reason` none that can be taken as it is now."""

    stamp: Stamp = Stamp(0, 0, 0)
    """of the file that was looked into, where there was one"""
    sha256: str = ""
    """of its content, hex"""
    reason: Reason | None = None
    text: str = ""
    """the reason as a sentence"""
