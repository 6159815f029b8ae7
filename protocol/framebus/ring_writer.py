"""The one writer of a ring: fills the slots, and gives each to the readers when it is whole."""

import errno
import os
import platform
import tempfile
import threading
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from framebus import futex
from framebus.frame import U8, PixelFormat, Pixels, picture, planes
from framebus.ring_layout import HEADER_BYTES, META, META_OFFSET, NEWEST_WORD, Layout, Mapping

# Only x86-64 shows a writer's stores to readers in the order they were made; elsewhere a checksum has to tell.
_STORES_KEEP_ORDER = platform.machine().lower() in ("x86_64", "amd64")


class RingSpaceError(OSError):
    """The shared memory has no room for the ring: `needed_bytes` were asked for, `free_bytes` were free."""

    def __init__(self, path: Path, needed_bytes: int, free_bytes: int, code: int) -> None:
        super().__init__(
            code,
            f"no room for a ring of {needed_bytes} bytes, {free_bytes} bytes are free ({os.strerror(code)}): "
            "enlarge the shared memory, or use fewer slots or a smaller picture",
            str(path),
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class RingSlot:
    """A place for one picture, to be filled between `begin` and `commit`; not to be touched after."""

    __slots__ = ("_layout", "payload", "pixels")

    def __init__(self, mapping: Mapping, index: int) -> None:
        self._layout = mapping.layout
        self.payload: U8 = mapping.payload(index)
        """writable, flat"""
        of = mapping.layout
        self.pixels: Pixels = picture(self.payload, of.width, of.height, of.pixel_format)
        """writable, in the picture's shape, as in `framebus.frame.picture`"""

    @property
    def planes(self) -> tuple[U8, U8, U8]:
        """Writable views of Y (height, width), U and V (height // 2, width // 2); ValueError when not I420."""
        if self._layout.pixel_format is not PixelFormat.I420:
            raise ValueError(f"{self._layout.pixel_format.name} has no planes")
        return planes(self.payload, self._layout.width, self._layout.height)


class RingWriter:
    """The one writer of a ring; for one thread. `close()` keeps the file, `unlink()` removes it."""

    def __init__(self, path: Path, mapping: Mapping, *, checksum: bool) -> None:
        """For `create` only."""
        self._path = path
        self._mapping: Mapping | None = mapping
        self._layout = mapping.layout
        self._checksum = checksum
        self._slots = [RingSlot(mapping, index) for index in range(mapping.layout.slots)]
        self._begun: RingSlot | None = None
        self._newest = 0
        self._fence = threading.Lock()

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        width: int,
        height: int,
        pixel_format: PixelFormat = PixelFormat.I420,
        slots: int = 8,
        epoch: int,
        checksum: bool | None = None,
    ) -> "RingWriter":
        """Makes the ring's file, with all its memory reserved, and shows it to readers once it is whole.

        A missing folder is made, for the owner alone. `checksum` None: on where the machine may reorder stores.
        Raises ValueError for a wrong size or fewer than 4 slots, RingSpaceError when the memory is not there,
        FileExistsError when a ring has this name already (a new writer takes a new epoch); then leaves no file behind.
        """
        layout = Layout(slots=slots, epoch=epoch, width=width, height=height, pixel_format=pixel_format)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp opens for the owner alone (0600); the name is one that `sweep_rings` knows.
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            os.posix_fallocate(descriptor, 0, layout.size_bytes)
            os.pwrite(descriptor, layout.pack(), 0)
            mapping = Mapping(descriptor, layout, writable=True)
            mapping.data[HEADER_BYTES::4096] = 0  # touch each page by a write now, not in the first frames
            os.link(unfinished, path)  # as atomic as a rename, but never replaces a ring that has readers
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                os.ftruncate(descriptor, 0)
                state = os.statvfs(path.parent)
                free_bytes = state.f_bavail * state.f_frsize
                raise RingSpaceError(path, layout.size_bytes, free_bytes, error.errno) from error
            raise
        finally:
            os.unlink(unfinished)
            os.close(descriptor)
        return cls(path, mapping, checksum=not _STORES_KEEP_ORDER if checksum is None else checksum)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def epoch(self) -> int:
        return self._layout.epoch

    @property
    def size_bytes(self) -> int:
        return self._layout.size_bytes

    @property
    def newest(self) -> int:
        """Number of the newest complete frame; 0: none yet."""
        return self._newest

    def begin(self) -> RingSlot:
        """The slot of the next frame, to be filled; the same one until `commit`. ValueError when closed."""
        mapping = self._open_mapping()
        if self._begun is None:
            number = self._newest + 1
            mapping.words[self._layout.slot_offset(number) // 8] |= 1
            self._order_stores()
            self._begun = self._slots[number % self._layout.slots]
        return self._begun

    def commit(self, slot: RingSlot, *, pts_us: int, captured_at_s: float, captured_boot_ns: int) -> int:
        """Gives the begun slot to the readers, as the frame whose number is returned.

        `captured_at_s` is wall clock (seconds since 1970), `captured_boot_ns` boot time, both of the frame's arrival.
        Raises ValueError when `slot` is not the one begun.
        """
        mapping = self._open_mapping()
        if slot is not self._begun:
            raise ValueError("this slot was not begun, or was committed already: take one from begin()")
        number = self._newest + 1
        start = self._layout.slot_offset(number)
        crc = zlib.crc32(slot.payload.data) if self._checksum else 0
        meta = (pts_us, captured_at_s, captured_boot_ns, self._layout.payload_bytes, crc)
        META.pack_into(mapping.raw, start + META_OFFSET, *meta)
        mapping.words[start // 8 + 1] = number
        self._order_stores()
        mapping.words[start // 8] += 1
        mapping.words[NEWEST_WORD] = number
        futex.wake(mapping.newest_address)
        self._begun = None
        self._newest = number
        return number

    def write(
        self,
        pixels: Pixels | bytes | bytearray | memoryview,
        *,
        pts_us: int,
        captured_at_s: float,
        captured_boot_ns: int,
    ) -> int:
        """Copies a picture into the ring and returns its number; times as for `commit`.

        `pixels` is an array in the picture's shape (views with gaps too), or all bytes of the picture, flat. Raises
        ValueError when its shape, type or length does not fit.
        """
        source = pixels if isinstance(pixels, np.ndarray) else np.frombuffer(pixels, np.uint8)
        slot = self.begin()
        target = slot.payload if source.ndim == 1 else slot.pixels
        if source.shape != target.shape or source.dtype != target.dtype:
            raise ValueError(f"{source.dtype} {source.shape} does not fit, must be {target.dtype} {target.shape}")
        np.copyto(target, source)
        return self.commit(slot, pts_us=pts_us, captured_at_s=captured_at_s, captured_boot_ns=captured_boot_ns)

    def close(self) -> None:
        """Lets go of the memory; the file and its readers stay, and who waits is woken. May be called again."""
        if self._mapping is not None:
            futex.wake(self._mapping.newest_address)
        self._mapping = None
        self._begun = None
        self._slots = []

    def unlink(self) -> None:
        """Removes the file; who has it open may go on reading."""
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open_mapping(self) -> Mapping:
        if self._mapping is None:
            raise ValueError(f"{self._path}: the ring's writer is closed")
        return self._mapping

    def _order_stores(self) -> None:
        # Big copies use streaming stores, which even x86-64 may reorder with others; a lock's atomic operation
        # is the one fence that Python has.
        with self._fence:
            pass
