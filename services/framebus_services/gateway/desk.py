"""What the routes work with: the same for all of them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct
from starlette.requests import Request

from framebus.access import AccessFile
from framebus.bus import Bus
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import CameraState
from framebus.place import Place
from framebus.settings import GatewaySettings
from framebus_services.gateway.authority import Action, Subject, Thing, authorise
from framebus_services.gateway.bucket import Buckets
from framebus_services.gateway.hub import Hub
from framebus_services.gateway.live_hub import LiveHub
from framebus_services.gateway.pictures import Pictures
from framebus_services.gateway.pool import Pool
from framebus_services.gateway.seats import Seats
from framebus_services.gateway.sessions import Sessions

ASKS_PER_S = 60.0
ASKS_AT_ONCE = 300.0
WRONG_PER_S = 1.0
WRONG_AT_ONCE = 20.0


class Desk:
    """For the loop's thread alone, but for `bus`."""

    def __init__(self, bus: Bus, settings: GatewaySettings, hub: Hub) -> None:
        self.bus = bus
        self.place: Place = bus.place
        self.settings = settings
        self.cameras: list[str] = list(settings.cameras)
        """in the order of the configuration"""
        self.hub = hub
        self.pool = Pool(bus)
        self.live = LiveHub(bus)
        self.pictures = Pictures(bus, self.pool)
        self.seats = Seats(settings.max_clients, bus.stats)
        self.access = AccessFile(bus.place.data)
        self.sessions = Sessions(self.access, str(bus.place.data))
        self.asks = Buckets(ASKS_PER_S, ASKS_AT_ONCE, time.monotonic)
        self.wrong = Buckets(WRONG_PER_S, WRONG_AT_ONCE, time.monotonic)
        """tries with a wrong token, by address"""

        self.routes: Sequence[Any] = ()
        """the table, for the document that describes it"""
        self.is_open = True

    def still_good(self, subject: Subject) -> bool:
        """Whether the token that somebody came with still holds."""
        return any(grant.id == subject.id for grant in self.access.grants())

    def all_cameras(self) -> list[str]:
        """Those of the configuration, then those that only upload files, as far as they were heard."""
        heard = [item.body for item in self.hub.under("camera/") if item.body.get("state") == CameraState.UPLOAD]
        return [*self.cameras, *(body["camera"] for body in heard if body["camera"] not in self.cameras)]

    def check_camera(self, camera: str) -> None:
        """Raises RefusedError for a camera that is none, or that has no picture of now."""
        if camera in self.cameras:
            return
        is_upload = camera in self.all_cameras()
        text = f"{camera} uploads files; it has no picture of now" if is_upload else f"there is no camera {camera}"
        raise RefusedError(ErrorCode.NOT_FOUND, text)

    @property
    def root(self) -> str:
        """The path of the page, as in `/` or `/cameras/`."""
        return f"{self.settings.prefix}/"


@dataclass
class Call:
    """One request, checked and read."""

    desk: Desk
    request: Request
    subject: Subject
    path: dict[str, str]
    query: Any
    body: Any
    action: Action
    is_authorised: bool = field(default=False, init=False)

    def authorise(self, thing: Thing) -> None:
        """Raises RefusedError when the one who asks may not do this to `thing`; every route calls it."""
        authorise(self.subject, self.action, thing)
        self.is_authorised = True


class Nothing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters, or no fields."""
