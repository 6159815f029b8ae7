"""One client's share of a camera's live video: from a key frame on, and anew from one after it was too slow."""

import asyncio
from collections import deque

MAX_BYTES = 8 * 1_024 * 1_024
MAX_PIECES = 100


class LiveReader:
    """For the loop's thread alone."""

    def __init__(self) -> None:
        self.dropped = 0
        self._pieces: deque[str | bytes] = deque()
        self._bytes = 0
        self._is_started = False
        self._changed = asyncio.Event()

    def begin(self, description: str, init: bytes) -> None:
        """What comes from here on belongs to this init segment; what waits belongs to another."""
        self._clear()
        self._is_started = False
        self._put(description)
        self._put(init)

    def offer(self, fragment: bytes, *, is_key: bool) -> None:
        """A piece of video; `is_key`: it begins with a key frame."""
        if not self._is_started and not is_key:
            return
        if self._bytes + len(fragment) > MAX_BYTES or len(self._pieces) >= MAX_PIECES:
            self._drop_fragments()
            self._is_started = False
            if not is_key:
                self.dropped += 1
                return
        self._is_started = True
        self._put(fragment)

    async def pieces(self, limit_s: float) -> list[str | bytes]:
        """What waits, after at most `limit_s`; empty when nothing came."""
        try:
            async with asyncio.timeout(limit_s):
                await self._changed.wait()
        except TimeoutError:
            return []
        pieces = list(self._pieces)
        self._clear()
        return pieces

    def _put(self, piece: str | bytes) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece)
        self._changed.set()

    def _clear(self) -> None:
        self._pieces.clear()
        self._bytes = 0
        self._changed.clear()

    def _drop_fragments(self) -> None:
        """All but a description and its init segment that have not been sent yet."""
        head = [self._pieces[0], self._pieces[1]] if self._pieces and isinstance(self._pieces[0], str) else []
        self.dropped += len(self._pieces) - len(head)
        self._clear()
        for piece in head:
            self._put(piece)
