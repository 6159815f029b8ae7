"""What a notification says, in words."""

from framebus.messages import ObjectEvent
from framebus_services.notify.absences import Told


def spoken(name: str) -> str:
    """A name as people say it.

    >>> spoken("front_door")
    'Front Door'
    """
    return " ".join(word.capitalize() for word in name.replace("-", "_").split("_") if word) or name


def object_text(event: ObjectEvent) -> str:
    """As in `Person at Front Door (porch)`."""
    label = event.label[:1].upper() + event.label[1:] if event.label else "Object"
    zones = f" ({', '.join(event.zones)})" if event.zones else ""
    return f"{label} at {spoken(event.camera)}{zones}"[:500]


def camera_text(told: Told, now_at_s: float) -> str:
    """As in `Front Door is away: wrong password`, or `Front Door is back after 5 min`."""
    if told.is_back:
        return f"{spoken(told.camera)} is back after {lasting(max(0.0, now_at_s - told.since_at_s))}"
    return f"{spoken(told.camera)} is away{f': {told.why}' if told.why else ''}"[:500]


def lasting(duration_s: float) -> str:
    """As people say it.

    >>> lasting(42.4), lasting(300.0), lasting(7300.0)
    ('42 s', '5 min', '2 h')
    """
    for unit, size_s in (("h", 3_600.0), ("min", 60.0)):
        if duration_s >= 2 * size_s or (duration_s >= size_s and unit == "min"):
            return f"{duration_s / size_s:.0f} {unit}"
    return f"{duration_s:.0f} s"
