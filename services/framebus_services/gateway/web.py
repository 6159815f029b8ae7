"""The web server on a thread of its own: it has an asyncio loop there, while the bus turns on the main thread."""

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from framebus.bus import Bus
from framebus_services.gateway.impatient import ImpatientProtocol

log = logging.getLogger(__name__)

PULSE_S = 0.25
STUCK_S = 3.0
START_S = 10.0
GRACE_S = 1
"""for requests at work when the server stops; whole seconds"""
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
        self._server: uvicorn.Server | None = None
        self._pulse_s = time.monotonic()
        self._is_up = threading.Event()
        self._is_stopping = False
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
        self._is_stopping = True
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            log.warning("the web server still has connections after %.0f s; they are cut", STOP_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        config = uvicorn.Config(
            self._make(),
            loop="none",
            http=ImpatientProtocol,
            ws="websockets-sansio",
            ws_max_size=64 * 1_024,
            ws_max_queue=8,
            ws_per_message_deflate=False,  # costs memory for each client, and the network is near
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=self._max_connections,
            backlog=128,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=32 * 1_024,
        )
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        self._server = uvicorn.Server(config)
        pulse = asyncio.create_task(self._beat())
        try:
            await self._server.serve(sockets=[self._listening])
        finally:
            pulse.cancel()

    async def _beat(self) -> None:
        """Shows that the loop turns, and how late it is."""
        while not self._is_stopping:
            due_s = time.monotonic() + PULSE_S
            self._is_up.set()
            await asyncio.sleep(PULSE_S)
            self._pulse_s = time.monotonic()
            self._bus.stats.observe("loop_late", max(0.0, self._pulse_s - due_s))
