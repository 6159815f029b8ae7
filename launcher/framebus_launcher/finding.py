"""What one check of `framebus doctor` found."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """works, with less than there could be"""
    FAIL = "fail"
    """framebus does not work like this"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    name: str
    text: str
    level: Level = Level.OK
    mend: str = ""


def ok(name: str, text: str) -> Finding:
    return Finding(name=name, text=text)


def warn(name: str, text: str, mend: str) -> Finding:
    return Finding(name=name, text=text, level=Level.WARN, mend=mend)


def fail(name: str, text: str, mend: str) -> Finding:
    return Finding(name=name, text=text, level=Level.FAIL, mend=mend)


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def can_write(folder: Path) -> bool:
    """Whether files can be made there."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def first_line(path: Path) -> str | None:
    """What a file of the kernel says; None where it does not exist or may not be read."""
    try:
        return path.read_text(errors="replace").strip().partition("\n")[0]
    except OSError:
        return None
