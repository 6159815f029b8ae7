"""The bus over ZeroMQ sockets: the only module of the package that imports zmq."""

import contextlib
import errno
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import zmq

from framebus import codec, door
from framebus.bus import Bus
from framebus.clock import Clock, SystemClock
from framebus.codec import News, RequestHead
from framebus.door import Frames
from framebus.errors import DeadlineError, ErrorCode, MalformedError, RefusedError
from framebus.place import Place
from framebus.timers import Handler

HIGH_WATER_MARK = 1_000
RECONNECT_MS = 10
RECONNECT_MAX_MS = 100
"""A restarted dispatcher has everybody back within a tenth of a second; a try costs one connect() on a local socket."""
FIRST_RESEND_S = 0.25
RESEND_S = 1.0
LAST_WORDS_MS = 100
"""how long a bus that closes waits for its last news to leave; everything else is closed at once"""
MAX_DRAIN = 1_000
"""messages taken from one socket before the others get their turn"""


def _socket(context: zmq.Context[zmq.Socket[bytes]], kind: int, max_bytes: int) -> zmq.Socket[bytes]:
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    made.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    made.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    made.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    return made


class Caller:
    """Asks services by short-lived REQ sockets: each call has a deadline, and a lost answer is asked for again."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], place: Place, src: str, clock: Clock) -> None:
        self._context = context
        self._place = place
        self._src = src
        self._clock = clock

    def call(
        self, service: str, method: str, body: bytes, deadline_s: float, *, is_long: bool = False
    ) -> tuple[bytes, bytes | None]:
        """Body and blob of the answer; raises RefusedError, DeadlineError, ValueError for a deadline over an hour."""
        if deadline_s > codec.MAX_DEADLINE_S:
            raise ValueError(f"a deadline is at most {codec.MAX_DEADLINE_S:.0f} s, not {deadline_s:.0f}")
        if len(body) > codec.MAX_REQUEST_BYTES:  # its door would only hang up
            text = f"{method} has {len(body)} bytes; at most {codec.MAX_REQUEST_BYTES} are allowed"
            raise RefusedError(ErrorCode.TOO_LARGE, text)
        request_id = secrets.token_bytes(16)
        end_s = self._clock.boot_s() + deadline_s
        patience_s = FIRST_RESEND_S
        while (left_s := end_s - self._clock.boot_s()) > 0:
            head = RequestHead(v=codec.VERSION, id=request_id, method=method, deadline_s=left_s, src=self._src)
            wait_s = left_s if is_long else min(left_s, patience_s)
            frames = self._try(service, [codec.encode(head), body], wait_s)
            if frames is not None:
                with contextlib.suppress(MalformedError):  # junk from a peer is no answer: ask again
                    return door.decode_answer(frames, request_id)
            patience_s = min(2.0 * patience_s, RESEND_S)
        raise DeadlineError(service, method, deadline_s)

    def _try(self, service: str, frames: Frames, wait_s: float) -> Frames | None:
        """One socket, one request: its answer, or None after `wait_s` or when the connection broke."""
        try:
            with contextlib.ExitStack() as opened:
                request = _socket(self._context, zmq.REQ, codec.MAX_ANSWER_BYTES)
                opened.callback(request.close, 0)
                monitor = request.get_monitor_socket(zmq.EVENT_DISCONNECTED)
                opened.callback(monitor.close, 0)
                opened.callback(request.disable_monitor)
                request.setsockopt(zmq.IMMEDIATE, 1)
                # The service may go between the poll and the send, which would then wait for ever.
                request.setsockopt(zmq.SNDTIMEO, _ms(wait_s))
                request.connect(self._place.door(service))
                end_s = time.monotonic() + wait_s
                if not request.poll(_ms(wait_s), zmq.POLLOUT):
                    return None
                request.send_multipart(frames)
                poller = zmq.Poller()
                poller.register(request, zmq.POLLIN)
                poller.register(monitor, zmq.POLLIN)  # a dead service is noticed at once, not by the clock
                ready = dict(poller.poll(_ms(end_s - time.monotonic())))
                return request.recv_multipart() if request in ready else None
        except zmq.Again:
            return None
        except zmq.ContextTerminated:
            raise RefusedError(ErrorCode.UNAVAILABLE, "the bus was closed") from None


def _remove_ipc_file(address: str) -> None:
    """libzmq leaves the file of an ipc door behind."""
    if address.startswith("ipc://"):
        Path(address.removeprefix("ipc://")).unlink(missing_ok=True)


def _ms(seconds: float) -> int:
    return max(0, round(1_000 * seconds))


class SocketBus(Bus):
    """The bus of one process. `turn()` is its loop."""

    def __init__(
        self,
        name: str,
        *,
        place: Place,
        clock: Clock | None = None,
        epoch: int | None = None,
        settings: bytes = b"{}",
    ) -> None:
        clock = clock or SystemClock()
        super().__init__(name, place=place, clock=clock, epoch=epoch or int(clock.wall_s() * 1e6), settings=settings)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._caller = Caller(self._context, place, name, clock)
        self._pub = _socket(self._context, zmq.XPUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._pub.setsockopt(zmq.XPUB_VERBOSE, 1)  # a repeated subscription asks for the retained values again
        self._pub.connect(place.pub)
        self._sub = _socket(self._context, zmq.SUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._sub.connect(place.sub)
        self._door: zmq.Socket[bytes] | None = None
        self._soon: deque[Handler] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._watched: dict[int, Handler] = {}
        for readable in (self._pub, self._sub, self._wake_in.fileno()):
            self._poller.register(readable, zmq.POLLIN)

    @property
    def wakeup_fd(self) -> int:
        """Where a signal may write a byte to wake the loop (signal.set_wakeup_fd)."""
        return self._wake_out.fileno()

    def turn(self, limit_s: float = 0.5) -> None:
        """Wait at most `limit_s` for something to do, and do all that waits."""
        ready = dict(self._poller.poll(_ms(self.wait_s(limit_s))))
        if self._wake_in.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_in.recv(4_096)
        for _ in range(len(self._soon)):
            self._guard("soon", self._soon.popleft())
        if self._pub in ready:
            self._take_subscriptions()
        if self._sub in ready:
            for frames in _drain(self._sub):
                self.receive(frames)
            self.flush_latest()
        if self._door is not None and self._door in ready:
            for peer, *frames in _drain(self._door):
                self.receive_request(peer, frames[1:] if frames and frames[0] == b"" else [])
        for file in self._watched.keys() & ready.keys():
            handler = self._watched.get(file)  # None: the handler before unwatched it
            if handler is not None:
                self._guard("watch", handler)
        self.run_due()

    def call_soon(self, handler: Handler) -> None:
        self._soon.append(handler)
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_out.send(b"\0")  # a full pipe wakes as well

    def watch(self, file: int, handler: Handler) -> None:
        self._watched[file] = handler
        self._poller.register(file, zmq.POLLIN)

    def unwatch(self, file: int) -> None:
        if self._watched.pop(file, None) is not None:
            self._poller.unregister(file)

    def close(self) -> None:
        """Give all sockets back, the door's file too; what was published last has a tenth of a second to leave."""
        if self._door is not None:
            _remove_ipc_file(self.place.door(self.name))
            self._door.close(0)
        self._sub.close(0)
        self._pub.close(LAST_WORDS_MS)
        self._wake_in.close()
        self._wake_out.close()
        self._context.term()

    def _take_subscriptions(self) -> None:
        for frames in _drain(self._pub):
            prefix = frames[0][1:].decode(errors="replace")
            if frames[0][:1] == b"\x01":
                self.receive_subscription(prefix)
            else:
                self.receive_unsubscription(prefix)

    def _send(self, frames: Frames) -> None:
        self._pub.send_multipart(frames)

    def _subscribe(self, prefix: str) -> None:
        self._sub.setsockopt(zmq.SUBSCRIBE, prefix.encode())

    def _unsubscribe(self, prefix: str) -> None:
        self._sub.setsockopt(zmq.UNSUBSCRIBE, prefix.encode())

    def _refresh(self, topic: str) -> None:
        # A second subscription to the very topic travels to its owner, who then sends the value again.
        self._sub.setsockopt(zmq.SUBSCRIBE, topic.encode())
        self._sub.setsockopt(zmq.UNSUBSCRIBE, topic.encode())

    def _open_door(self) -> None:
        if self._door is not None:
            return
        self._door = _socket(self._context, zmq.ROUTER, codec.MAX_REQUEST_BYTES)
        self._door.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._door.bind(self.place.door(self.name))
        self._poller.register(self._door, zmq.POLLIN)

    def _send_answer(self, peer: bytes, frames: Frames) -> bool:
        if self._door is None:
            return False
        try:
            self._door.send_multipart([peer, b"", *frames], zmq.NOBLOCK)
            return True
        except zmq.ZMQError as error:
            if error.errno not in (errno.EHOSTUNREACH, errno.EAGAIN):
                raise
            self.stats.count("answers.undelivered")
            return False

    def _ask(
        self, service: str, method: str, body: bytes, deadline_s: float, is_long: bool
    ) -> tuple[bytes, bytes | None]:
        return self._caller.call(service, method, body, deadline_s, is_long=is_long)


