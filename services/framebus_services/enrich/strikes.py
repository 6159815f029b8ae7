"""Which objects have cost a processor its workers: the third time is the last."""

from collections import OrderedDict

DEADLY = 3
MAX_REMEMBERED = 1_000


class Strikes:
    """The strikes of one processor's objects."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def note(self, id: str) -> bool:
        """Count a worker that died or hung at this object; True: that was the last one it gets."""
        self._counts[id] = self._counts.pop(id, 0) + 1
        while len(self._counts) > MAX_REMEMBERED:
            self._counts.popitem(last=False)
        return self._counts[id] == DEADLY

    def is_out(self, id: str) -> bool:
        return self._counts.get(id, 0) >= DEADLY

    def forget(self, id: str) -> None:
        """The object is gone."""
        self._counts.pop(id, None)
