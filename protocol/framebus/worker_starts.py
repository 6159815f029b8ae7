"""When the next process of a WorkerProcess may start: at once after a death, ever later after many in a row. Pure."""

FAILED_STARTS = 3
"""in a row, before waiting tasks are told"""
REST_S, REST_LIMIT_S = 0.1, 5.0
"""after the second death in a row without a result; doubles with each"""


class Starts:
    """The starts and deaths of the processes of one worker; times are monotonic seconds."""

    def __init__(self) -> None:
        self.count = 0
        """of all starts"""
        self.begun_s = 0.0
        """when the newest process was started"""
        self.next_s = 0.0
        """when the next one may be"""
        self.error = ""
        """why no process could be made ready, until one is"""
        self._deaths = 0
        """in a row, without a result in between"""
        self._failures = 0
        """in a row, before one was ready"""

    @property
    def is_hopeless(self) -> bool:
        """Whether so many have failed that nobody shall wait for the next."""
        return self._failures >= FAILED_STARTS

    def begin(self, now_s: float) -> None:
        self.count += 1
        self.begun_s = self.next_s = now_s

    def note_ready(self) -> None:
        """The process is ready for tasks."""
        self.error, self._failures = "", 0

    def note_result(self) -> None:
        """The process has ended a task in good order."""
        self._deaths = 0

    def note_death(self, now_s: float, *, is_own: bool) -> None:
        """The process died; `is_own`: nobody had killed it."""
        self.next_s = now_s
        if not is_own:
            return
        self._deaths += 1
        if self._deaths > 1:
            self.next_s += min(REST_LIMIT_S, REST_S * 2.0 ** min(self._deaths - 2, 10))

    def note_failed(self, now_s: float, why: str) -> None:
        """The process died before it was ready, or could not be started at all."""
        self._failures += 1
        self.error = why
        self.note_death(now_s, is_own=True)
