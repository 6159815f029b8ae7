"""Signals to the launcher: kept when they come, and heeded when its loop turns, which they wake."""

import signal
from types import FrameType, TracebackType

STOPS = (signal.SIGTERM, signal.SIGINT)
HEEDED = (*STOPS, signal.SIGHUP)


class Signals:
    """What came and was not heeded yet. Use it in a `with` block, on the main thread only.

    Afterwards signals are as before; but where one to stop has come, more of them are ignored: who is on the way out in
    good order is not killed by the last of them.
    """

    def __init__(self, wakeup_fd: int) -> None:
        """`wakeup_fd` is written to when one comes."""
        self._wakeup_fd = wakeup_fd
        self._kept: list[int] = []
        self._was_stopped = False

    def __enter__(self) -> "Signals":
        self._handlers = {number: signal.signal(number, self._keep) for number in HEEDED}
        self._wakeup_before = signal.set_wakeup_fd(self._wakeup_fd, warn_on_full_buffer=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._handlers.items():
            signal.signal(number, signal.SIG_IGN if self._was_stopped and number in STOPS else handler)

    def take(self) -> list[int]:
        """Their numbers, in the order in which they came."""
        taken = []
        while self._kept:  # another may come meanwhile
            taken.append(self._kept.pop(0))
        return taken

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._kept.append(number)
        self._was_stopped |= number in STOPS
