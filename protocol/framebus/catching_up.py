"""Asks for retained values that a subscriber lacks: a few at a time, so that the replay is not lost as the value was.

A value is lost where a queue is full. Whoever then asks for twenty at once gets them as a burst, into the same queue.
So at most four are on their way; each that arrives lets the next be asked for, and one that does not is asked again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from framebus.timers import Timer, Timers

AT_ONCE = 4
AGAIN_S = 0.05
"""much longer than a replay takes; with the number at once it bounds the rate: 80 a second to an owner who is silent"""
MAX_TRIES = 5
"""for one value; then its owner is silent, and only the next beacon that names it starts anew"""
MAX_TOPICS = 10_000


@dataclass(slots=True)
class Missing:
    """A value that an owner named and that has not arrived."""

    epoch: int
    seq: int
    tries: int = 0


class CatchingUp:
    """What one subscriber lacks of retained topics; `ask(topic)` lets the owner send its value once more."""

    def __init__(self, timers: Timers, ask: Callable[[str], None]) -> None:
        self._timers = timers
        self._ask = ask
        self._missing: dict[str, Missing] = {}
        self._waiting: dict[str, None] = {}
        self._asked: dict[str, None] = {}
        self._timer: Timer | None = None

    def need(self, topic: str, epoch: int, seq: int) -> None:
        """The owner has a newer value of `topic` than is held; call `go_on` when all are named."""
        missing = self._missing.get(topic)
        if missing is None:
            if len(self._missing) >= MAX_TOPICS:
                return  # the next beacon names it again
            missing = self._missing[topic] = Missing(epoch, seq)
        if (epoch, seq) > (missing.epoch, missing.seq):
            missing.epoch, missing.seq = epoch, seq
        if topic not in self._asked:
            self._waiting[topic] = None

    def arrived(self, topic: str, epoch: int, seq: int) -> None:
        """A value came; if it is as new as the one that was named, the topic is not missing any more."""
        missing = self._missing.get(topic)
        if missing is None or (epoch, seq) < (missing.epoch, missing.seq):
            return
        del self._missing[topic]
        self._waiting.pop(topic, None)
        self._asked.pop(topic, None)
        self.go_on()

    def go_on(self) -> None:
        """Ask for as many as may be on their way."""
        while self._waiting and len(self._asked) < AT_ONCE:
            topic = next(iter(self._waiting))
            del self._waiting[topic]
            self._asked[topic] = None
            self._missing[topic].tries += 1
            self._ask(topic)
        if self._asked and self._timer is None:
            self._timer = self._timers.after(AGAIN_S, self._ask_again)

    def _ask_again(self) -> None:
        """What was asked for before this period and has not come goes to the end of the row."""
        self._timer = None
        for topic in self._asked:
            if self._missing[topic].tries < MAX_TRIES:
                self._waiting[topic] = None
            else:
                del self._missing[topic]
        self._asked.clear()
        self.go_on()
