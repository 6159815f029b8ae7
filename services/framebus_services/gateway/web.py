"""The web server on a thread of its own: it has an asyncio loop there, while the bus turns on the main thread."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from framebus.bus import Bus
from framebus_services.gateway.farewell import FarewellProtocol
from framebus_services.gateway.impatient import ImpatientProtocol
from framebus_services.gateway.listening import BACKLOG

log = logging.getLogger(__name__)

PULSE_S = 1.0
LATE_S = 0.01
"""what is less late is not worth telling, and telling it would wake everybody each second"""
STUCK_S = 3.0
START_S = 10.0
CUT_S = 0.8
"""for requests at work when the server stops, and for who takes nothing; then they are cut"""
GRACE_S = 1
"""uvicorn's own limit for them, with a traceback for each; whole seconds"""
STOP_S = 4.0
SPARE_CONNECTIONS = 256
"""beyond the clients that stay: page files, pictures, requests"""
IDLE_S = 15
"""a connection on which nothing is asked is closed after so long"""


class Web:
    """Serves an application until `stop`."""

    def __init__(self, bus: Bus, listening: socket.socket, make: Callable[[], ASGIApp], max_clients: int) -> None:
        """`make` builds the application, in the loop that will run it."""
        self._bus = bus
        self._listening = listening
        self._make = make
        self._max_connections = max_clients + SPARE_CONNECTIONS
        self._server: _Server | None = None
        self._pulse_s = time.monotonic()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self.loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Returns when the loop turns; raises RuntimeError when it does not."""
        self._thread.start()
        if not self._is_up.wait(START_S):
            raise RuntimeError("the web server does not start")

    def is_healthy(self) -> bool:
        """Whether its loop turns."""
        return self._thread.is_alive() and time.monotonic() - self._pulse_s < STUCK_S

    def stop(self) -> None:
        """Close all connections, within STOP_S."""
        if self._server is not None:
            self._server.should_exit = True
            if self.loop is not None and not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self._server.woken.set)
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            log.warning("the web server still has connections after %.0f s; they are cut", STOP_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self._patient(self._make()),
            loop="none",
            http=ImpatientProtocol,
            ws=FarewellProtocol,
            ws_max_size=64 * 1_024,
            ws_max_queue=8,
            ws_per_message_deflate=False,  # costs memory for each client, and the network is near
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=self._max_connections,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=32 * 1_024,
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._server = _Server(config, self._note_pulse)
        await self._server.serve(sockets=[self._listening])

    def _patient(self, app: ASGIApp) -> ASGIApp:
        """An application whose work may be cut when the server stops, without a word in the log."""

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if self._server is None or not self._server.should_exit:
                    raise

        return run

    def _note_pulse(self, late_s: float) -> None:
        """The loop turns."""
        self._pulse_s = time.monotonic()
        self._is_up.set()
        if late_s > LATE_S:
            self._bus.stats.observe("loop_late", late_s)


class _Server(uvicorn.Server):
    """Wakes once a second, not ten times; who stops it sets `woken`."""

    def __init__(self, config: uvicorn.Config, on_pulse: Callable[[float], None]) -> None:
        super().__init__(config)
        self.woken = asyncio.Event()
        self._on_pulse = on_pulse

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timer = asyncio.get_running_loop().call_later(CUT_S, self._cut)
        await super().shutdown(sockets)
        timer.cancel()

    def _cut(self) -> None:
        """What is at work still has no end that would come soon."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, FarewellProtocol | ImpatientProtocol):
                connection.cut()
        for task in self.server_state.tasks:
            task.cancel()

    async def main_loop(self) -> None:
        due_s = time.monotonic()
        while not await self.on_tick(0):
            self._on_pulse(time.monotonic() - due_s)
            due_s = time.monotonic() + PULSE_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PULSE_S):
                    await self.woken.wait()
