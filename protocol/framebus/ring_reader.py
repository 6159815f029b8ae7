"""A reader of a ring, in any process: frames as views, whole or not at all."""

import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

from framebus import futex
from framebus.frame import U8, Frame, PixelFormat
from framebus.ring_layout import HEADER_BYTES, META, META_OFFSET, NEWEST_WORD, Layout, Mapping

_LOOK_BACK = 4  # frames `latest` tries


class _Validity:
    """Tells whether bytes taken from a slot are all of one frame."""

    __slots__ = ("_checksum", "_sequence", "_sequence_word", "_stale_from", "_words")

    def __init__(self, words: memoryview, sequence_word: int, sequence: int, stale_from: int, checksum: int) -> None:
        self._words = words
        self._sequence_word = sequence_word
        self._sequence = sequence
        self._stale_from = stale_from
        self._checksum = checksum

    def __call__(self, payload: U8) -> bool:
        if self._checksum and zlib.crc32(payload.data) != self._checksum:
            return False
        words = self._words
        return words[NEWEST_WORD] < self._stale_from and words[self._sequence_word] == self._sequence


class RingReader:
    """Reads the frames of a ring, in any process; never slows the writer, and waits only in `wait`."""

    def __init__(self, path: Path, mapping: Mapping) -> None:
        """For `open` only."""
        self._path = path
        self._mapping: Mapping | None = mapping
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
            layout = Layout.unpack(path, os.pread(descriptor, HEADER_BYTES, 0), size_bytes)
            return cls(path, Mapping(descriptor, layout, writable=False))
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
        return self._open_mapping().words[NEWEST_WORD]

    def wait(self, after: int, limit_s: float) -> bool:
        """Sleep until there is a frame with a number greater than `after`; False when there is none yet.

        That is after `limit_s`, or when the writer closes the ring. ValueError when closed.
        """
        mapping = self._open_mapping()
        if (newest := mapping.words[NEWEST_WORD]) <= after:
            futex.sleep(mapping.newest_address, newest, limit_s)
        return mapping.words[NEWEST_WORD] > after

    def read(self, number: int, *, camera: str = "") -> Frame | None:
        """Frame `number` as a view, or None when the ring does not hold exactly that frame completely.

        `camera` is only passed on. ValueError when closed.
        """
        mapping = self._open_mapping()
        layout, words = self._layout, mapping.words
        if not 1 <= number <= words[NEWEST_WORD]:
            return None
        start = layout.slot_offset(number)
        sequence_word = start // 8
        sequence = words[sequence_word]
        if sequence % 2 or words[sequence_word + 1] != number:
            return None
        pts_us, captured_at_s, captured_boot_ns, length, checksum = META.unpack_from(mapping.raw, start + META_OFFSET)
        payload = mapping.payload(number)
        # Stale as soon as the next frame goes into this slot: the writer may be on its way.
        validity = _Validity(words, sequence_word, sequence, number + layout.slots - 1, checksum)
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

    def _open_mapping(self) -> Mapping:
        if self._mapping is None:
            raise ValueError(f"{self._path}: the ring's reader is closed")
        return self._mapping
