"""Hears what happens in the upload folder. Events only make it fast: the scans find what no event told."""

import os
import threading
import warnings
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

MAX_WAITING = 20_000
"""events that wait; more are dropped, and a scan makes up for them"""


class What(IntEnum):
    """Happened to a file; the greater says more."""

    OPENED = 0
    """to be read or to be written"""
    SEEN = 1
    WRITTEN = 2
    """or its times were changed, or its rights"""
    CLOSED = 3
    """its writer let go of it, or it was moved in"""


class Watcher:
    """Collects events of one folder, on a thread of watchdog's."""

    def __init__(self, root: Path, *, polling_s: float | None, wake: threading.Event) -> None:
        """`polling_s`: look so often instead, where the system tells nothing, as on network shares."""
        self._wake = wake
        self._events: deque[tuple[str, What]] = deque()
        self._has_overflown = False
        self._prefix = f"{root}{os.sep}"
        self._observer = Observer() if polling_s is None else PollingObserver(timeout=polling_s)
        self._observer.schedule(
            _Handler(self._note, What.WRITTEN if polling_s is None else What.SEEN), str(root), recursive=True
        )

    def start(self) -> None:
        """Raises OSError, as when the system allows no more watches."""
        warnings.filterwarnings("ignore", module="watchdog")  # several kB for each event that is told twice
        self._observer.start()

    def stop(self, limit_s: float) -> None:
        """No more events; waits at most so long for the thread to end."""
        self._observer.stop()
        if self._observer.is_alive():
            self._observer.join(limit_s)

    def take(self) -> tuple[list[tuple[str, What]], bool]:
        """What happened: paths, each once, with what says most; and whether events were lost."""
        taken: dict[str, What] = {}
        reopened: set[str] = set()
        while self._events:
            path, what = self._events.popleft()
            if what is What.OPENED:
                reopened.add(path)
            elif what is What.WRITTEN and path in reopened:
                taken[path] = what
            else:
                taken[path] = max(what, taken.get(path, What.SEEN))
            if what is What.CLOSED:
                reopened.discard(path)
        has_overflown, self._has_overflown = self._has_overflown, False
        return list(taken.items()), has_overflown

    def _note(self, path: str, what: What) -> None:
        if not path.startswith(self._prefix):
            return
        if len(self._events) >= MAX_WAITING:
            self._has_overflown = True
        else:
            self._events.append((path[len(self._prefix) :], what))
        if what is not What.OPENED:
            self._wake.set()


class _Handler(FileSystemEventHandler):
    def __init__(self, note: Callable[[str, What], None], modified: What) -> None:
        """`modified`: what that tells; who polls is never told of a close after it."""
        self._note = note
        self._modified = modified

    def dispatch(self, event: FileSystemEvent) -> None:
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
        if isinstance(event, FileMovedEvent | DirMovedEvent):
            self._note(source, What.SEEN)
            self._note(target, What.CLOSED)
        elif isinstance(event, FileClosedEvent):
            self._note(source, What.CLOSED)
        elif isinstance(event, FileCreatedEvent | DirCreatedEvent):
            self._note(source, What.SEEN)
        elif isinstance(event, FileOpenedEvent):
            self._note(source, What.OPENED)
        elif isinstance(event, FileModifiedEvent):
            self._note(source, self._modified)
