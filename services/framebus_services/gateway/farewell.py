"""WebSockets that end in good order, whatever their other end does just when the server stops."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class FarewellProtocol(WebSocketsSansIOProtocol):
    """As uvicorn's own, which fails to stop beside one that is being closed, and forgets one that it has refused."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))  # why: a header that is too long, say
            self.transport.close()

    def shutdown(self) -> None:
        """The server stops: say so, to who has not gone already; what the application still sends goes nowhere."""
        if not self.transport.is_closing():  # else a farewell was said, and another would be an error
            super().shutdown()
        self.disconnected = True
        self.writable.set()

    def cut(self) -> None:
        """Now, whatever it has yet to take."""
        self.transport.abort()
