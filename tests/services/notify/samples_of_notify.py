"""What the tests of notify tell of: an object, a camera, a notification."""

from typing import Any

from framebus.messages import Box, CameraState, CameraStatus, ObjectEvent, Phase
from framebus_services.notify.contract import Kind, NotifyParams

NOW_AT_S = 1_790_000_000.0


def object_event(**changes: Any) -> ObjectEvent:
    given: dict[str, Any] = {
        "camera": "front_door",
        "id": "1790000000250-00c0de",
        "phase": Phase.START,
        "label": "person",
        "score": 0.8,
        "box": Box(x=1, y=2, width=30, height=40),
        "since_at_s": NOW_AT_S,
        "captured_at_s": NOW_AT_S,
        "number": 7,
    }
    return ObjectEvent(**given | changes)


def camera_status(state: CameraState, **changes: Any) -> CameraStatus:
    given: dict[str, Any] = {"camera": "front_door", "state": state, "since_at_s": NOW_AT_S}
    return CameraStatus(**given | changes)


def notification(**changes: Any) -> NotifyParams:
    given: dict[str, Any] = {
        "to": "phone",
        "text": "Person at Front Door (porch)",
        "kind": Kind.OBJECT,
        "camera": "front_door",
        "label": "person",
        "score": 0.8125,
        "zones": ["porch"],
        "object_id": "1790000000250-00c0de",
        "since_at_s": NOW_AT_S,
    }
    return NotifyParams(**given | changes)
