"""A camera by HTTP for tests: MJPEG, files with ranges, playlists, and each way in which such a server fails."""

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from media import picture

WIDTH, HEIGHT = 320, 240
BOUNDARY = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"


def jpeg(number: int) -> bytes:
    """The numbered picture of `media`."""
    bgr = cv2.cvtColor(picture(number, WIDTH, HEIGHT), cv2.COLOR_YUV2BGR_I420)
    return bytes(np.asarray(cv2.imencode(".jpg", bgr)[1]))


class WebCamera:
    """Serves `/video.mjpg` at 20 pictures a second, and `pages` by their paths."""

    def __init__(self, pages: Mapping[str, bytes] | None = None, *, host: str = "127.0.0.1", login: str = "") -> None:
        self.pages = dict(pages or {})
        self.redirects: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.is_cut = False
        """whether streams end, and files stop in the middle"""
        self.is_mute = threading.Event()
        self.asked: list[str] = []
        self.login = login
        """what the header Authorization must be"""
        self._server = _Server((host, 0), self)
        self.port = self._server.server_port
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="web camera")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_cut = True
        self.is_mute.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], camera: WebCamera) -> None:
        super().__init__(address, _Handler)
        self.camera = camera

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        camera, path = self.server.camera, self.path.partition("?")[0]
        camera.asked.append(path)
        if camera.login and self.headers.get("Authorization") != camera.login:
            self._answer(401, {"WWW-Authenticate": 'Basic realm="camera"'})
        elif path in camera.redirects:
            self._answer(302, {"Location": camera.redirects[path]})
        elif path in camera.statuses:
            self._answer(camera.statuses[path], {})
        elif path == "/mute":
            camera.is_mute.wait(30.0)
        elif path == "/video.mjpg":
            self._stream()
        elif path in camera.pages:
            self._file(camera.pages[path])
        else:
            self._answer(404, {})

    def _answer(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        self._answer(200, {"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        number = 0
        while not self.server.camera.is_cut:
            picture = jpeg(number)
            self.wfile.write(BOUNDARY % (len(picture), picture))
            number += 1
            time.sleep(0.05)

    def _file(self, content: bytes) -> None:
        first, last = 0, len(content) - 1
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            begin, _, end = wanted.removeprefix("bytes=").partition("-")
            first, last = int(begin), int(end) if end else last
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        piece = content[first : last + 1]
        self.wfile.write(piece[: len(content) // 2] if self.server.camera.is_cut else piece)


def playlist_of(folder: Path) -> dict[str, bytes]:
    """The pages of a video that was written as `live.m3u8` and its pieces into a folder."""
    return {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}
