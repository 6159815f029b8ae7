"""The bus over ZeroMQ sockets, and the ends of it that scripts use."""

import contextlib
import errno
import os
import socket
import time
from collections import deque
from pathlib import Path

import zmq

from framebus import codec
from framebus.bus import Bus
from framebus.caller import IDLE_S, Caller
from framebus.clock import Clock, SystemClock
from framebus.codec import News
from framebus.door import Frames
from framebus.errors import MalformedError
from framebus.messages import Beacon
from framebus.place import Place
from framebus.retained import BEACON_S
from framebus.sockets import NOBLOCK, POLLIN, drain, open_socket, send, to_ms
from framebus.timers import Handler
from framebus.topics import topic_of

BEGIN_OR_END = (b"\x01", b"\x00")
"""the first byte of a word about a subscription"""
ALL_BEACONS = topic_of(Beacon).prefix
BEACONS_S = 0.01
"""so long news wait from each whole second on, where the beacons of all owners come then: one turn reads them"""
MANY = 4
"""requests in one turn that can wait"""
REST_S = 0.002
"""so long the loop rests after so many: to wake for each costs as much as to answer it"""
LAST_WORDS_MS = 100
"""how long a bus that closes waits for its last news to leave; everything else is closed at once"""


def _remove_ipc_file(address: str) -> None:
    """libzmq leaves the file of an ipc door behind."""
    if address.startswith("ipc://"):
        Path(address.removeprefix("ipc://")).unlink(missing_ok=True)


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
        self._pub = open_socket(self._context, zmq.XPUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._pub.setsockopt(zmq.XPUB_VERBOSE, 1)  # a repeated subscription asks for the retained values again
        self._pub.connect(place.pub)
        self._sub = open_socket(self._context, zmq.SUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._sub.connect(place.sub)
        self._door: zmq.Socket[bytes] | None = None
        self.every(IDLE_S, self._caller.drop_idle)
        self._soon: deque[Handler] = deque()
        self._answers: deque[Handler] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._watched: dict[int, Handler] = {}
        self._heard: set[str] = set()
        self._heard_prefixes: tuple[str, ...] = ()
        self._gathers = self._is_gathering = False
        for readable in (self._pub, self._sub, self._wake_in.fileno()):
            self._poller.register(readable, zmq.POLLIN)

    @property
    def wakeup_fd(self) -> int:
        """Where a signal may write a byte to wake the loop (signal.set_wakeup_fd)."""
        return self._wake_out.fileno()

    def turn(self, limit_s: float = 0.5) -> None:
        """Wait at most `limit_s` for something to do, and do all that waits."""
        if self._patient >= MANY:
            time.sleep(REST_S)
        self._patient = 0
        ready = dict(self._poller.poll(to_ms(self.wait_s(limit_s))))
        if self._wake_in.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_in.recv(4_096)
        for _ in range(len(self._soon)):
            self._guard("soon", self._soon.popleft())
        if self._pub in ready:
            self._take_subscriptions()
        is_asked = self._door is not None and self._door in ready
        if self._sub in ready or (is_asked and self._is_gathering):  # who asks is answered by all that has come
            for frames in drain(self._sub):
                self.receive(frames)
            self.flush_latest()
        if self._door is not None and is_asked:
            for peer, *frames in drain(self._door):
                self.receive_request(peer, frames[1:] if frames and frames[0] == b"" else [])
        self._send_answers()
        for file in self._watched.keys() & ready.keys():
            handler = self._watched.get(file)  # None: the handler before unwatched it
            if handler is not None:
                self._guard("watch", handler)
        self.run_due()
        self._send_answers()

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
        self._send_answers()
        if self._door is not None:
            _remove_ipc_file(self.place.door(self.name))
            self._door.close(0)
        self._sub.close(0)
        self._pub.close(LAST_WORDS_MS)
        self._wake_in.close()
        self._wake_out.close()
        self._caller.close()
        self._context.term()

    def _gather(self) -> None:
        """Every owner says its beacon now: we wake when all have spoken, not for each."""
        self._is_gathering = True
        self._poller.register(self._sub, 0)
        self.after(BEACONS_S, self._go_on)

    def _go_on(self) -> None:
        self._is_gathering = False
        self._poller.register(self._sub, zmq.POLLIN)

    def _take_subscriptions(self) -> None:
        said = [frames[0] for frames in drain(self._pub)]
        # What begins otherwise is no word about subscriptions: libzmq hands on what any subscriber says.
        came = [(word[:1] == b"\x01", word[1:].decode(errors="replace")) for word in said if word[:1] in BEGIN_OR_END]
        for is_begin, prefix in came:
            (self._heard.add if is_begin else self._heard.discard)(prefix)
        self._heard_prefixes = tuple(self._heard)
        for is_begin, prefix in came:
            (self.receive_subscription if is_begin else self.receive_unsubscription)(prefix)

    def _is_heard(self, topic: str) -> bool:
        # A subscription that has come, and is not read yet, counts as well: libzmq has it, and decides.
        return topic.startswith(self._heard_prefixes) or bool(int(self._pub.get(zmq.EVENTS)) & POLLIN)

    def _send(self, frames: Frames) -> None:
        send(self._pub, frames)

    def _subscribe(self, prefix: str) -> None:
        self._sub.setsockopt(zmq.SUBSCRIBE, prefix.encode())
        if prefix == ALL_BEACONS and not self._gathers:
            self._gathers = True
            self.every(BEACON_S, self._gather)

    def _unsubscribe(self, prefix: str) -> None:
        self._sub.setsockopt(zmq.UNSUBSCRIBE, prefix.encode())

    def _refresh(self, topic: str) -> None:
        # A second subscription to the very topic travels to its owner, who then sends the value again.
        self._sub.setsockopt(zmq.SUBSCRIBE, topic.encode())
        self._sub.setsockopt(zmq.UNSUBSCRIBE, topic.encode())

    def _open_door(self) -> None:
        if self._door is not None:
            return
        self._door = open_socket(self._context, zmq.ROUTER, codec.MAX_REQUEST_BYTES)
        self._door.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._door.bind(self.place.door(self.name))
        self._poller.register(self._door, zmq.POLLIN)

    def _leave(self, send: Handler) -> None:
        self._answers.append(send)  # those of one turn together: one by one, each would wake libzmq's thread anew

    def _send_answers(self) -> None:
        while self._answers:
            self._guard("answer", self._answers.popleft())

    def _send_answer(self, peer: bytes, frames: Frames) -> bool:
        if self._door is None:
            return False
        try:
            send(self._door, [peer, b"", *frames], NOBLOCK)
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


class Listener:
    """The news of a group for a script: iterate over it. Close it, or use it in a `with` block."""

    def __init__(self, place: Place, *prefixes: str) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sub = open_socket(self._context, zmq.SUB, codec.MAX_NEWS_MESSAGE_BYTES)
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
        return list(drain(self._sub)) if self._poller.poll(to_ms(limit_s)) else []

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
        self._pub = open_socket(self._context, zmq.XPUB, codec.MAX_NEWS_MESSAGE_BYTES)
        self._pub.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._pub.connect(place.pub)

    def send(self, frames: Frames) -> None:
        """Say one message; never blocks."""
        send(self._pub, frames)

    def wait(self, limit_s: float) -> list[str]:
        """The prefixes that were subscribed to, after waiting at most `limit_s` for the first."""
        if not self._pub.poll(to_ms(limit_s)):
            return []
        asked = [frames[0] for frames in drain(self._pub)]
        return [frame[1:].decode(errors="replace") for frame in asked if frame[:1] == b"\x01"]

    def close(self) -> None:
        self._pub.close(LAST_WORDS_MS)
        self._context.term()

    def __enter__(self) -> "Megaphone":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ScriptCaller(Caller):
    """A caller without a bus, for a script; its context is its own."""

    def __init__(self, place: Place) -> None:
        self._own_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        super().__init__(self._own_context, place, f"script-{os.getpid()}", SystemClock())

    def close(self) -> None:
        super().close()
        self._own_context.term()
