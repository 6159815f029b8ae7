"""A ring's file, for its writer and its readers: where things are in it, and how it lies in memory.

Little endian: a header of 4,096 bytes, then the slots; frame n lies in slot n mod slots. The writer makes a slot's
sequence odd, writes payload and meta, makes it even, and last stores the number in the header. A reader looks at the
sequence before and after use, so it gets the frame it asked for or nothing.
"""

import mmap
import struct
from pathlib import Path

import numpy as np

from framebus.frame import U8, PixelFormat

MAGIC = b"FBRING1\0"
VERSION = 1
HEADER_BYTES = 4096
SLOT_HEADER_BYTES = 64
FEWEST_SLOTS = 4

# magic, version, slots, slot_size, epoch, width, height, stride, format; newest follows at byte 48.
HEADER = struct.Struct("<8sIIQQIIII")
NEWEST_WORD = HEADER.size // 8
"""who waits for a frame sleeps at its low half (`framebus.futex`), which lies first"""
# pts_us, captured_at_s, captured_boot_ns, length, checksum; sequence and number are before it.
META = struct.Struct("<qdqII")
META_OFFSET = 16


class RingFormatError(ValueError):
    """The file is not a ring that this version can read."""


class Layout:
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
        return HEADER.pack(MAGIC, VERSION, self.slots, self.slot_size, self.epoch, *sizes)

    @classmethod
    def unpack(cls, path: Path, header: bytes, size_bytes: int) -> "Layout":
        if len(header) < HEADER_BYTES:
            raise RingFormatError(f"{path}: {size_bytes} bytes are too short for a ring's header")
        magic, version, slots, slot_size, epoch, width, height, stride, code = HEADER.unpack_from(header)
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


class Mapping:
    """A ring's file in memory, mapped once with all its pages; goes when the last view of it goes."""

    __slots__ = ("_payloads", "data", "layout", "newest_address", "raw", "words")

    def __init__(self, descriptor: int, layout: Layout, *, writable: bool) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.layout = layout
        self.raw = mmap.mmap(descriptor, layout.size_bytes, flags=flags, prot=protection)
        # Sequence, number and newest are read and stored through this view: it makes one aligned 8-byte access,
        # where struct's "<Q" would copy byte by byte and could show a reader half a number.
        self.words = memoryview(self.raw).cast("Q")
        self.data: U8 = np.frombuffer(self.raw, np.uint8)
        self.newest_address: int = self.data.ctypes.data + 8 * NEWEST_WORD
        starts = [layout.slot_offset(slot) + SLOT_HEADER_BYTES for slot in range(layout.slots)]
        self._payloads = [self.data[start : start + layout.payload_bytes] for start in starts]

    def payload(self, number: int) -> U8:
        return self._payloads[number % self.layout.slots]
