"""What cameras were measured to send when they were added: `<data>/measured.json`, for estimates of the disk."""

import hashlib
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from framebus.replacing import replacing
from framebus.source_report import SourceReport

FILE = "measured.json"


class Measured(Struct, frozen=True, kw_only=True):
    """One camera's main stream."""

    mark: str
    """of the source as the configuration has it: another one was not measured"""
    bytes_per_s: float
    width: int
    height: int
    fps: float
    at_s: float

    @classmethod
    def of(cls, report: SourceReport, mark: str) -> "Measured":
        return cls(
            mark=mark,
            bytes_per_s=report.bytes_per_s,
            width=report.width,
            height=report.height,
            fps=report.fps,
            at_s=time.time(),
        )


def mark_of(source: str) -> str:
    """What tells this source, as it is written, from others."""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


class MeasuredFile:
    """The file in one data folder. It is a help only: where it cannot be read or written, nothing is known."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE

    def find(self) -> dict[str, Measured]:
        """By camera."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Measured])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}

    def note(self, camera: str, measured: Measured) -> None:
        """Add or replace one."""
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as file:
                file.write(msgspec.json.encode({**self.find(), camera: measured}))
