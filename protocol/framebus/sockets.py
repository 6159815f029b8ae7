"""How sockets are made, and read until nothing waits: shared by the transport, the caller and the proxy."""

import math
from collections.abc import Iterator

import zmq

from framebus import codec
from framebus.door import Frames

HIGH_WATER_MARK = 1_000
SUBSCRIPTIONS = 100_000
"""that wait on their way to a publisher: one too many would be dropped without a word, and never be made up for"""
RECONNECT_MS = 10
RECONNECT_MAX_MS = 100
"""A restarted dispatcher has everybody back within a tenth of a second; a try costs one connect() on a local socket."""
MAX_DRAIN = 1_000
"""messages taken from one socket before the others get their turn"""

MORE, NOBLOCK, POLLIN = int(zmq.SNDMORE), int(zmq.NOBLOCK), int(zmq.POLLIN)
"""as plain numbers: joining two flags of an enumeration takes longer than to send a frame"""

_send = zmq.backend.Socket.send
"""past the checks of arguments that pyzmq makes each time: half the price of a frame"""

Context = zmq.Context[zmq.Socket[bytes]]


def open_socket(context: Context, kind: int, max_bytes: int) -> zmq.Socket[bytes]:
    made = context.socket(kind)
    made.setsockopt(zmq.LINGER, 0)
    made.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    made.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    made.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
    made.setsockopt(zmq.SNDHWM, SUBSCRIPTIONS if kind in (zmq.SUB, zmq.XSUB) else HIGH_WATER_MARK)
    made.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    return made


def send(door: zmq.Socket[bytes], frames: Frames, flags: int = 0) -> None:
    """Send one message; as `send_multipart`, at a fifth of its price."""
    for frame in frames[:-1]:
        _send(door, frame, flags | MORE)
    _send(door, frames[-1], flags)


def drain(source: zmq.Socket[bytes]) -> Iterator[Frames]:
    """What waits in a socket, at most 1,000 messages; those with too many frames are counted by who reads them."""
    for _ in range(MAX_DRAIN):
        try:
            frame = source.recv(NOBLOCK, copy=False)
        except zmq.Again:
            return
        frames = [frame.bytes]
        while frame.more:  # a frame knows this by itself; the socket would have to be asked
            frame = source.recv(copy=False)
            if len(frames) <= codec.MAX_FRAMES + 2:
                frames.append(frame.bytes)
        yield frames


def to_ms(seconds: float) -> int:
    """Rounded up: who wakes a moment before something is due looks again and again until it is."""
    return max(0, math.ceil(1_000 * seconds))
