"""Counts the news that a subscriber lost: numbers that are missing in the row of one publisher and topic."""

from framebus.codec import Head

MAX_ROWS = 20_000


class Gaps:
    """The last number heard of each publisher and topic; those heard longest ago are forgotten."""

    def __init__(self) -> None:
        self._heard: dict[tuple[str, str], tuple[int, int]] = {}

    def note(self, topic: str, head: Head) -> int:
        """How many messages are missing between this one and the one before.

        The first that is heard, of a life too, has none before it; a replay or a late message closes no gap.
        """
        row = head.src, topic
        epoch, seq = self._heard.pop(row, (head.epoch, head.seq))
        if (head.epoch, head.seq) < (epoch, seq):
            self._heard[row] = epoch, seq
            return 0
        self._heard[row] = head.epoch, head.seq
        if len(self._heard) > MAX_ROWS:
            del self._heard[next(iter(self._heard))]
        return max(0, head.seq - seq - 1) if head.epoch == epoch else 0
