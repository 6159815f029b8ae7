"""`/live/{camera}`: a camera's video as fragmented MP4, for who looks at it just now."""

import json
from functools import partial

from starlette.websockets import WebSocket

from framebus_services.gateway.authority import Action, OfCamera, Subject, authorise
from framebus_services.gateway.live_reader import LiveReader
from framebus_services.gateway.routes_cameras import live_of, stream_of
from framebus_services.gateway.ws_door import ClosedError, Door

QUIET_S = 2.0
"""without video for so long: say how the camera is"""


class LiveDoor(Door):
    """One reader for each client."""

    async def serve(self, socket: WebSocket, subject: Subject) -> None:
        camera = socket.path_params["camera"]
        authorise(subject, Action.SEE, OfCamera(camera=camera, what=f"camera {camera}"))
        self.desk.check_camera(camera)
        is_small = socket.query_params.get("size") == "small"
        topic = self._topic(camera, is_small=is_small)
        reader = LiveReader()
        self.desk.live.add(topic, reader)
        try:
            await self.both(self._send(socket, subject, camera, topic, reader, is_small), self._receive(socket))
        finally:
            self.desk.live.remove(topic, reader)

    async def _send(
        self, socket: WebSocket, subject: Subject, camera: str, topic: str, reader: LiveReader, is_small: bool
    ) -> None:
        waiting: str | None = None
        while True:
            self.check(subject)
            pieces = await reader.pieces(QUIET_S)
            if not pieces:
                self._check_codec(camera)
            if stream_of(self.desk, camera, is_small=is_small) not in (None, topic):
                raise ClosedError(1012, "another stream of this camera fits now; connect again")
            now = None if pieces else self._state(camera)
            if now != waiting:
                waiting = now
                await self.put(partial(socket.send_text, json.dumps({"waiting": waiting})))
            for piece in pieces:
                is_text = isinstance(piece, str)
                await self.put(partial(socket.send_text if is_text else socket.send_bytes, piece))  # type: ignore[arg-type]

    async def _receive(self, socket: WebSocket) -> None:
        """What a client says here means nothing, but for its end."""
        while True:
            await self.heard(socket)

    def _topic(self, camera: str, *, is_small: bool) -> str:
        """Which stream to take; of a camera that has not come up yet the main one."""
        self._check_codec(camera)
        return stream_of(self.desk, camera, is_small=is_small) or f"live/{camera}/"

    def _check_codec(self, camera: str) -> None:
        if live_of(self.desk, camera) == "mjpeg":
            raise ClosedError(4415, "this camera's video does not go this way; take live.mjpeg")

    def _state(self, camera: str) -> str:
        item = self.desk.hub.states.get(f"camera/{camera}/")
        if item is None or item.is_stale:
            return "offline"
        return str(item.body.get("state", "unknown"))
