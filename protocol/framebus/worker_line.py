"""What a WorkerProcess and its child say to each other, and how that becomes bytes.

A socketpair with frames of a length and a MessagePack body. No ZeroMQ: both ends belong to one program, nobody else may
connect, neither ever connects again, and the end of the stream is the fastest news that the other side is gone. No
multiprocessing queues either: their locks stay with whoever is killed while holding them.
"""

import struct

import msgspec
from msgspec import Raw, Struct

from framebus.errors import FramebusError

MAX_FRAME_BYTES = 64 * 1_024 * 1_024
"""of one task or one result; larger ones go through a file or a ring"""
_LENGTH = struct.Struct(">I")


class Setup(Struct, frozen=True, array_like=True, tag="setup"):
    """The first frame to a child: what it is for."""

    name: str
    work: str
    initialize: str | None
    value: Raw
    memory_limit_bytes: int | None


class Begin(Struct, frozen=True, array_like=True, tag="begin"):
    number: int
    task: Raw


class Note(Struct, frozen=True, array_like=True, tag="note"):
    """To the task in hand, while it runs."""

    number: int
    value: Raw


class Bye(Struct, frozen=True, array_like=True, tag="bye"):
    """No more tasks: end in good order."""


class Ready(Struct, frozen=True, array_like=True, tag="ready"):
    pass


class Done(Struct, frozen=True, array_like=True, tag="done"):
    number: int
    result: Raw


class Raised(Struct, frozen=True, array_like=True, tag="raised"):
    number: int
    """0: the child could not start"""
    kind: str
    message: str
    traceback: str


class Told(Struct, frozen=True, array_like=True, tag="told"):
    """By the task in hand, while it runs."""

    number: int
    value: Raw


ToChild = Setup | Begin | Note | Bye
FromChild = Ready | Done | Raised | Told

to_child = msgspec.msgpack.Decoder(ToChild)
from_child = msgspec.msgpack.Decoder(FromChild)
_encoder = msgspec.msgpack.Encoder()


class BrokenLineError(FramebusError):
    """The other side sent what is no frame."""


def encode_value(value: object, what: str) -> bytes:
    """A task or result as MessagePack; raises TypeError or ValueError that say what would be right."""
    try:
        data = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        right = "plain values, bytes and msgspec Structs can pass; a numpy array goes as its bytes, shape and dtype"
        raise TypeError(f"{what} can't be handed to another process: {error}; {right}") from None
    check_size(data, what)
    return data


def check_size(data: bytes, what: str) -> None:
    if len(data) > MAX_FRAME_BYTES:
        text = f"{what} has {len(data)} bytes; at most {MAX_FRAME_BYTES} can pass: hand over the name of a file or ring"
        raise ValueError(text)


def frame(message: ToChild | FromChild) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Bytes as they come, whole frames out."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are whole now; raises BrokenLineError."""
        self._bytes += data
        bodies = []
        at = 0
        while len(self._bytes) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._bytes, at)
            if size > MAX_FRAME_BYTES + 1_024:
                raise BrokenLineError(f"a frame of {size} bytes was announced")
            end = at + _LENGTH.size + size
            if len(self._bytes) < end:
                break
            bodies.append(bytes(self._bytes[at + _LENGTH.size : end]))
            at = end
        del self._bytes[:at]
        return bodies
