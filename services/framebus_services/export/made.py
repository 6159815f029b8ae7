"""What stands in one file of a clip; and how the ways of making one are told what to make."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.container import OutputContainer

from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus_services.export.pace import Pace
from framebus_services.export.source import SegmentError, Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Range:
    """What of the recordings becomes one file."""

    camera: str
    sources: Sequence[Source]
    start_s: float
    until_s: float
    with_audio: bool
    skips_broken: bool
    """leave out what can't be read, and warn; else it ends the job"""

    @property
    def exact_start_s(self) -> Fraction:
        return exact(self.start_s)

    @property
    def exact_until_s(self) -> Fraction:
        return exact(self.until_s)

    @contextmanager
    def reading(self, warnings: list[str]) -> Iterator[None]:
        """One of its segments is read: a SegmentError ends that with a warning, unless it ends the job."""
        try:
            yield
        except SegmentError as error:
            if not self.skips_broken:
                raise
            log.warning("%s: left out the rest: %s", self.camera, error)
            warnings.append(str(error))


@dataclass(frozen=True, kw_only=True)
class Made:
    """One file of a clip."""

    start_at_s: float
    """wall clock of the first picture that is shown"""
    end_at_s: float
    """wall clock at which the last picture ends"""
    duration_s: float
    """how long it plays"""
    frames: int
    """that are shown"""
    hidden_frames: int = 0
    hidden_s: float = 0.0
    key_s: float
    """where in the file a picture stands that may serve as its thumbnail"""
    width: int
    height: int
    codec: str
    has_audio: bool
    encoder: str | None = None
    speed: float = 1.0
    warnings: tuple[str, ...] = ()


class Maker(Protocol):
    """A way of making a file."""

    def write(self, path: Path, title: str | None, pace: Pace) -> Made:
        """Write the file.

        Raises SegmentError where a segment is gone or broken, WorkError, OSError when the disk is full, Stopped.
        """
        ...


def open_file(path: Path, title: str | None) -> OutputContainer:
    """A new file of a clip."""
    output = av.open(str(path), "w", format="mp4")
    if title:
        output.metadata["title"] = title
    return output


def nothing_found(what: str, warnings: Sequence[str]) -> WorkError:
    """What to raise where a file would be empty."""
    return WorkError(FailKind.NO_SOURCE, "; ".join([f"there is no {what} in the range", *warnings[:1]]))


def exact(at_s: float) -> Fraction:
    """A wall time without the noise of floats: to the millisecond, as the names of segments."""
    return Fraction(round(at_s * 1_000), 1_000)
