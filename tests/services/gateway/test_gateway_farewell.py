"""How the web server parts from those who are connected, whatever they do just then."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.frames import Frame, Opcode

from framebus.testing import FakeBus
from framebus_services.gateway.web import Web

LIMIT_S = 10.0
LARGE = b"x" * 8_000_000
"""more than the buffers of both ends take"""
HEAD = "GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
FAREWELL = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)


class Served:
    """A web server whose applications send more than anybody takes."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "file"
        with self.file.open("wb") as file:
            file.truncate(1_000_000_000)  # it takes no room on the disk
        self.heard = threading.Event()
        """the application knows that the other end has gone"""
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.web = Web(FakeBus("gateway"), self.listening, self._app, max_clients=8)
        self.web.start()

    def _app(self) -> ASGIApp:
        return Starlette(routes=[WebSocketRoute("/ws", self._news), Route("/file", self._file)])

    async def _news(self, opened: WebSocket) -> None:
        await opened.accept()
        with contextlib.suppress(WebSocketDisconnect):
            await opened.send_bytes(LARGE)
            await opened.receive()
            self.heard.set()
            await opened.send_bytes(b"more")

    async def _file(self, request: Request) -> FileResponse:
        return FileResponse(self.file)

    def connect(self, path: str, more: str = "") -> socket.socket:
        """Ask, and read the first byte of the answer."""
        made = socket.create_connection(self.address, timeout=LIMIT_S)
        made.sendall(HEAD.format(path=path, more=more).encode())
        assert made.recv(1) == b"H"
        return made


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.web.stop()


def say_farewell(served: Served) -> socket.socket:
    """A WebSocket that is being closed: it has said so, and has yet to take what was sent to it."""
    leaving = served.connect("/ws", UPGRADE)
    leaving.sendall(FAREWELL)
    assert served.heard.wait(LIMIT_S)
    return leaving


@pytest.mark.parametrize(
    "connect",
    [
        say_farewell,
        lambda served: served.connect("/ws", UPGRADE),
        lambda served: served.connect("/file"),
        lambda served: served.connect("/ws", UPGRADE + f"X-Long: {'x' * 9_000}\r\n"),
    ],
    ids=["one that is being closed", "one that takes nothing", "a download", "one that was refused"],
)
def test_the_server_stops_beside_any_connection_without_a_word_in_the_log(
    served: Served, connect: Callable[[Served], socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    with connect(served):
        served.web.stop()

    assert not served.web.is_healthy()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_websocket_with_a_header_that_is_too_long_is_told_and_cut(served: Served) -> None:
    with served.connect("/ws", UPGRADE + f"X-Long: {'x' * 9_000}\r\n") as refused:
        answer = b""
        while part := refused.recv(10_000):
            answer += part

    assert answer.startswith(b"TTP/1.1 431 ")
