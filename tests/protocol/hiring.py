"""A worker in the test's own process, whose loop turns in a thread."""

import threading

from framebus.errors import ConfigError
from framebus.hands import Worker
from framebus.runner import AnyJobRunner
from framebus.transport import SocketBus
from services.dispatcher.processes import LIMIT_S, Group


class Hands:
    """Does jobs until `stop()`."""

    def __init__(
        self,
        group: Group,
        *runners: AnyJobRunner | type[AnyJobRunner],
        slots: int = 1,
        settings: bytes = b"{}",
    ) -> None:
        self._group = group
        self._runners = runners
        self._slots = slots
        self._settings = settings
        self._is_over = threading.Event()
        self._is_ready = threading.Event()
        self.failure: ConfigError | SystemExit | None = None
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()
        assert self._is_ready.wait(LIMIT_S)

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()

    def _turn(self) -> None:
        self.bus = SocketBus("hands", place=self._group.place, settings=self._settings)
        try:
            self.worker = Worker(self.bus, self._runners, self._slots)
        except ConfigError as error:  # the test's to look at
            self.failure = error
            self._is_over.set()
        self._is_ready.set()
        while not self._is_over.is_set():
            try:
                self.bus.turn(0.05)
            except SystemExit as error:  # as above
                self.failure = error
                self._is_over.set()
        if self.failure is None:
            self.worker.stop()
        self.bus.close()
