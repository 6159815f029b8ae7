"""Whom `framebus chaos` strikes, how and when: drawn before the first blow, the same for the same seed and members."""

import random
import signal
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

PAUSE_S = (0.2, 1.5)
"""from one recovery to the next blow"""
STOP_SHARE = 0.15
"""of the blows that stop a process instead of killing it; each takes the launcher 6 s to find"""


class Kind(StrEnum):
    """What is done to a process."""

    KILL = "kill -9"
    STOP = "stop"
    """it stands still with all its sockets open; the launcher must notice"""


SIGNALS = {Kind.KILL: signal.SIGKILL, Kind.STOP: signal.SIGSTOP}


@dataclass(frozen=True, kw_only=True)
class Blow:
    """One thing to do to one member."""

    name: str
    kind: Kind
    pause_s: float
    """wait so long before it"""


def draw_plan(seed: int, members: Sequence[str], stoppable: Collection[str]) -> Iterator[Blow]:
    """All blows of this seed, without end; none where there are no members.

    Each member is struck once, in random order, before any is struck again. Who is not `stoppable` is only killed: a
    program without beats that stands still is never missed.
    """
    dice = random.Random(seed)
    names = sorted(members)
    while names:
        dice.shuffle(names)
        for name in names:
            pause_s, luck = dice.uniform(*PAUSE_S), dice.random()
            kind = Kind.STOP if luck < STOP_SHARE and name in stoppable else Kind.KILL
            yield Blow(name=name, kind=kind, pause_s=round(pause_s, 3))
