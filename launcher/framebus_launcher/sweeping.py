"""What is tidied up now and then, on a thread of its own: a slow disk must not keep the launcher from hearing beats."""

import logging
import threading
from abc import ABC, abstractmethod

log = logging.getLogger(__name__)

JOIN_S = 1.0


class Sweeping(ABC):
    """Calls `sweep` each `period_s` between `start` and `stop`; `trouble` is logged with what a disk said."""

    def __init__(self, name: str, period_s: float, trouble: str) -> None:
        self._period_s = period_s
        self._trouble = trouble
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def sweep(self) -> None:
        """Do it once, and end early when `_is_over` is set. Raises OSError."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a file that is being deleted is the last."""
        self._is_over.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._is_over.wait(self._period_s):
            try:
                self.sweep()
            except OSError as error:
                log.warning("%s: %s", self._trouble, error)
