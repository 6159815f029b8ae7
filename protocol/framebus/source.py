"""A camera of the user's own: what a source plug-in has to be. Named in the configuration by file or entry point:

source: ./my_camera.py              # or ./my_camera.py:Bench, or plugin:NAME
settings: {exposure_us: 5000}       # the keyword arguments of its constructor
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from framebus.frame import PixelFormat, Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a source. Its pixels are copied before the next one is asked for."""

    pixels: Pixels
    """in the shape of its format: BGR24 (height, width, 3), GRAY8 and BAYER_RGGB8 (height, width), all uint8; GRAY16
    (height, width) uint16, full scale: shift 12 bits by 4; I420 (height * 3 // 2, width) uint8"""
    pts_us: int | None = None
    """the camera's own time in microseconds, as a hardware time stamp; None: the time of its arrival"""
    captured_at_s: float | None = None
    """wall clock, seconds since 1970, where the camera knows it; None: that of its arrival"""
    meta: Mapping[str, float] = field(default_factory=dict)
    """numbers about it, as exposure_us or temperature: the newest of each is a gauge in `stats/`"""


class CameraSource:
    """Derive from it. The constructor takes the settings and must not connect; `open` and `close` come in turns."""

    pixel_format: PixelFormat = PixelFormat.BGR24
    """of all pictures; size and format may be other ones after each `open`"""

    def open(self) -> Iterator[Picture | None]:
        """Connect and give pictures as they come, in a thread of their own; None: nothing yet, but not stuck.

        Silence of 12 s counts as stuck: the process is started anew. Whatever is raised is shown with its file and
        line, and tried again after 1, 2, 4 .. 30 s; so is the end of the pictures.
        """
        raise NotImplementedError(f"{type(self).__name__} must define open()")

    def close(self) -> None:
        """Give back what `open` took. Called after every `open`, and when the process ends while a picture is waited
        for: then from another thread, so as to wake the waiting one; so it may be called twice.
        """
