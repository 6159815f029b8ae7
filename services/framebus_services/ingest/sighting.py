"""Decides when an uploaded file is whole, as far as its size and its events tell. Pure: time comes in as a number.

| a file | is ready |
| --- | --- |
| was closed, or moved in | when it was quiet for 0.5 s |
| is being written, as events tell | when nobody wrote for 60 s: half of some videos looks whole |
| has no such event (found, or on a share) | when its size stayed the same for 2 s, however long it grew |
| is open for writing still, as the kernel tells | as one that is being written, whatever events told |

What is ready and yet does not open may be an upload that paused: it is looked at again when it changes, and given up
after 15 minutes without change, at once when its writer closed it.
"""

from dataclasses import dataclass
from typing import NamedTuple

QUIET_S = 0.5
STEADY_S = 2.0
OPEN_S = 60.0
SAMPLE_S = 0.5
"""how often the size is looked at"""
IDLE_S = 900.0


class Stamp(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    size_bytes: int
    mtime_ns: int


@dataclass(slots=True)
class Sighting:
    """A file that is not taken yet."""

    stamp: Stamp
    changed_s: float
    """when it was last seen to change"""
    is_closed: bool = False
    """its writer has let go of it since"""
    is_open: bool = False
    """somebody wrote, and has not let go of it since"""
    is_broken: bool = False
    """it did not open as it is now"""
    due_s: float = float("inf")
    """when it is to be looked at, as the line of those that are due knows"""

    def see(self, stamp: Stamp, now_s: float) -> None:
        """It looks like this now."""
        if stamp != self.stamp:
            self.stamp, self.changed_s, self.is_closed, self.is_broken = stamp, now_s, False, False

    def note_written(self) -> None:
        """Somebody wrote to it."""
        self.is_open = not self.is_closed

    def note_closed(self, now_s: float) -> None:
        """Its writer closed it, or it was moved in."""
        self.is_closed, self.is_open, self.is_broken, self.changed_s = True, False, False, now_s

    def ready_s(self) -> float:
        """When it may be looked into, if nothing happens until then."""
        if self.is_broken:
            return self.changed_s + IDLE_S
        if self.is_closed:
            return self.changed_s + QUIET_S
        return self.changed_s + (OPEN_S if self.is_open else STEADY_S)

    def is_given_up(self, now_s: float) -> bool:
        """Whether a file that does not open gets no more time."""
        return self.is_closed or now_s - self.changed_s >= IDLE_S
