"""Asks services: each call has a deadline, a lost answer is asked for again, and a line that answered is kept."""

import contextlib
import secrets
import threading
import time

import zmq

from framebus import codec, door
from framebus.clock import Clock
from framebus.codec import RequestHead
from framebus.door import Frames
from framebus.errors import DeadlineError, ErrorCode, MalformedError, RefusedError
from framebus.place import Place
from framebus.sockets import Context, open_socket, send, to_ms

FIRST_RESEND_S = 0.25
RESEND_S = 1.0
MAX_IDLE = 8
"""lines to one service that wait for the next call; as many threads ask it at once without connecting anew"""
IDLE_S = 10.0
"""longer no line is kept that nobody needs"""


class Caller:
    """Asks from any thread. A call has a line of its own, so that a slow answer delays nobody else."""

    def __init__(self, context: Context, place: Place, src: str, clock: Clock) -> None:
        self._context = context
        self._place = place
        self._src = src
        self._clock = clock
        self._lock = threading.Lock()  # also what hands a socket from one thread to another, as libzmq demands
        self._idle: dict[str, list[_Connection]] = {}
        self._is_closed = False

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
                try:
                    return door.decode_answer(frames, request_id)
                except MalformedError:  # junk is no answer: ask again, but not as fast as it comes
                    time.sleep(min(patience_s, max(0.0, end_s - self._clock.boot_s())))
            patience_s = min(2.0 * patience_s, RESEND_S)
        raise DeadlineError(service, method, deadline_s)

    def close(self) -> None:
        """Give the lines back that wait; those of calls under way are given back when the context ends."""
        with self._lock:
            self._is_closed = True
            for lines in self._idle.values():
                for line in lines:
                    line.close()
            self._idle.clear()

    def _try(self, service: str, frames: Frames, wait_s: float) -> Frames | None:
        """One request on one line: its answer, or None after `wait_s` or when the connection broke."""
        line = None
        try:
            line = self._take(service)
            answer = line.ask(frames, wait_s)
            if answer is not None:
                self._give_back(service, line)
                line = None
            return answer
        except zmq.ZMQError as error:
            if not self._is_closed and not isinstance(error, zmq.ContextTerminated):
                raise
            raise RefusedError(ErrorCode.UNAVAILABLE, "the bus was closed") from None
        finally:
            if line is not None:  # an answer may still come on it, and be taken for that of the next request
                line.close()

    def _take(self, service: str) -> "_Connection":
        with self._lock:
            lines = self._idle.get(service, [])
            while lines:
                line = lines.pop()
                if line.is_whole():
                    return line
                line.close()
        return _Connection(self._context, self._place.door(service))

    def _give_back(self, service: str, line: "_Connection") -> None:
        line.idle_since_s = self._clock.boot_s()
        self.drop_idle()
        with self._lock:
            if self._is_closed:
                line.close()
                return
            lines = self._idle.setdefault(service, [])
            lines.append(line)
            if len(lines) > MAX_IDLE:
                lines.pop(0).close()

    def drop_idle(self) -> None:
        """Give back the lines that nobody needed for 10 s: at each call, and with each tick of a bus."""
        now_s = self._clock.boot_s()
        with self._lock:
            for lines in self._idle.values():  # the oldest stand first: the newest are taken again
                while lines and lines[0].idle_since_s < now_s - IDLE_S:
                    lines.pop(0).close()


class _Connection:
    """A line to one door, for one call at a time."""

    def __init__(self, context: Context, address: str) -> None:
        self.idle_since_s = 0.0
        with contextlib.ExitStack() as opened:
            self._request = open_socket(context, zmq.REQ, codec.MAX_ANSWER_BYTES)
            opened.callback(self._request.close, 0)
            self._monitor = self._request.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            opened.callback(self._monitor.close, 0)
            opened.callback(self._request.disable_monitor)
            self._request.setsockopt(zmq.IMMEDIATE, 1)
            self._request.connect(address)
            self._poller = zmq.Poller()
            self._poller.register(self._request, zmq.POLLIN)
            self._poller.register(self._monitor, zmq.POLLIN)  # a dead service is noticed at once, not by the clock
            self._opened = opened.pop_all()

    def ask(self, frames: Frames, wait_s: float) -> Frames | None:
        """The answer, or None after `wait_s` or when the connection broke: then the line is good for nothing more."""
        end_s = time.monotonic() + wait_s
        self._request.setsockopt(zmq.SNDTIMEO, to_ms(wait_s))  # until there is a connection
        try:
            send(self._request, frames)
        except zmq.Again:
            return None
        ready = dict(self._poller.poll(to_ms(end_s - time.monotonic())))
        return self._request.recv_multipart() if self._request in ready else None

    def is_whole(self) -> bool:
        """Whether it is still the connection that it was when it answered last."""
        return not self._monitor.poll(0)

    def close(self) -> None:
        with contextlib.suppress(zmq.ContextTerminated):  # all is closed the same
            self._opened.close()
