"""The gateway process: the bus on the main thread, the web on another, and what goes between them."""

import os

import msgspec
from starlette.types import ASGIApp

from framebus.access import AccessFile, Reach, Role, reach_file
from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.messages import ConfigChanged
from framebus.replacing import replacing
from framebus.settings import GatewaySettings
from framebus_services.gateway.app import make_app
from framebus_services.gateway.desk import Desk
from framebus_services.gateway.hub import Hub
from framebus_services.gateway.inbox import Inbox
from framebus_services.gateway.listening import address_of, listen
from framebus_services.gateway.table import ROUTES
from framebus_services.gateway.web import Web


class Gateway:
    """Shows the group to browsers and curl."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._settings = bus.settings(GatewaySettings)
        try:
            AccessFile(bus.place.data).give(Role.ADMIN)  # there is always a link to come in by
        except ValueError as error:
            raise ConfigError([str(error)]) from None
        listening = listen(self._settings, bus.place.run)
        self._reach = reach_file(bus.place.run)
        address = address_of(self._settings, listening.getsockname()[1])
        with replacing(self._reach) as file:
            file.write(msgspec.json.encode(Reach(address=address, data=str(bus.place.data), pid=os.getpid())))
        self._inbox = Inbox(bus)
        self._desk: Desk | None = None
        self._web = Web(bus, listening, self._make, self._settings.max_clients)
        bus.on(ConfigChanged, self._note_cameras, section="cameras")
        self._web.start()

    def is_healthy(self) -> bool:
        """False when the web's loop stands."""
        return self._web.is_healthy()

    def stop(self) -> None:
        """Close all connections, within 5 s."""
        self._reach.unlink(missing_ok=True)
        if self._desk is not None:
            self._desk.is_open = False
        self._web.stop()
        if self._desk is not None:
            self._desk.pool.close()

    def _make(self) -> ASGIApp:
        """On the web's thread."""
        hub = Hub(self._bus, self._inbox)
        desk = self._desk = Desk(self._bus, self._settings, hub)
        desk.routes = ROUTES
        assert self._web.loop is not None
        self._inbox.connect(self._web.loop, hub.take)
        return make_app(desk)

    def _note_cameras(self, changed: ConfigChanged) -> None:
        desk, loop = self._desk, self._web.loop
        value = msgspec.msgpack.decode(bytes(changed.value))
        if isinstance(value, dict) and desk is not None and loop is not None and desk.is_open:
            loop.call_soon_threadsafe(setattr, desk, "cameras", [str(name) for name in value])
