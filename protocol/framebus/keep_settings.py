"""The settings of how long and how much is kept: durations, sizes, and recordings by what they show."""

from typing import Annotated

from msgspec import Meta, Struct

from framebus.messages import END

Duration = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?[smhd]$" + END)]
"""a number and s, m, h or d: `seconds` reads it"""
Size = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)? ?(MB|GB|TB)$" + END)]
"""a number and MB, GB or TB: `size_bytes` reads it"""
LEAST_MAX = "10MB"


class KeepByKind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how long recordings are kept by what they show."""

    all: Duration
    """whatever they show"""
    motion: Duration | None = None
    """where something moves; default: as `all`"""
    objects: Duration | None = None
    """where there is an object, as `framebus events` lists them, and where nobody looked; default: as `motion`"""

    def __post_init__(self) -> None:
        if self.motion is not None and seconds(self.motion) < seconds(self.all):
            raise ValueError(f"motion: {self.motion} is shorter than all: {self.all}; all is kept at least so long")
        if self.objects is not None and seconds(self.objects) < seconds(self.motion or self.all):
            name, shorter = ("all", self.all) if self.motion is None else ("motion", self.motion)
            raise ValueError(f"objects: {self.objects} is shorter than {name}: {shorter}; what has objects moves, too")


class Recordings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recordings of all cameras together."""

    max: Size | None = None
    """what they may take, as in 800GB; beyond it the oldest go before their time; default: as much as the disk has"""

    def __post_init__(self) -> None:
        if self.max is not None and size_bytes(self.max) < size_bytes(LEAST_MAX):
            raise ValueError(f"max: {self.max} holds no recordings; give them at least {LEAST_MAX}")


def seconds(duration: str) -> float:
    """A duration such as `90s`, `15m`, `2h` or `7d` in seconds; raises ValueError.

    >>> seconds("2h")
    7200.0
    """
    units = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
    if not duration or duration[-1] not in units:
        raise ValueError(f"{duration!r} is no duration; write a number and s, m, h or d, as in 90s")
    return float(duration[:-1]) * units[duration[-1]]


def size_bytes(size: str) -> float:
    """A size such as `800GB` in bytes; raises ValueError.

    >>> size_bytes("1.5 TB")
    1500000000000.0
    """
    units = {"MB": 1e6, "GB": 1e9, "TB": 1e12}
    if size[-2:] not in units:
        raise ValueError(f"{size!r} is no size; write a number and MB, GB or TB, as in 800GB")
    return float(size[:-2]) * units[size[-2:]]
