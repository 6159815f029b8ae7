"""Tells the dispatcher who died, in order, and again until it has heard: a thread of its own, because asking waits."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from framebus.bus import Bus
from framebus.errors import DeadlineError, RefusedError
from framebus.requests import WorkerLost

log = logging.getLogger(__name__)

ASK_S = 0.5
CLOSE_S = 2.0
"""what the thread has to come back from its last question"""
MAX_WAITING = 1_000
"""deaths that wait for a dispatcher; beyond it the oldest is dropped, and its leases run out by the clock"""
Told = Callable[[WorkerLost], None]


class Losses:
    """The deaths that the dispatcher has not heard of yet."""

    def __init__(self, bus: Bus, told: Told) -> None:
        """`told(lost)` is called on the bus's loop when the dispatcher has answered."""
        self._bus = bus
        self._told = told
        self._waiting: deque[WorkerLost] = deque(maxlen=MAX_WAITING)
        self.untold = 0
        """deaths that were handed in and not answered yet; for the bus's loop"""
        self._has_news = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="losses", daemon=True)
        self._thread.start()

    def tell(self, lost: WorkerLost) -> None:
        """The dispatcher shall know. Never waits; after `end()` it is not told."""
        if self._is_closed:
            return
        self.untold += len(self._waiting) < MAX_WAITING
        self._waiting.append(lost)
        self._has_news.set()

    def end(self) -> None:
        """Tell no more; what is being asked may be answered yet."""
        self._is_closed = True
        self._waiting.clear()
        self._has_news.set()

    def close(self) -> None:
        """After `end()`: wait until the thread has let go of the bus, half a second as a rule."""
        self.end()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.warning("still asks the dispatcher after %.0f s; left behind", CLOSE_S)

    def _run(self) -> None:
        while not self._is_closed:
            self._has_news.wait()
            self._has_news.clear()
            while self._waiting and not self._is_closed:
                lost = self._waiting.popleft()
                if not self._ask(lost) and not self._is_closed:
                    self._waiting.appendleft(lost)

    def _ask(self, lost: WorkerLost) -> bool:
        """Whether the dispatcher has answered."""
        try:
            self._bus.ask("dispatcher", lost, deadline_s=ASK_S)
        except DeadlineError:
            return False
        except RefusedError as error:
            if error.retry_after_s is not None:  # its disk is full, say: the death is told again
                self._has_news.wait(min(error.retry_after_s, ASK_S))
                return False
            log.error("the dispatcher refuses to hear that %s died: %s", lost.worker, error.message)
        self._bus.call_soon(partial(self._note_told, lost))
        return True

    def _note_told(self, lost: WorkerLost) -> None:
        self.untold -= 1
        self._told(lost)
