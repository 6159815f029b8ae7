"""Plays a tape into a running bus at its own pace, and stands in for the owners of what is retained."""

import heapq
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass

from framebus.clock import Clock
from framebus.door import Frames
from framebus.retained import REPLAY_AT_ONCE, REPLAY_EVERY_S
from framebus.retelling import Retelling, Weather
from framebus.tape import Taped
from framebus.transport import Megaphone

JOIN_S = 1.0
"""how long the first message waits for somebody to listen: what is said before is lost"""
BEACON_S = 0.25
"""at the end"""
MAX_DELAYED = 10_000
"""messages on their way; beyond it the one that is due first goes at once"""


@dataclass(slots=True)
class Tally:
    """What became of the messages of a tape."""

    told: int = 0
    lost: int = 0
    replayed: int = 0


class Player:
    """One playing of a tape."""

    def __init__(self, out: Megaphone, retelling: Retelling, weather: Weather, clock: Clock) -> None:
        self._out = out
        self._retelling = retelling
        self._weather = weather
        self._clock = clock
        self.tally = Tally()
        self._delayed: list[tuple[float, int, Frames]] = []
        self._order = itertools.count()
        self._asked: dict[str, None] = {}
        self._next_replay_s = 0.0

    def play(self, tape: Iterable[Taped], first_up_s: float, speed: float) -> None:
        """Tell every message when its time has come."""
        asked = self._out.wait(JOIN_S)
        self._note_asked(asked)
        start_s = time.monotonic()
        for taped in tape:
            self._turn_until(start_s + (taped.up_s - first_up_s) / speed)
            self._take(taped)
        while self._delayed:
            self._turn_until(self._delayed[0][0])

    def stay(self, seconds: float) -> None:
        """Answer for the retained topics, and tell by beacons which value is the last of each."""
        end_s = time.monotonic() + seconds
        while (now_s := time.monotonic()) < end_s:
            for frames in self._retelling.beacons(self._clock.wall_s(), self._clock.boot_s()):
                self._out.send(frames)
            self._turn_until(min(end_s, now_s + BEACON_S))

    def _take(self, taped: Taped) -> None:
        frames = self._retelling.tell(taped, self._clock.wall_s(), self._clock.boot_s())
        now_s = time.monotonic()
        due_s = self._weather.due_s(frames[0] if frames else b"", now_s)
        if due_s is None:
            self.tally.lost += 1
        elif due_s <= now_s:
            self._say(frames)
        else:
            heapq.heappush(self._delayed, (due_s, next(self._order), frames))
            if len(self._delayed) > MAX_DELAYED:
                self._say(heapq.heappop(self._delayed)[2])

    def _say(self, frames: Frames) -> None:
        self._out.send(frames)
        self.tally.told += 1

    def _turn_until(self, end_s: float) -> None:
        """Do what comes up until then: delayed messages, and values that somebody asks for."""
        while True:
            now_s = time.monotonic()
            while self._delayed and self._delayed[0][0] <= now_s:
                self._say(heapq.heappop(self._delayed)[2])
            if self._asked and now_s >= self._next_replay_s:
                self._replay_some(now_s)
            if now_s >= end_s:
                return
            next_s = [end_s]
            next_s += [self._delayed[0][0]] if self._delayed else []
            next_s += [self._next_replay_s] if self._asked else []
            self._note_asked(self._out.wait(max(0.0, min(next_s) - now_s)))

    def _note_asked(self, prefixes: Iterable[str]) -> None:
        for prefix in prefixes:
            self._asked |= dict.fromkeys(self._retelling.kept(prefix))

    def _replay_some(self, now_s: float) -> None:
        for topic in list(self._asked)[:REPLAY_AT_ONCE]:
            del self._asked[topic]
            self._out.send(self._retelling.last(topic))
            self.tally.replayed += 1
        self._next_replay_s = now_s + REPLAY_EVERY_S
