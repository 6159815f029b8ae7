"""Tells how many objects each camera has seen, each so many seconds."""

from collections import Counter

from msgspec import Struct

from framebus import Bus, Finding, ObjectEvent, Phase


class Hello:
    class settings_type(Struct, forbid_unknown_fields=True):  # noqa: N801  framebus looks for this name
        period_s: float = 10.0

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen: Counter[str] = Counter()
        bus.on(ObjectEvent, self._note)
        bus.every(bus.settings(self.settings_type).period_s, self._tell)

    def _note(self, event: ObjectEvent) -> None:
        self._seen[event.camera] += event.phase is Phase.START

    def _tell(self) -> None:
        for camera, count in self._seen.items():
            self._bus.publish(Finding(processor="hello", camera=camera, label="objects", value=float(count)))
