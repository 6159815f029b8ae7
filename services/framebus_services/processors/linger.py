"""Tells when an object stays for long: somebody who waits at a door, a car that stands in the drive."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from framebus.frame import Frame
from framebus.messages import Finding, Name, ObjectEvent
from framebus.processor import Processor

Seconds = Annotated[float, Meta(gt=0.0, le=86_400.0)]

LEFT_S = 2.0
"""who is seen outside for so long has left a zone: boxes tremble, and who stands at its border did not leave"""
ANYWHERE = "anywhere"


@dataclass(kw_only=True, slots=True)
class _Stay:
    """One object in one zone; times are of frames, in seconds since the machine started."""

    since_s: float
    inside_s: float
    is_told: bool = False


class Linger(Processor):
    def __init__(
        self, after_s: Seconds = 30.0, zones: list[Name] | None = None, labels: list[str] | None = None
    ) -> None:
        self._after_s = after_s
        self._zones = zones  # None: wherever in the picture
        self._labels = labels  # None: all
        self._stays: dict[str, dict[str, _Stay]] = {}  # object, zone

    def process_object(self, object: ObjectEvent, frame: Frame) -> Iterator[Finding]:
        if self._labels is not None and object.label not in self._labels:
            return
        at_s = frame.captured_boot_ns / 1e9
        stays = self._stays.setdefault(object.id, {})
        zones = [ANYWHERE] if self._zones is None else [zone for zone in object.zones if zone in self._zones]
        for zone in [zone for zone in stays if zone not in zones and at_s - stays[zone].inside_s > LEFT_S]:
            del stays[zone]
        for zone in zones:
            stay = stays.setdefault(zone, _Stay(since_s=at_s, inside_s=at_s))
            stay.inside_s = at_s
            if not stay.is_told and at_s - stay.since_s >= self._after_s:
                stay.is_told = True
                yield _finding(object, zone, at_s - stay.since_s)

    def expire_object(self, id: str, camera: str) -> None:
        self._stays.pop(id, None)


def _finding(object: ObjectEvent, zone: str, stayed_s: float) -> Finding:
    return Finding(
        processor="linger",
        camera=object.camera,
        label=zone,
        value=round(stayed_s, 1),
        object_id=object.id,
        box=object.box,
        data=msgspec.Raw(msgspec.msgpack.encode({"object": object.label})),
    )
