"""A gateway for a test: the real web server on a free port, on a bus whose news and peers are the test's."""

import dataclasses
import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from framebus.access import AccessFile, Reach, Role, find_reach
from framebus.messages import CameraState, CameraStatus
from framebus.testing import FakeBus
from framebus_services.gateway.service import Gateway

LIMIT_S = 10.0
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Rig:
    """A gateway of a group with the cameras `front` and `back`, and one token of each kind."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.data = folder / "data"
        given = {"cameras": ["front", "back"], "port": 0, **settings}
        self.bus = FakeBus("gateway", data=self.data, settings=json.dumps(given).encode())
        self.bus.place = dataclasses.replace(self.bus.place, run=folder)
        self.access = AccessFile(self.data)
        self.gateway = Gateway(self.bus)
        self.admin = self.access.give(Role.ADMIN).token
        self.viewer = self.access.give(Role.VIEWER).token
        self.front_viewer = self.access.give(Role.VIEWER, ["front"]).token
        reach = find_reach(folder)
        assert isinstance(reach, Reach)
        self.address = reach.address
        self.host = self.address.removeprefix("http://").partition("/")[0]

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request by a connection of its own; a dict as `body` is sent as JSON."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict | list):
            sent.setdefault("Content-Type", JSON)
            body = json.dumps(body)
        connection = http.client.HTTPConnection(self.host, timeout=LIMIT_S)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
            )
        finally:
            connection.close()

    def get(self, path: str, token: str | None = None) -> Any:
        """The JSON of a path that is answered with 200, for an admin by default."""
        answer = self.ask(path, token=token or self.admin)
        assert answer.status == 200, answer
        return answer.json

    def open(self, path: str, token: str) -> http.client.HTTPConnection:
        """A connection on which a request was made; its answer may have no end."""
        connection = http.client.HTTPConnection(self.host, timeout=LIMIT_S)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection

    @contextmanager
    def socket(self, path: str, token: str | None = None, **headers: str) -> Iterator[ClientConnection]:
        sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
        with connect(f"ws://{self.host}{path}", additional_headers={**sent, **headers}, proxy=None) as socket:
            yield socket

    def show_camera(self, camera: str = "front", **more: Any) -> None:
        """A camera says how it is, and the gateway has heard it."""
        status = camera_status(camera, **more)
        self.bus.deliver(status, src=f"capture@{camera}")
        self.until(lambda: self._status(camera) is not None, f"{camera} was heard")

    def _status(self, camera: str) -> Any:
        return next(one["status"] for one in self.get("/api/cameras")["cameras"] if one["name"] == camera)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < end_s, f"not within {LIMIT_S:.0f} s: {what}"
            self.bus.settle()
            time.sleep(0.01)

    def close(self) -> None:
        self.gateway.stop()


def camera_status(camera: str, **more: Any) -> CameraStatus:
    given = {"state": CameraState.ONLINE, "codec": "h264", "since_at_s": 1.0, **more}
    return CameraStatus(camera=camera, **given)


def messages_of(socket: ClientConnection, limit_s: float = LIMIT_S) -> list[dict[str, Any]]:
    """What the next frame holds."""
    found = json.loads(socket.recv(limit_s))
    return found if isinstance(found, list) else [found]


def read_until(
    socket: ClientConnection, holds: Callable[[dict[str, Any]], bool], limit_s: float = LIMIT_S
) -> list[dict[str, Any]]:
    """All messages up to and with the first for which it holds."""
    end_s = time.monotonic() + limit_s
    read: list[dict[str, Any]] = []
    while True:
        for message in messages_of(socket, max(0.01, end_s - time.monotonic())):
            read.append(message)
            if holds(message):
                return read
