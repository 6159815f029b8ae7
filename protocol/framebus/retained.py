"""The owner's side of retained topics: it keeps the last message of each, sends it again to who subscribes, and tells
by beacons which is the newest. The other side is `framebus.convergence`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator

from framebus.door import Frames
from framebus.timers import Timer, Timers

BEACON_SOON_S = 0.25
BEACON_AGAIN_S = 0.5
"""after the first: where a burst filled the queue of a reader, the first beacon was lost with it"""
BEACON_S = 1.0
"""otherwise, at whole seconds of the boot clock: those of all owners wake a reader once"""
REPLAY_EVERY_S = 0.005
REPLAY_AT_ONCE = 200
MAX_BEACON_TOPICS = 500
BODY = 2
"""the frame of a message after topic and head; a blob may follow"""


class Retained:
    """The last message of each retained topic of one publisher."""

    def __init__(
        self, timers: Timers, send: Callable[[Frames], None], send_beacon: Callable[[dict[str, int]], None]
    ) -> None:
        self._timers = timers
        self._send = send
        self._send_beacon = send_beacon
        self._frames: dict[str, Frames] = {}
        self._seqs: dict[str, int] = {}
        self._replay: dict[str, None] = {}
        self._replay_timer: Timer | None = None
        self._beacon_timer: Timer | None = None
        self._beacon_is_soon = False

    def __contains__(self, topic: str) -> bool:
        return topic in self._frames

    def keep(self, topic: str, seq: int, frames: Frames) -> None:
        """This is the newest message of `topic`; a beacon will tell so, soon where it says something new."""
        is_new = self._frames.get(topic, [])[BODY:] != frames[BODY:]  # else who misses it holds the same already
        self._frames[topic] = frames
        self._seqs[topic] = seq
        if is_new and not self._beacon_is_soon:
            self._beacon_is_soon = True
            self._put_off()
            self._beacon_timer = self._timers.after(BEACON_SOON_S, self._tell)

    def replay(self, prefix: str) -> None:
        """Send the topics under `prefix` again, soon."""
        for topic in self._frames:
            if topic.startswith(prefix):
                self._replay[topic] = None
        if self._replay and self._replay_timer is None:
            self._replay_some()

    def _replay_some(self) -> None:
        self._replay_timer = None
        for topic in list(self._replay)[:REPLAY_AT_ONCE]:
            del self._replay[topic]
            self._send(self._frames[topic])
        if self._replay:
            self._replay_timer = self._timers.after(REPLAY_EVERY_S, self._replay_some)

    def _put_off(self) -> None:
        if self._beacon_timer is not None:
            self._beacon_timer.cancel()

    def _tell(self) -> None:
        is_first, self._beacon_is_soon = self._beacon_is_soon, False
        for topics in batched(self._seqs, MAX_BEACON_TOPICS):
            self._send_beacon({topic: self._seqs[topic] for topic in topics})
        if is_first:
            self._beacon_timer = self._timers.after(BEACON_AGAIN_S, self._tell)
        else:
            self._beacon_timer = self._timers.at_second(self._tell)


def batched(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """The items in lists of at most `size` (itertools.batched is in Python 3.12)."""
    rest = iter(items)
    while some := list(itertools.islice(rest, size)):
        yield some
