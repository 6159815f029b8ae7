"""What the process that looks into files is asked, and answers."""

from msgspec import Struct

from framebus_services.ingest.names import Kind


class Look(Struct, frozen=True, kw_only=True):
    """Read this file, and decode its picture, or its first and its last."""

    root: str
    path: str
    """below the root"""
    kind: Kind
    max_bytes: int


class Looked(Struct, frozen=True, kw_only=True):
    """What a file is. With `reason` it is none that can be taken."""

    inode: int = 0
    size_bytes: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    """of its content, hex"""
    reason: str = ""
    """one word, which names a folder of the quarantine"""
    text: str = ""
    """the reason as a sentence"""
