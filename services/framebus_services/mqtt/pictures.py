"""Pictures for the broker: the whole picture when an object comes, its best one when it has gone.

At most one a second of a camera, looked for on a thread of its own.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from framebus.bus import Bus
from framebus.errors import DeadlineError, RefusedError
from framebus.events import ID_PATTERN, events_folder
from framebus.requests import TakeSnapshot

log = logging.getLogger(__name__)

PERIOD_S = 1.0
"""of a camera"""
ASK_S = 2.0
ARCHIVE_S = 0.5
"""after its end enrich writes an object's picture"""
TRIES = 4
MAX_BYTES = 1024**2
MAX_LABELS = 64
"""of a camera, whose pictures wait"""
TakePicture = Callable[[str, str, bytes], None]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A picture that is wanted."""

    camera: str
    label: str
    ended: str = ""
    """the object that has ended; "": one of now"""
    tries: int = 0


class Pictures:
    """On the loop's thread; only looking for a picture is done on another."""

    def __init__(self, bus: Bus, take: TakePicture) -> None:
        """`take(camera, label, jpeg)` is called on the loop's thread."""
        self._bus = bus
        self._take = take
        self._wishes: dict[str, dict[str, Wish]] = {}
        self._rests: set[str] = set()
        """cameras of which one was asked for within the last second"""
        self._busy: set[str] = set()
        """cameras of which one is being looked for: so many orders there are at most"""
        self._orders: queue.SimpleQueue[Wish] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def wish(self, wish: Wish) -> None:
        """Get it as soon as this camera may have one; the newest wish of a label counts."""
        waiting = self._wishes.setdefault(wish.camera, {})
        if wish.label in waiting:
            self._bus.stats.count("skipped.pictures")
        elif len(waiting) >= MAX_LABELS:
            self._bus.stats.count("dropped.pictures")
            return
        waiting.pop(wish.label, None)
        waiting[wish.label] = wish
        self._go_on(wish.camera)

    def forget(self, camera: str) -> None:
        """The camera is no more."""
        self._wishes.pop(camera, None)

    def _go_on(self, camera: str) -> None:
        waiting = self._wishes.get(camera)
        if camera in self._rests or camera in self._busy or not waiting:
            return
        self._rests.add(camera)
        self._busy.add(camera)
        self._bus.after(PERIOD_S, partial(self._rested, camera))
        self._order(waiting.pop(next(iter(waiting))))

    def _rested(self, camera: str) -> None:
        self._rests.discard(camera)
        self._go_on(camera)

    def _order(self, wish: Wish) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)
            self._thread.start()
        self._orders.put(wish)

    def _run(self) -> None:
        while True:
            wish = self._orders.get()
            jpeg = find_archived(self._bus, wish) if wish.ended else take_snapshot(self._bus, wish.camera)
            self._bus.call_soon(partial(self._found, wish, jpeg))

    def _found(self, wish: Wish, jpeg: bytes | None) -> None:
        self._busy.discard(wish.camera)
        if jpeg is None:
            if wish.ended and wish.tries + 1 < TRIES:
                self._bus.after(ARCHIVE_S, partial(self._try_again, wish))
            else:
                self._bus.stats.count("missing.pictures")
        elif len(jpeg) > MAX_BYTES:
            self._bus.stats.count("dropped.pictures")
            log.warning("camera %s: a picture of %d bytes is too large for the broker", wish.camera, len(jpeg))
        else:
            self._take(wish.camera, wish.label, jpeg)
        self._go_on(wish.camera)

    def _try_again(self, wish: Wish) -> None:
        waiting = self._wishes.get(wish.camera, {})
        if wish.label in waiting:
            self._bus.stats.count("skipped.pictures")
        else:
            self.wish(Wish(camera=wish.camera, label=wish.label, ended=wish.ended, tries=wish.tries + 1))


def take_snapshot(bus: Bus, camera: str) -> bytes | None:
    """The newest frame as a JPEG; None where there is none."""
    try:
        return bus.ask_blob(f"capture@{camera}", TakeSnapshot(), ASK_S)[1]
    except (RefusedError, DeadlineError):
        return None


def find_archived(bus: Bus, wish: Wish) -> bytes | None:
    """The best picture of an object that has ended; None where it is not there (yet)."""
    if not ID_PATTERN.match(wish.ended):
        return None
    try:
        return (events_folder(bus.place.data, wish.camera) / f"{wish.ended}.jpg").read_bytes()
    except OSError:
        return None
