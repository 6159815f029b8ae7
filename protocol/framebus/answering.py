"""The answering side of a bus: each request is read, handed to who answers it, and answered once. No sockets here."""

import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from framebus import codec, door, requests
from framebus.clock import Clock
from framebus.door import Frames, Promise
from framebus.errors import ErrorCode, MalformedError, RefusedError
from framebus.kept_answers import KeptAnswers
from framebus.messages import Message
from framebus.requests import Request
from framebus.stats import Stats

log = logging.getLogger(__name__)

Answerer = Callable[[Request[Message], Promise], None]


class Answering:
    """Which handler answers which request of one service, and the answers that are kept for repeats."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        stats: Stats,
        note_malformed: Callable[[str, MalformedError], None],
        send: Callable[[bytes, Frames], bool],
        leave: Callable[[Callable[[], None]], None],
    ) -> None:
        """`send(peer, frames)` says whether the peer could be reached; `leave` calls what sends, now or soon."""
        self._name = name
        self._clock = clock
        self._stats = stats
        self._note_malformed = note_malformed
        self._send = send
        self._leave = leave
        self._answerers: dict[str, Answerer] = {}
        self._kept = KeptAnswers()

    def set(self, request: type[Request[Message]], answerer: Answerer) -> None:
        """Have requests of this type answered."""
        self._answerers[requests.method_of(request).name] = answerer

    def receive(self, peer: bytes, frames: Sequence[bytes]) -> None:
        """Take one request from `peer`: it is answered exactly once, also when it can't be read."""
        try:
            head, body = door.decode_request(frames)
        except MalformedError as error:
            self._note_malformed("request", error)
            self._send(peer, door.answer_frames(b"", door.refusal_of(error)))
            return
        now_s = self._clock.boot_s()
        kept = self._kept.begin(head.id, peer, now_s)
        if kept is True:
            promise = Promise(head.id, head.src, now_s + head.deadline_s, _settle=self._settle)
            self._handle(head.method, body, promise)
        elif kept is not False:
            self._stats.count("requests.repeated")
            self._send(peer, kept)

    def _handle(self, method: str, body: bytes, promise: Promise) -> None:
        answerer = self._answerers.get(method)
        if answerer is None:
            known = ", ".join(sorted(self._answerers))
            promise.refuse(
                RefusedError(ErrorCode.UNKNOWN_METHOD, f"{self._name} has no method {method[:64]!r}; it has {known}")
            )
            return
        self._stats.count(f"requests.{method}")
        try:
            request = codec.decode_body(body, requests.BY_NAME[method].request)
        except MalformedError as error:
            self._stats.count("malformed.request.body")
            promise.refuse(door.refusal_of(error))
            return
        try:
            answerer(request, promise)
        except Exception as error:
            if isinstance(error, RefusedError) and not promise.is_settled:
                promise.refuse(error)
                return
            incident = secrets.token_hex(4)
            self._stats.count("errors.request")
            log.exception("%s failed, incident %s", method, incident)
            if not promise.is_settled:
                text = f"{method} failed inside {self._name}; its log tells more under incident {incident}"
                promise.refuse(RefusedError(ErrorCode.INTERNAL, text))

    def _settle(self, promise: Promise, frames: Frames) -> None:
        peers = self._kept.finish(promise.request_id, frames, self._clock.boot_s())
        # All else is done by now: where answers leave one right after the other, libzmq's thread stays awake.
        self._leave(partial(self._send_to, peers, promise, frames))

    def _send_to(self, peers: list[bytes], promise: Promise, frames: Frames) -> None:
        was_delivered = [self._send(peer, frames) for peer in peers]
        if not any(was_delivered) and promise.on_undelivered is not None:
            promise.on_undelivered()