def _drain(source: zmq.Socket[bytes]) -> Iterator[Frames]:
    """What waits in a socket, at most 1,000 messages; those with too many frames are counted by who reads them."""
    for _ in range(MAX_DRAIN):
        try:
            part = source.recv(zmq.NOBLOCK, copy=False)  # such a part knows whether more follow: asking costs more
        except zmq.Again:
            return
        frames = [part.bytes]
        while part.more:
            part = source.recv(copy=False)
            if len(frames) <= codec.MAX_FRAMES + 2:
                frames.append(part.bytes)
        yield frames


class Listener:
    """The news of a group for a script: iterate over it. Close it, or use it in a `with` block."""

    def __init__(self, place: Place, *prefixes: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sub = _socket(self._context, zmq.SUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._sub.connect(place.sub)
        for prefix in prefixes:
            self._sub.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        self._poller = zmq.Poller()
        self._poller.register(self._sub, zmq.POLLIN)

    def wait(self, limit_s: float) -> list[News]:
        """All news that is there, after waiting at most `limit_s` for the first; malformed messages are skipped."""
        news = []
        for frames in self.wait_frames(limit_s):
            try:
                news.append(codec.decode_news(frames))
            except MalformedError:
                pass
        return news

    def wait_frames(self, limit_s: float) -> list[Frames]:
        """As `wait`, the messages as they came, malformed ones too."""
        return list(_drain(self._sub)) if self._poller.poll(_ms(limit_s)) else []

    def close(self) -> None:
        self._sub.close(0)
        self._context.term()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Megaphone:
    """Says frames on the bus as they are, for a script that speaks for others. Use it in a `with` block."""

    def __init__(self, place: Place) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._pub = _socket(self._context, zmq.XPUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._pub.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._pub.connect(place.pub)

    def send(self, frames: Frames) -> None:
        """Say one message; never blocks."""
        self._pub.send_multipart(frames)

    def wait(self, limit_s: float) -> list[str]:
        """The prefixes that were subscribed to, after waiting at most `limit_s` for the first."""
        if not self._pub.poll(_ms(limit_s)):
            return []
        asked = [frames[0] for frames in _drain(self._pub)]
        return [frame[1:].decode(errors="replace") for frame in asked if frame[:1] == b"\x01"]

    def close(self) -> None:
        self._pub.close(LAST_WORDS_MS)
        self._context.term()

    def __enter__(self) -> "Megaphone":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Line:
    """Short calls of a script: one context for all of them."""

    def __init__(self, place: Place) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.caller = Caller(self._context, place, f"script-{os.getpid()}", SystemClock())

    def close(self) -> None:
        self._context.term()
