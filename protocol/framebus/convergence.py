"""What a subscriber holds of the retained topics, and when it is behind. No sockets here.

A subscriber ends with each owner's last value, whatever was lost on the way: the greater (epoch, seq) wins, and the
owner's beacon tells which topics to ask for again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from framebus.codec import Head
from framebus.messages import Beacon, Gone


@dataclass(slots=True)
class Held:
    """Where a value stands in its owner's row."""

    src: str
    epoch: int
    seq: int
    is_stale: bool = False


class Convergence:
    """The newest (epoch, seq) of each retained topic."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def accept(self, topic: str, head: Head) -> bool:
        """Whether this is newer than what is held; if so, it is held from now on."""
        held = self.held.get(topic)
        if held is None:
            self.held[topic] = Held(head.src, head.epoch, head.seq)
            return True
        if (head.epoch, head.seq) <= (held.epoch, held.seq):
            return False
        held.src, held.epoch, held.seq, held.is_stale = head.src, head.epoch, head.seq, False
        return True

    def behind(self, beacon: Beacon, wants: Callable[[str], bool]) -> list[str]:
        """The topics of this beacon that are wanted and whose newest value is not held."""
        late = []
        for topic, seq in beacon.topics.items():
            held = self.held.get(topic)
            if (held is None or (held.epoch, held.seq) < (beacon.epoch, seq)) and wants(topic):
                late.append(topic)
        return late

    def mark_gone(self, gone: Gone) -> list[str]:
        """The topics whose value has just become stale, because their publisher died."""
        stale = []
        for topic, held in self.held.items():
            if held.src == gone.src and held.epoch <= gone.incarnation and not held.is_stale:
                held.is_stale = True
                stale.append(topic)
        return stale
