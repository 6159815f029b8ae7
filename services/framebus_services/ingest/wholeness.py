"""Whether a picture's file has its end: decoders fill what is missing with grey, and say nothing. Pure."""

import struct

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


def image_problem(content: bytes) -> str | None:
    """Why a picture is not whole, as a sentence; None when it is.

    JPEG: ISO/IEC 10918-1, B.1.1.3: the marker EOI ends it; some cameras write more behind. PNG: RFC 2083, 4.1.4: the
    chunk IEND. WebP: RFC 9649, 2.4: the RIFF header says how long it is.
    """
    if content.startswith(_JPEG):
        return None if _has_end_of_image(content) else "a JPEG that is cut off: its end is missing"
    if content.startswith(_PNG):
        return None if b"IEND\xae\x42\x60\x82" in content[-4_096:] else "a PNG that is cut off: its end is missing"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        (size,) = struct.unpack_from("<I", content, 4)
        return None if len(content) >= size + 8 else f"a WebP that is cut off: {len(content)} of {size + 8} bytes"
    return "neither a JPEG nor a PNG nor a WebP" if content else "it is empty"


def _has_end_of_image(content: bytes) -> bool:
    """An EOI behind the last scan; those of thumbnails lie in segments before it."""
    scan = content.rfind(b"\xff\xda")
    return scan >= 0 and content.find(b"\xff\xd9", scan) >= 0
