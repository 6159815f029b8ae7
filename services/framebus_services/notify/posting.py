"""Posts a notification and reads the answer: no redirects, one limit over all of it, and no secret in what is said."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

from framebus.job_requests import FailKind
from framebus.notify_settings import Target
from framebus.runner import WorkError
from framebus_services.notify.body import Post
from framebus_services.notify.hiding import Hider, login_of
from framebus_services.retry_after import retry_after_s

MAX_ANSWER_BYTES = 64 * 1024
MAX_WORDS = 200
TELL_S = 0.2
TRIED_AGAIN = (408, 409, 425, 429)
"""refusals that may be none the next time"""


class AskedToWaitError(WorkError):
    """The endpoint wants to be left alone for `wait_s`."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(FailKind.TRANSIENT, message)
        self.wait_s = wait_s


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    words: str = ""
    wait_s: float | None = None
    """for so long the endpoint wants to be left alone"""

    @property
    def text(self) -> str:
        return f"{self.status} {self.reason}{f': {self.words}' if self.words else ''}"


class Endpoint:
    """One target, as it is reached."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target
        split = urlsplit(target.url)
        userinfo, _, place = split.netloc.rpartition("@")
        self._place = place
        self._is_safe = split.scheme == "https"
        path = (split.path or "/") + (f"?{split.query}" if split.query else "")
        self._path = quote(path, safe="%/?&=:;@!$'()*+,~[]")
        self._headers = {"Authorization": login_of(userinfo)} if userinfo else {}
        texts = (*self._headers.values(), *target.headers.values(), *target.fields.values())
        self.hider = Hider([path, self._path, userinfo, *texts])

    def send(self, post: Post, report: Callable[[str, float], None], on_end: Callable[[], None]) -> Answer:
        """Post it, and wait for what is answered; `on_end` is called when the connection is gone.

        Raises WorkError, in words that hold no secret; Stopped as `report` does.
        """
        try:
            exchange = _Exchange(self._connect(), self._path, {**self._headers, **post.headers}, post.body, on_end)
        except (OSError, ValueError, HTTPException, RuntimeError) as error:
            on_end()
            is_for_now = isinstance(error, RuntimeError)  # there is no thread to be had
            text = self._said(f"{self.name} can't be asked: {error}")
            raise WorkError(FailKind.TRANSIENT if is_for_now else FailKind.PERMANENT, text) from None
        end_s = monotonic() + self.target.limit_s
        try:
            while not exchange.is_over.wait(TELL_S):
                report("posting", 50.0)  # raises when the job must end: then nobody waits for the answer
                if monotonic() > end_s:
                    if exchange.answer is not None:  # words that do not end change nothing
                        break
                    text = f"{self.name} gives no answer within {self.target.limit_s:g} s"
                    raise WorkError(FailKind.TRANSIENT, text)
        finally:
            exchange.abort()
        return self._judge(exchange)

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._is_safe else HTTPConnection
        return kind(self._place, timeout=self.target.limit_s)

    def _judge(self, exchange: "_Exchange") -> Answer:
        answer = exchange.answer
        if answer is None:
            text = f"{self.name} gives no answer: {exchange.error or 'the connection was closed'}"
            raise WorkError(FailKind.TRANSIENT, self._said(text))
        words = self._said(answer.words)  # before it is cut: half a secret is one, too
        words = words if len(words) <= MAX_WORDS else f"{words[:MAX_WORDS]} ..."
        answer = replace(answer, reason=self._said(answer.reason), words=words)
        text = f"{self.name} answers {answer.text}"
        if 200 <= answer.status < 300:
            return answer
        if 300 <= answer.status < 400:
            mend = "no redirect is followed; write the address that it leads to"
            raise WorkError(FailKind.PERMANENT, f"{text}; {mend}")
        is_for_now = answer.status in TRIED_AGAIN or answer.status >= 500
        if is_for_now and answer.wait_s is not None:
            raise AskedToWaitError(f"{text}; it asks to be left alone for {answer.wait_s:.0f} s", answer.wait_s)
        raise WorkError(FailKind.TRANSIENT if is_for_now else FailKind.PERMANENT, text)

    def _said(self, text: str) -> str:
        return self.hider.hide(text)


class _Exchange:
    """One request and its answer, on a thread: nothing that an endpoint does holds up who waits."""

    def __init__(
        self, connection: HTTPConnection, path: str, headers: dict[str, str], body: bytes, on_end: Callable[[], None]
    ) -> None:
        self.is_over = threading.Event()
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self._connection = connection
        self._socket: socket.socket | None = None
        arguments: tuple[Any, ...] = (path, headers, body, on_end)
        threading.Thread(target=self._run, args=arguments, name="post", daemon=True).start()

    def abort(self) -> None:
        """End it, whatever it waits for."""
        sock = self._socket or self._connection.sock
        with contextlib.suppress(OSError, AttributeError):
            sock.shutdown(socket.SHUT_RDWR)

    def _run(self, path: str, headers: dict[str, str], body: bytes, on_end: Callable[[], None]) -> None:
        try:
            self._connection.request("POST", path, body, {"Connection": "close", "User-Agent": "framebus", **headers})
            self._socket = self._connection.sock  # the connection forgets it with the head of the answer
            with self._connection.getresponse() as response:
                wait_s = retry_after_s(response.getheader("Retry-After"))
                self.answer = Answer(response.status, response.reason, wait_s=wait_s)
                self.answer = replace(self.answer, words=_words(response))
        except (OSError, ValueError, HTTPException) as error:
            self.error = error
        finally:
            self._connection.close()
            self.is_over.set()
            on_end()


def _words(response: HTTPResponse) -> str:
    """What the endpoint says for people, on one line; half of it where it stops in the middle."""
    try:
        said = response.read(MAX_ANSWER_BYTES)
    except (OSError, HTTPException) as error:
        said = getattr(error, "partial", b"")
    line = " ".join(said.decode(errors="replace").split())
    return "".join(letter for letter in line if letter.isprintable())
