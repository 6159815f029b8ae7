"""The last lines that each member of a group printed, numbered over the group."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from framebus.errors import ErrorCode, RefusedError
from framebus.redact import RedactingFormatter
from framebus.requests import GetLogs, LogLine, Logs
from framebus_launcher.table import no_service
from framebus_launcher.tail import MAX_LINE, TAIL_LINES

LAUNCHER = "launcher"


class Logbook:
    """Keeps 200 lines of each member, without credentials. Lines may come from any thread."""

    def __init__(self, wall_s: Callable[[], float], first: int) -> None:
        """`first` is the number of the first line: greater than those of a launcher before, for who follows."""
        self._wall_s = wall_s
        self._number = first
        self._lines: dict[str, deque[LogLine]] = {LAUNCHER: deque(maxlen=TAIL_LINES)}
        self._lock = threading.Lock()

    def open(self, name: str) -> None:
        """From now on there is such a member."""
        with self._lock:
            self._lines.setdefault(name, deque(maxlen=TAIL_LINES))

    def forget(self, name: str) -> None:
        """It is gone for good."""
        with self._lock:
            self._lines.pop(name, None)

    def add(self, name: str, texts: Sequence[str]) -> None:
        """It printed these lines."""
        at_s = self._wall_s()
        with self._lock:
            for text in texts if name in self._lines else ():
                self._lines[name].append(LogLine(number=self._number, at_s=at_s, name=name, text=text[:MAX_LINE]))
                self._number += 1

    def read(self, ask: GetLogs) -> Logs:
        """The lines after a number, oldest first, or the last ones; raises RefusedError for an unknown member."""
        with self._lock:
            if ask.name is not None and ask.name not in self._lines:
                raise RefusedError(ErrorCode.NOT_FOUND, no_service(ask.name, self._lines))
            some = [self._lines[ask.name]] if ask.name is not None else list(self._lines.values())
            found = sorted((line for lines in some for line in lines), key=lambda line: line.number)
            newest = self._number - 1
        if ask.after is None:
            return Logs(lines=found[-ask.limit :], next=newest)
        found = [line for line in found if line.number > ask.after]
        some_left = len(found) > ask.limit
        found = found[: ask.limit]
        return Logs(lines=found, next=found[-1].number if some_left else newest)


class OwnLines(logging.Handler):
    """Hands on the launcher's own lines, which look like those of the services."""

    def __init__(self, take: Callable[[str, Sequence[str]], None]) -> None:
        super().__init__()
        self._take = take
        self.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._take(LAUNCHER, self.format(record).splitlines())
