"""What all WebSockets share: who comes in, why one is closed, and what happens to who takes nothing."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from framebus.errors import RefusedError
from framebus_services.gateway.authority import Subject
from framebus_services.gateway.desk import Desk
from framebus_services.gateway.guard import authenticate, check_origin, check_rate
from framebus_services.gateway.refusals import HttpError, status_of

SLOW_S = 10.0
CHECK_S = 5.0
"""so often it is asked whether the token still holds"""
MAX_REASON_BYTES = 120
CODES = {401: 4401, 403: 4403, 404: 4404, 429: 4429, 503: 4429}
"""by the status that HTTP would have"""


class ClosedError(Exception):
    """This client is to be sent away."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Door:
    """One WebSocket route; what it does with who came in is in `serve`."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def enter(self, socket: WebSocket) -> None:
        """Accept, so that a page can read why it is refused; then serve until one of both has enough."""
        await socket.accept()
        try:
            try:
                check_origin(self.desk, socket)
                subject = authenticate(self.desk, socket)
                check_rate(self.desk, subject)
                with self.desk.seats.one():
                    await self.serve(socket, subject)
            except (HttpError, RefusedError) as error:
                status, refused = status_of(error)
                raise ClosedError(CODES.get(status, 1008), refused.message) from None
        except ClosedError as closed:
            self.desk.bus.stats.count(f"closed.{closed.code}")
            await self._close(socket, closed)
        except WebSocketDisconnect:
            pass

    async def serve(self, socket: WebSocket, subject: Subject) -> None:
        raise NotImplementedError

    def check(self, subject: Subject) -> None:
        """Raises ClosedError when this client may not stay."""
        if not self.desk.is_open:
            raise ClosedError(1012, "the gateway stops; connect again")
        if not self.desk.still_good(subject):
            raise ClosedError(4401, "the token was revoked")

    async def both(self, send: Awaitable[None], receive: Awaitable[None]) -> None:
        """Do both until one ends; its error is raised."""
        tasks = [asyncio.ensure_future(send), asyncio.ensure_future(receive)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def heard(self, socket: WebSocket) -> Message:
        """What a client says next; raises WebSocketDisconnect at its end."""
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return message

    async def put(self, send: Callable[[], Awaitable[None]]) -> None:
        """Send a frame; raises ClosedError when the client does not take it."""
        try:
            async with asyncio.timeout(SLOW_S):
                await send()
        except TimeoutError:
            raise ClosedError(4408, f"too slow: nothing was taken for {SLOW_S:.0f} s") from None

    async def _close(self, socket: WebSocket, closed: ClosedError) -> None:
        if socket.application_state is WebSocketState.CONNECTED:
            reason = closed.reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(1.0):  # who takes nothing takes no farewell either
                    await socket.close(closed.code, reason)
