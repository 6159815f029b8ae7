"""An endpoint on this machine, OpenAI-compatible where nothing else is said, that behaves as it is told."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Post:
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Endpoint:
    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = json.dumps({"choices": [{"message": {"content": "A red car."}}]}).encode()
        self.delay_s = 0.0
        self.is_mute = False
        self.pause_s = 0.0
        """after each byte"""
        self.asked: list[dict[str, Any]] = []
        """the bodies that are JSON"""
        self.posts: list[Post] = []
        self.asked_at_s: list[float] = []
        """seconds since 1970"""
        self.keys: list[str] = []
        self.next: deque[tuple[int, dict[str, str]]] = deque()
        """status and headers of the next answers, before those that always hold"""
        self.delays_s: deque[float] = deque()
        """of the next answers"""
        self.url = ""


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """One that is gone at the end."""
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            post = Post(self.path, self.headers, self.rfile.read(length))
            told.posts.append(post)
            if self.headers.get_content_type() == "application/json":
                told.asked.append(json.loads(post.body))
            told.keys.append(self.headers.get("Authorization", ""))
            told.asked_at_s.append(time.time())
            status, headers = told.next.popleft() if told.next else (told.status, told.headers)
            time.sleep(told.delays_s.popleft() if told.delays_s else told.delay_s)
            if told.is_mute:
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            with suppress(ConnectionError):  # who asked may be dead by now
                self.end_headers()
                step = 1 if told.pause_s else len(told.body)
                for start in range(0, len(told.body), step or 1):
                    self.wfile.write(told.body[start : start + step])
                    time.sleep(told.pause_s)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)
