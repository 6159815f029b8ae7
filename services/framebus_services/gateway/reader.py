"""What one WebSocket client wants, and what waits for it: bounded, the latest of each state, the newest of the rest."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from framebus_services.gateway.authority import Subject
from framebus_services.gateway.item import Item
from framebus_services.gateway.refusals import to_json

MAX_PASSING = 256
MAX_PREFIXES = 64
MAX_NOTES = 100
MAX_FRAME_CHARACTERS = 256 * 1_024


class Reader:
    """One client's share of the news; for the loop's thread alone."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.wants: set[str] = set()
        self.dropped = 0
        self._untold = 0
        self._retained: dict[str, Item] = {}
        self._passing: deque[Item] = deque(maxlen=MAX_PASSING)
        self._notes: deque[str] = deque(maxlen=MAX_NOTES)
        self._stale: set[str] = set()
        self._changed = asyncio.Event()

    def wanted(self, topic: str) -> bool:
        """Whether it has asked for news of this topic."""
        return any(topic.startswith(prefix) for prefix in self.wants)

    def offer(self, item: Item) -> None:
        """News; of a state only the newest waits."""
        if not self.wanted(item.topic):
            return
        if item.is_retained:
            self._retained[item.topic] = item
            self._stale.discard(item.topic)
        else:
            if len(self._passing) == MAX_PASSING:
                self.dropped += 1
                self._untold += 1
            self._passing.append(item)
        self._changed.set()

    def offer_stale(self, topic: str) -> None:
        """The publisher of this state died."""
        if self.wanted(topic):
            self._stale.add(topic)
            self._changed.set()

    def snapshot(self, prefixes: Iterable[str], items: Iterable[Item]) -> None:
        """The states under these prefixes as they are, then the word that this was all."""
        wanted = tuple(prefixes)
        self._retained.update({item.topic: item for item in items if item.topic.startswith(wanted)})
        self.note({"snapshot_done": list(wanted)})

    def note(self, value: dict[str, Any]) -> None:
        """Something to this client alone."""
        self._notes.append(to_json(value).decode())
        self._changed.set()

    async def frames(self, limit_s: float) -> list[str]:
        """What waits, as text frames, when there is something; none after `limit_s` without."""
        try:
            async with asyncio.timeout(limit_s):
                await self._changed.wait()
        except TimeoutError:
            return []
        self._changed.clear()
        # States before what passes: whoever is behind wants to know how things are, first.
        items = [*self._retained.values(), *self._passing]
        self._retained.clear()
        self._passing.clear()
        texts = [text for item in items if (text := item.text_for(self.subject)) is not None]
        if stale := sorted(self._stale):
            self._stale.clear()
            texts.append(to_json({"stale": stale}).decode())
        if self._untold:
            texts.append(to_json({"dropped": self._untold}).decode())
            self._untold = 0
        texts += self._notes  # last: the end of a snapshot is told after it
        self._notes.clear()
        return _packed(texts)


def _packed(texts: list[str]) -> list[str]:
    """Several messages in a frame, as long as they fit."""
    frames: list[str] = []
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > MAX_FRAME_CHARACTERS:
            frames.append(_frame(batch))
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    return [*frames, _frame(batch)] if batch else frames


def _frame(batch: list[str]) -> str:
    return batch[0] if len(batch) == 1 else f"[{','.join(batch)}]"
