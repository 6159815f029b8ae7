"""Opens videos of any origin for reading: a text in them that is no UTF-8 keeps nobody from their pictures."""

import av
from av.container import InputContainer

BY_INDEX = {"probesize": "32", "skip_frame": "all"}
"""Options for an MP4, whose index tells all there is to know: without them FFmpeg decodes a picture as it opens it,
which takes 2 to 70 times as long. What is decoded later is not concerned."""
IS_STRICT = int(av.__version__.partition(".")[0]) < 19
"""PyAV raises UnicodeDecodeError if not asked to replace; from 19 on it takes any bytes, and can't be asked."""


def open_video(
    url: str,
    *,
    format: str | None = None,
    options: dict[str, str] | None = None,
    timeout: tuple[float, float] | None = None,
) -> InputContainer:
    """As av.open; `timeout` is seconds to connect and to read. Raises OSError or av.FFmpegError."""
    if IS_STRICT:
        return av.open(url, format=format, options=options, timeout=timeout, metadata_errors="replace")
    return av.open(url, format=format, options=options, timeout=timeout)
