"""How many clients may stay connected at once: WebSockets and streams."""

from collections.abc import Iterator
from contextlib import contextmanager

from framebus.errors import ErrorCode, RefusedError
from framebus.stats import Stats


class Seats:
    """For the loop's thread alone."""

    def __init__(self, limit: int, stats: Stats) -> None:
        self._limit = limit
        self._stats = stats
        self.taken = 0

    def check(self) -> None:
        """Raises RefusedError when all places are taken."""
        if self.taken >= self._limit:
            self._stats.count("refused.clients")
            text = f"{self._limit} clients are connected already, as many as may be"
            raise RefusedError(ErrorCode.BUSY, text, retry_after_s=5.0)

    @contextmanager
    def one(self) -> Iterator[None]:
        """A place while it lasts; raises RefusedError when all are taken."""
        self.check()
        self._set(self.taken + 1)
        try:
            yield
        finally:
            self._set(self.taken - 1)

    def _set(self, taken: int) -> None:
        self.taken = taken
        self._stats.gauge("clients", float(taken))
