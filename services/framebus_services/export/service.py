"""The export service: leases clip jobs and makes the clips."""

from datetime import tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.runner import Worker
from framebus.settings import ExportSettings
from framebus_services.export.clip import Clip
from framebus_services.export.planner import Planner


class Export:
    """Makes clips, as many at a time as it has slots."""

    def __init__(self, bus: Bus) -> None:
        settings = bus.settings(ExportSettings)
        clip = Clip(data=bus.place.data, clock=bus.clock, zone=_zone(settings.timezone), settings=settings)
        self._planner = Planner(bus)
        self._worker = Worker(bus, [clip], slots=settings.slots)

    def stop(self) -> None:
        """Hand back the clips at work; the next worker begins them anew."""
        self._planner.stop()
        self._worker.stop()

    def is_healthy(self) -> bool:
        return self._worker.is_healthy() and self._planner.is_healthy()


def _zone(name: str) -> tzinfo | None:
    """The time zone of that name; None is the machine's."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError([f"timezone: {name!r} is not known; write one like Europe/Berlin"]) from None
