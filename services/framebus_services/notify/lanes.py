"""A lane for each target: how many posts are under way to it, and how long it wants to be left alone."""

import threading
from collections.abc import Callable

from framebus.job_requests import FailKind
from framebus.notify_settings import AT_ONCE
from framebus.runner import WorkError


class Lane:
    """Who finds no place goes back to the queue at once, so that one dead target never takes the slots of others."""

    def __init__(self, name: str, clock_s: Callable[[], float]) -> None:
        self._name = name
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._under_way = 0
        self._until_s = float("-inf")

    def enter(self) -> None:
        """Take a place; raises WorkError when there is none now. Who has one calls `leave`."""
        with self._lock:
            left_s = self._until_s - self._clock_s()
            if left_s > 0.0:
                text = f"{self._name} asked to be left alone; {left_s:.0f} s of that are left"
                raise WorkError(FailKind.TRANSIENT, text)
            if self._under_way >= AT_ONCE:
                text = f"{self._name} has {self._under_way} notifications in hand; this one comes after them"
                raise WorkError(FailKind.TRANSIENT, text)
            self._under_way += 1

    def leave(self) -> None:
        with self._lock:
            self._under_way -= 1

    def rest(self, duration_s: float) -> None:
        """Nothing is posted for so long."""
        with self._lock:
            self._until_s = max(self._until_s, self._clock_s() + duration_s)
