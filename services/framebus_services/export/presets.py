"""The presets of encoding: a closed table; nobody hands an option to the encoder. No video imports."""

from dataclasses import dataclass
from types import MappingProxyType

from framebus_services.export.params import Preset


@dataclass(frozen=True)
class Quality:
    """How a preset encodes."""

    max_width: int | None
    """None: as recorded; nothing is ever made larger"""
    crf: int
    """constant quality of H.264 in software: less is better, and larger"""
    speed: str
    """of the software encoder: slower is smaller"""
    bits_per_pixel: float
    """about; what a hardware encoder is told, and how large a clip is thought to become"""

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """The even width and height of a picture of this preset.

        >>> PRESETS[Preset.SMALL].size_of(1920, 1080)
        (640, 360)
        """
        scale = min(1.0, (self.max_width or width) / width)
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)

    def estimated_bytes(self, width: int, height: int, frames: float) -> int:
        """About how large so many pictures become."""
        across, down = self.size_of(width, height)
        return round(across * down * frames * self.bits_per_pixel / 8)


PRESETS = MappingProxyType(
    {
        Preset.SMALL: Quality(max_width=640, crf=28, speed="veryfast", bits_per_pixel=0.10),
        Preset.HD: Quality(max_width=1_280, crf=25, speed="veryfast", bits_per_pixel=0.12),
        Preset.FULL_HD: Quality(max_width=1_920, crf=24, speed="veryfast", bits_per_pixel=0.12),
        Preset.QUALITY: Quality(max_width=None, crf=19, speed="fast", bits_per_pixel=0.25),
    }
)

TIMELAPSE = Quality(max_width=None, crf=22, speed="veryfast", bits_per_pixel=0.25)
"""of what is sped up: its pictures have little in common"""
