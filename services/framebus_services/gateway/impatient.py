"""HTTP connections that must say what they want: one that only holds the line is cut."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""for the whole head of a connection's first request"""


class ImpatientProtocol(H11Protocol):
    """As uvicorn's own, which waits for ever for the rest of a head."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._limit = self.loop.call_later(HEAD_S, self._cut_if_nothing_is_asked)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._cancel()  # from here on the connection belongs to another protocol
        super().handle_websocket_upgrade(event)

    def _cut_if_nothing_is_asked(self) -> None:
        has_asked = bool(self.cycle)  # None before the first request, whatever its annotation says
        if not has_asked and not self.transport.is_closing():
            self.transport.abort()

    def _cancel(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
