"""A tape: the news of a bus in a file, each with the time when it arrived, so that a fault can be played again.

    tape    = "FBTAPE1" LF *record
    record  = u32 (little endian, bytes that follow) and one MessagePack value
    first   = map: v (1), made_at_s, host, topics (what was subscribed to)
    others  = array: up_s (boot time of the arrival), list of the message's ZeroMQ frames as they came

It is only ever appended to. Whoever died while he wrote leaves a torn last record, which readers leave out.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

from framebus import codec
from framebus.errors import FramebusError

T = TypeVar("T")

MAGIC = b"FBTAPE1\n"
VERSION = 1
LENGTH = struct.Struct("<I")
MAX_RECORD_BYTES = 4 * codec.MAX_NEWS_MESSAGE_BYTES


class TapeError(FramebusError, ValueError):
    """A file is no tape, or is broken in its middle."""


class TapeFullError(FramebusError):
    """The tape has as many bytes as it may have; what did not fit was not written."""


class TapeHead(Struct, frozen=True, kw_only=True):
    """Where and when a tape was made."""

    v: int = VERSION
    made_at_s: float
    host: str
    """first characters of the boot id: times since boot are of this machine"""
    topics: list[str]
    """what was listened to; empty text for everything"""


class Taped(Struct, frozen=True, array_like=True):
    """One message on a tape."""

    up_s: float
    frames: list[bytes]

    def has_topic(self, prefixes: Iterable[str]) -> bool:
        """Whether its topic begins with one of these."""
        return any(self.frames and self.frames[0].startswith(prefix.encode()) for prefix in prefixes)


_head_decoder = msgspec.msgpack.Decoder(TapeHead)
_taped_decoder = msgspec.msgpack.Decoder(Taped)


class TapeWriter:
    """Writes a new tape, at most `max_bytes` long. Use it in a `with` block. Raises FileExistsError, OSError."""

    def __init__(self, path: Path, head: TapeHead, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # What is told on the bus is for this user alone.
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(file, "wb")
        self.size_bytes = self._file.write(MAGIC)
        self._write(head)
        self.flush()

    def add(self, taped: Taped) -> None:
        """Append a message; raises TapeFullError when it does not fit any more."""
        self._write(taped)

    def flush(self) -> None:
        """Let a reader see all that was added."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "TapeWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, value: object) -> None:
        data = codec.encode(value)
        if self.size_bytes + LENGTH.size + len(data) > self._max_bytes:
            raise TapeFullError(f"the tape has its {self._max_bytes / 1e6:g} MB")
        self._file.write(LENGTH.pack(len(data)))
        self._file.write(data)
        self.size_bytes += LENGTH.size + len(data)


class TapeReader:
    """Reads a tape, message by message. Use it in a `with` block. Raises TapeError, OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("rb")
        self.is_torn = False
        """whether the last record was left out, because its end is missing"""
        try:
            if self._file.read(len(MAGIC)) != MAGIC:
                raise TapeError(f"{path} is no tape; framebus record makes one")
            data = self._read_record()
            if data is None:
                raise TapeError(f"{path} is a tape without a beginning: its writer died at once")
            self.head = _decoded(_head_decoder, data, path, len(MAGIC))
            if self.head.v != VERSION:
                raise TapeError(f"{path} is a tape of version {self.head.v}; this is version {VERSION}")
        except BaseException:
            self._file.close()
            raise

    def __iter__(self) -> Iterator[Taped]:
        while True:
            offset = self._file.tell()
            data = self._read_record()
            if data is None:
                return
            yield _decoded(_taped_decoder, data, self._path, offset)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "TapeReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_record(self) -> bytes | None:
        """The bytes of the next record; None at the end, also where the last one is torn."""
        offset = self._file.tell()
        length = self._file.read(LENGTH.size)
        if len(length) < LENGTH.size:
            self.is_torn = bool(length)
            return None
        (size,) = LENGTH.unpack(length)
        if size > MAX_RECORD_BYTES:
            raise TapeError(f"{self._path} is broken at byte {offset}: a record of {size} bytes")
        data = self._file.read(size)
        if len(data) < size:
            self.is_torn = True
            return None
        return data


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes, path: Path, offset: int) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise TapeError(f"{path} is broken at byte {offset}: {error}") from None
