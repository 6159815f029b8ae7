"""Reads MP4 files that somebody else is still writing, up to their last whole fragment."""

import os
from pathlib import Path

from av.container import InputContainer

from framebus_services.video.opening import open_video

HEAD_BYTES = 8
LARGE_HEAD_BYTES = 16


def open_growing(path: Path, options: dict[str, str] | None = None) -> InputContainer:
    """Open what is whole of a fragmented file; what is added later is not seen.

    Raises EOFError when no fragment is whole yet, OSError or av.FFmpegError when the file can't be read.
    """
    end = whole_bytes(path)
    if end == 0:
        raise EOFError("no fragment is whole yet")
    whole = f"subfile,,start,0,end,{end},,:{path}"
    return open_video(whole, format="mp4", options=options)


def whole_bytes(path: Path) -> int:
    """Up to where the file is made of whole fragments; of a closed file all of it."""
    whole = offset = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        while (box := _box(file.read(LARGE_HEAD_BYTES))) is not None:
            kind, length = box
            offset += length
            if offset > size:
                break
            if kind in (b"moov", b"mdat"):  # a fragment's data follows its index
                whole = offset
            file.seek(offset)
    return whole


def _box(head: bytes) -> tuple[bytes, int] | None:
    """Type and length of the box that begins here; None at the end, or where the length is not written yet."""
    length, kind = int.from_bytes(head[:4], "big"), head[4:HEAD_BYTES]
    if length == 1 and len(head) == LARGE_HEAD_BYTES:
        length = int.from_bytes(head[HEAD_BYTES:], "big")
    return (kind, length) if length >= HEAD_BYTES else None
