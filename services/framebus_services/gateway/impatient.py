"""HTTP connections that must say what they want: one that only holds the line is cut."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HEAD_S = 10.0
"""for the whole head of each request, from the connection on or from its first byte"""


class ImpatientProtocol(H11Protocol):
    """As uvicorn's own, which waits for ever for the rest of a head."""

    _limit: asyncio.TimerHandle | None = None
    _before: RequestResponseCycle | None = None
    """the last request when the limit began"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        is_between = bool(self.cycle) and self.cycle.response_complete and self.timeout_keep_alive_task is None
        if is_between and self._before is not self.cycle:  # a part of the next head
            self._begin()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._cancel()  # from here on the connection belongs to another protocol
        super().handle_websocket_upgrade(event)

    def cut(self) -> None:
        """An answer that has begun ends here; one that has not may still say that the server stops."""
        if self.cycle and self.cycle.response_started:
            self.transport.abort()

    def _begin(self) -> None:
        self._cancel()
        self._before = self.cycle  # None before the first request, whatever its annotation says
        self._limit = self.loop.call_later(HEAD_S, self._cut_if_nothing_is_asked)

    def _cut_if_nothing_is_asked(self) -> None:
        if self.cycle is self._before and not self.transport.is_closing():
            self.transport.abort()

    def _cancel(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
