"""Keeps ended objects, their pictures and what cameras showed, on a thread of its own: a slow disk stops no frame."""

import contextlib
import errno
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec

from framebus.events import OPEN_NAME, EndedObject, day_file, events_folder, list_events, picture_name
from framebus.shown import Shown, note_shown
from framebus_services.enrich.expiry import PERIOD_S, Expiry
from framebus_services.enrich.shots import Shot

log = logging.getLogger(__name__)

MAX_WAITING = 1_000
"""ended objects that wait for the disk; the oldest go first"""
MAX_PICTURES = 64
"""pictures among them, of about 0.6 MB; more objects go without"""
MAX_SHOWN = 10_000
"""slots that wait for the disk: of what is lost it is unknown what it showed"""
RETRY_S = 5.0
STOP_S = 3.0


@dataclass(kw_only=True, slots=True)
class _Entry:
    event: EndedObject
    shot: Shot | None


class Archive:
    """The events folder of the cameras that one process enriches."""

    def __init__(self, data: Path, expiry: Expiry, count: Callable[[str], None]) -> None:
        """`count` is called from any thread, with the name of a counter."""
        self._data = data
        self._expiry = expiry
        self._count = count
        self._changed = threading.Condition()
        self._waiting: deque[_Entry] = deque()
        self._open: dict[str, list[EndedObject]] = {}
        self._shown: deque[tuple[str, int, Shown]] = deque(maxlen=MAX_SHOWN)
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._is_failing = False

    def start(self) -> None:
        """Begin to write and to delete; `add` and `note_open` do it, too."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="archive", daemon=True)
                self._thread.start()

    def stop(self, limit_s: float = STOP_S) -> None:
        """Write what waits, for so long at most."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(limit_s)
            left = len(self._waiting)
            if left:
                log.error("%d ended objects could not be written to %s", left, self._data / "events")

    def add(self, event: EndedObject, shot: Shot | None) -> None:
        """Keep an ended object; never waits."""
        with self._changed:
            self._make_room(MAX_WAITING - 1)
            if shot is not None and sum(entry.shot is not None for entry in self._waiting) >= MAX_PICTURES:
                shot = None
                self._count("dropped.picture")
            self._waiting.append(_Entry(event=event, shot=shot))
            self._changed.notify()
        self.start()

    def note_open(self, camera: str, objects: Sequence[EndedObject]) -> None:
        """Remember which objects are there, as they would be told of if this process died now; never waits."""
        with self._changed:
            self._open[camera] = list(objects)
            self._changed.notify()
        self.start()

    def note_shown(self, camera: str, slot: int, shown: Shown) -> None:
        """Write down what a camera showed; never waits."""
        with self._changed:
            self._shown.append((camera, slot, shown))
            self._changed.notify()
        self.start()

    def left_open(self, camera: str) -> list[EndedObject]:
        """The objects that were there when an earlier process died."""
        path = events_folder(self._data, camera) / OPEN_NAME
        try:
            found = msgspec.json.decode(path.read_bytes(), type=list[EndedObject])
            if not found:
                return []
            earliest_s, latest_s = min(event.start_at_s for event in found), max(event.end_at_s for event in found)
            written = {event.id for event in list_events(self._data, camera, earliest_s, latest_s + 1.0)}
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError, ValueError) as error:
            log.warning("camera %s: %s can't be read, what was there before is not told: %s", camera, path, error)
            return []
        return [event for event in found if event.id not in written]

    # The thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        wait_s = PERIOD_S
        while True:
            with self._changed:
                if not self._is_stopping and (wait_s == RETRY_S or not (self._waiting or self._open or self._shown)):
                    self._changed.wait(wait_s)
                is_last = self._is_stopping
            try:
                self._work()
                wait_s = PERIOD_S
            except OSError as error:
                self._note_failure(error)
                wait_s = RETRY_S
            if is_last:
                return

    def _work(self) -> None:
        with self._changed:
            waiting, self._waiting = self._waiting, deque()
            opened, self._open = self._open, {}
            shown, self._shown = self._shown, deque(maxlen=MAX_SHOWN)
        try:
            while waiting:
                self._write(waiting[0])
                waiting.popleft()
            # After the ended ones: who is in neither file would be lost by a crash.
            while opened:
                camera, objects = next(iter(opened.items()))
                self._write_open(camera, objects)
                del opened[camera]
            while shown:
                note_shown(self._data, *shown[0])
                shown.popleft()
            self._expiry.step()
            self._note_success()
        finally:
            with self._changed:
                self._waiting.extendleft(reversed(waiting))
                self._make_room(MAX_WAITING)
                for entry in [entry for entry in self._waiting if entry.shot is not None][MAX_PICTURES:]:
                    entry.shot = None  # it came while others were tried
                    self._count("dropped.picture")
                self._open = opened | self._open
                self._shown = deque([*shown, *self._shown], maxlen=MAX_SHOWN)

    def _make_room(self, most: int) -> None:
        while len(self._waiting) > most:
            self._waiting.popleft()
            self._count("dropped.event")

    def _note_failure(self, error: OSError) -> None:
        self._count("errors.events")
        if not self._is_failing:
            self._is_failing = True
            log.error("ended objects can't be written: %s; tried again each %.0f s", error, RETRY_S)

    def _note_success(self) -> None:
        if self._is_failing:
            self._is_failing = False
            log.info("ended objects are written again")

    def _write(self, entry: _Entry) -> None:
        event = entry.event
        folder = events_folder(self._data, event.camera)
        folder.mkdir(parents=True, exist_ok=True)
        if entry.shot is not None:
            shot, entry.shot = entry.shot, None  # without it when this fails: the line is worth more
            name = picture_name(event.camera, event.id)
            if (jpeg := self._encoded(shot, event)) is not None:
                _replace(self._data / name, jpeg)
                entry.event = event = msgspec.structs.replace(event, picture=name, box=shot.box)
        _append(day_file(self._data, event.camera, event.end_at_s), msgspec.json.encode(event) + b"\n")

    def _encoded(self, shot: Shot, event: EndedObject) -> bytes | None:
        try:
            return shot.encode()
        except (ValueError, cv2.error) as error:
            self._count("errors.picture")
            log.warning("camera %s: no picture of object %s: %s", event.camera, event.id, error)
            return None

    def _write_open(self, camera: str, objects: list[EndedObject]) -> None:
        folder = events_folder(self._data, camera)
        folder.mkdir(parents=True, exist_ok=True)
        if objects:
            _replace(folder / OPEN_NAME, msgspec.json.encode(objects))
        else:
            (folder / OPEN_NAME).unlink(missing_ok=True)


def _append(path: Path, line: bytes) -> None:
    """Add a line in one write; a torn one before it gets its end first, so that only that one is lost."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    """Put a whole file there, or none; what a kill leaves of it is written over, or expires."""
    temp = path.with_name(f".{path.name}.part")
    try:
        temp.write_bytes(data)
        temp.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise
