"""For how long a camera's recordings are kept, by what they show; and the note of it beside them, `.keep`."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from framebus.keep_settings import KeepByKind, seconds
from framebus.recordings import recordings_folder
from framebus.replacing import replacing
from framebus.settings import Record
from framebus.shown import Shown

KEEP_NAME = ".keep"


@dataclass(frozen=True)
class Keep:
    """Times in seconds, each at least as long as the one before."""

    all_s: float
    motion_s: float
    objects_s: float

    @classmethod
    def of(cls, setting: str | KeepByKind) -> "Keep":
        """As it stands in the configuration; raises ValueError."""
        return cls(*map(seconds, words_of(setting)))

    @classmethod
    def whatever(cls, keep_s: float) -> "Keep":
        """So long whatever they show."""
        return cls(keep_s, keep_s, keep_s)

    @property
    def longest_s(self) -> float:
        return self.objects_s

    @property
    def is_by_kind(self) -> bool:
        return self.all_s < self.objects_s

    def wanted_s(self, shown: Shown) -> float:
        """How long a recording is kept that shows this; of what nobody knows, as long as any.

        >>> Keep(1.0, 2.0, 3.0).wanted_s(Shown.UNKNOWN)
        3.0
        """
        return {Shown.NOTHING: self.all_s, Shown.MOTION: self.motion_s}.get(shown, self.objects_s)


def words_of(setting: str | KeepByKind) -> tuple[str, str, str]:
    """The times as they are written: of all, of motion, of objects.

    >>> words_of("7d")
    ('7d', '7d', '7d')
    """
    if isinstance(setting, str):
        return setting, setting, setting
    motion = setting.motion or setting.all
    return setting.all, motion, setting.objects or motion


def write_keep(data: Path, camera: str, keep: str | KeepByKind) -> None:
    """Note beside the recordings of a camera for how long they are kept, as in `7d`; raises OSError."""
    folder = recordings_folder(data, camera)
    folder.mkdir(parents=True, exist_ok=True)
    note = keep.encode() if isinstance(keep, str) else msgspec.json.encode(keep)
    with replacing(folder / KEEP_NAME) as file:
        file.write(note + b"\n")


def read_keep(data: Path, camera: str) -> Keep:
    """For how long the recordings of a camera were last to be kept; without a readable note the default."""
    try:
        note = (recordings_folder(data, camera) / KEEP_NAME).read_text().strip()
        setting = msgspec.json.decode(note, type=KeepByKind) if note.startswith("{") else note
        return Keep.of(setting)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return Keep.of(Record().keep)
