"""A camera's newest pictures in shared memory: one writer, any number of readers that neither wait nor slow it.

The file, little endian: a header of 4,096 bytes, then the slots; frame n lies in slot n mod slots. The writer makes a
slot's sequence odd, writes payload and meta, makes it even, and last stores the number in the header. A reader looks at
the sequence before and after use, so it gets the frame it asked for or nothing.
"""

import errno
import mmap
import os
import platform
import struct
import tempfile
import threading
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from framebus.frame import U8, Frame, PixelFormat, Pixels, picture, planes

MAGIC = b"FBRING1\0"
VERSION = 1
HEADER_BYTES = 4096
SLOT_HEADER_BYTES = 64
FEWEST_SLOTS = 4

# magic, version, slots, slot_size, epoch, width, height, stride, format; newest follows at byte 48.
_HEADER = struct.Struct("<8sIIQQIIII")
_NEWEST_WORD = _HEADER.size // 8
# pts_us, captured_at_s, captured_boot_ns, length, checksum; sequence and number are before it.
_META = struct.Struct("<qdqII")
_META_OFFSET = 16

_LOOK_BACK = 4  # frames `latest` tries

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


class RingFormatError(ValueError):
    """The file is not a ring that this version can read."""


class _Layout:
    """Where things are in a ring's file; the same for writer and reader."""

    __slots__ = ("epoch", "height", "payload_bytes", "pixel_format", "slot_size", "slots", "width")

    def __init__(self, *, slots: int, epoch: int, width: int, height: int, pixel_format: PixelFormat) -> None:
        if slots < FEWEST_SLOTS:
            raise ValueError(f"{slots} slots: a ring needs at least {FEWEST_SLOTS}")
        self.slots = slots
        self.epoch = epoch
        self.width = width
        self.height = height
        self.pixel_format = pixel_format
        self.payload_bytes = pixel_format.payload_bytes(width, height)
        self.slot_size = -(-(SLOT_HEADER_BYTES + self.payload_bytes) // 4096) * 4096

    @property
    def size_bytes(self) -> int:
        return HEADER_BYTES + self.slots * self.slot_size

    def pack(self) -> bytes:
        stride = self.pixel_format.stride_bytes(self.width)
        sizes = (self.width, self.height, stride, self.pixel_format)
        return _HEADER.pack(MAGIC, VERSION, self.slots, self.slot_size, self.epoch, *sizes)

    @classmethod
    def unpack(cls, path: Path, header: bytes, size_bytes: int) -> "_Layout":
        if len(header) < HEADER_BYTES:
            raise RingFormatError(f"{path}: {size_bytes} bytes are too short for a ring's header")
        magic, version, slots, slot_size, epoch, width, height, stride, code = _HEADER.unpack_from(header)
        if magic != MAGIC or version != VERSION:
            raise RingFormatError(f"{path}: magic {magic!r} version {version}, must be {MAGIC!r} version {VERSION}")
        try:
            pixel_format = PixelFormat(code)
            layout = cls(slots=slots, epoch=epoch, width=width, height=height, pixel_format=pixel_format)
        except ValueError as error:
            raise RingFormatError(f"{path}: {error}") from error
        if (stride, slot_size) != (pixel_format.stride_bytes(width), layout.slot_size):
            raise RingFormatError(f"{path}: stride {stride} and slot size {slot_size} do not fit {width}x{height}")
        if size_bytes < layout.size_bytes:
            raise RingFormatError(f"{path}: {size_bytes} bytes, but its header needs {layout.size_bytes}")
        return layout

    def slot_offset(self, number: int) -> int:
        return HEADER_BYTES + number % self.slots * self.slot_size


class _Mapping:
    """A ring's file in memory, mapped once with all its pages; goes when the last view of it goes."""

    __slots__ = ("data", "layout", "raw", "words")

    def __init__(self, descriptor: int, layout: _Layout, *, writable: bool) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.layout = layout
        self.raw = mmap.mmap(descriptor, layout.size_bytes, flags=flags, prot=protection)
        # Sequence, number and newest are read and stored through this view: it makes one aligned 8-byte access,
        # where struct's "<Q" would copy byte by byte and could show a reader half a number.
        self.words = memoryview(self.raw).cast("Q")
        self.data: U8 = np.frombuffer(self.raw, np.uint8)

    def payload(self, number: int) -> U8:
        start = self.layout.slot_offset(number) + SLOT_HEADER_BYTES
        return self.data[start : start + self.layout.payload_bytes]


class RingSlot:
    """A place for one picture, to be filled between `begin` and `commit`; not to be touched after."""

    __slots__ = ("_layout", "payload")

    def __init__(self, mapping: _Mapping, index: int) -> None:
        self._layout = mapping.layout
        self.payload: U8 = mapping.payload(index)  # writable, flat

    @property
    def pixels(self) -> Pixels:
        """Writable view in the picture's shape, as in `framebus.frame.picture`."""
        return picture(self.payload, self._layout.width, self._layout.height, self._layout.pixel_format)

    @property
    def planes(self) -> tuple[U8, U8, U8]:
        """Writable views of Y (height, width), U and V (height // 2, width // 2); ValueError when not I420."""
        if self._layout.pixel_format is not PixelFormat.I420:
            raise ValueError(f"{self._layout.pixel_format.name} has no planes")
        return planes(self.payload, self._layout.width, self._layout.height)


class RingWriter:
    """The one writer of a ring; for one thread. `close()` keeps the file, `unlink()` removes it."""

    def __init__(self, path: Path, mapping: _Mapping, *, checksum: bool) -> None:
        """For `create` only."""
        self._path = path
        self._mapping: _Mapping | None = mapping
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
        layout = _Layout(slots=slots, epoch=epoch, width=width, height=height, pixel_format=pixel_format)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp opens for the owner alone (0600); the name is one that `sweep_rings` knows.
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            os.posix_fallocate(descriptor, 0, layout.size_bytes)
            os.pwrite(descriptor, layout.pack(), 0)
            mapping = _Mapping(descriptor, layout, writable=True)
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
        _META.pack_into(mapping.raw, start + _META_OFFSET, *meta)
        mapping.words[start // 8 + 1] = number
        self._order_stores()
        mapping.words[start // 8] += 1
        mapping.words[_NEWEST_WORD] = number
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
        """Lets go of the memory; the file and its readers stay. May be called again."""
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

    def _open_mapping(self) -> _Mapping:
        if self._mapping is None:
            raise ValueError(f"{self._path}: the ring's writer is closed")
        return self._mapping

    def _order_stores(self) -> None:
        # Big copies use streaming stores, which even x86-64 may reorder with others; a lock's atomic operation
        # is the one fence that Python has.
        with self._fence:
            pass


class _Validity:
    """Tells whether bytes taken from a slot are all of one frame."""

    __slots__ = ("_checksum", "_mapping", "_number", "_sequence")

    def __init__(self, mapping: _Mapping, number: int, sequence: int, checksum: int) -> None:
        self._mapping = mapping
        self._number = number
        self._sequence = sequence
        self._checksum = checksum

    def __call__(self, payload: U8) -> bool:
        if self._checksum and zlib.crc32(payload.data) != self._checksum:
            return False
        layout, words = self._mapping.layout, self._mapping.words
        # Stale too when the next frame goes into this slot: the writer may be on its way.
        in_reach = self._number + layout.slots > words[_NEWEST_WORD] + 1
        return in_reach and words[layout.slot_offset(self._number) // 8] == self._sequence


class RingReader:
    """Reads the frames of a ring, in any process; never waits, never slows the writer."""

    def __init__(self, path: Path, mapping: _Mapping) -> None:
        """For `open` only."""
        self._path = path
        self._mapping: _Mapping | None = mapping
        self._layout = mapping.layout

    @classmethod
    def open(cls, path: Path) -> "RingReader":
        """Maps a ring for reading.

        Raises FileNotFoundError when it is gone (its writer restarted: see `newest_ring`), RingFormatError when the
        file is something else, or too short.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size_bytes = os.fstat(descriptor).st_size
            layout = _Layout.unpack(path, os.pread(descriptor, HEADER_BYTES, 0), size_bytes)
            return cls(path, _Mapping(descriptor, layout, writable=False))
        finally:
            os.close(descriptor)

    @property
    def path(self) -> Path:
        return self._path

    @property
    def epoch(self) -> int:
        return self._layout.epoch

    @property
    def slots(self) -> int:
        return self._layout.slots

    @property
    def width(self) -> int:
        return self._layout.width

    @property
    def height(self) -> int:
        return self._layout.height

    @property
    def pixel_format(self) -> PixelFormat:
        return self._layout.pixel_format

    @property
    def newest(self) -> int:
        """Number of the newest complete frame; 0: none yet. ValueError when closed."""
        return self._open_mapping().words[_NEWEST_WORD]

    def read(self, number: int, *, camera: str = "") -> Frame | None:
        """Frame `number` as a view, or None when the ring does not hold exactly that frame completely.

        `camera` is only passed on. ValueError when closed.
        """
        mapping = self._open_mapping()
        layout = self._layout
        if not 1 <= number <= mapping.words[_NEWEST_WORD]:
            return None
        start = layout.slot_offset(number)
        sequence = mapping.words[start // 8]
        if sequence % 2 or mapping.words[start // 8 + 1] != number:
            return None
        pts_us, captured_at_s, captured_boot_ns, length, checksum = _META.unpack_from(mapping.raw, start + _META_OFFSET)
        payload = mapping.payload(number)
        validity = _Validity(mapping, number, sequence, checksum)
        if length != layout.payload_bytes or not validity(payload):
            return None
        return Frame(
            camera=camera,
            number=number,
            epoch=layout.epoch,
            pts_us=pts_us,
            captured_at_s=captured_at_s,
            captured_boot_ns=captured_boot_ns,
            width=layout.width,
            height=layout.height,
            pixel_format=layout.pixel_format,
            payload=payload,
            validity=validity,
        )

    def latest(self, *, camera: str = "") -> Frame | None:
        """The newest frame that can be read, as by `read`; None when there is none."""
        newest = self.newest
        for number in range(newest, max(newest - _LOOK_BACK, 0), -1):
            frame = self.read(number, camera=camera)
            if frame is not None:
                return frame
        return None

    def close(self) -> None:
        """Lets go of the ring; frames that were read stay readable, and the memory goes with the last of them."""
        self._mapping = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open_mapping(self) -> _Mapping:
        if self._mapping is None:
            raise ValueError(f"{self._path}: the ring's reader is closed")
        return self._mapping


def newest_ring(folder: Path, camera: str) -> Path | None:
    """The ring `<camera>.<epoch>.ring` with the greatest epoch; None when there is none, or no folder."""
    epochs = [(int(path.suffixes[-2][1:]), path) for path in _rings(folder, camera)]
    return max(epochs)[1] if epochs else None


def sweep_rings(folder: Path, camera: str, keep: Path | None) -> int:
    """Removes the camera's rings, unfinished ones too, all but `keep`; returns how many. For their owner alone."""
    unfinished = folder.glob(f".{camera}.*.ring.*.tmp")
    orphans = [path for path in (*_rings(folder, camera), *unfinished) if path != keep]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def _rings(folder: Path, camera: str) -> list[Path]:
    named = folder.glob(f"{camera}.*.ring")
    return [path for path in named if path.name[len(camera) + 1 : -len(".ring")].isdecimal()]
