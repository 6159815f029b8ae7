"""The line of frames that a detector is to look at: one place for each camera, the newest wins, cameras take turns.

A thread gives one frame after the other to the detector's process, and what it saw to the loop. When the process can't
load the model, or fails three times in a row, it is ended; it is tried again when the files change, and ever more
seldom when they do not.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framebus.clock import Clock
from framebus.detector_settings import DetectorSettings
from framebus.worker import Closed, OnCrash, WorkerProcess
from framebus_services.enrich.looked import LOOK, OPEN_LOOKER, Describe, Described, Look, Looked

log = logging.getLogger(__name__)

FAILURES = 3
"""in a row, and the cameras do without"""
RETRY_S, RETRY_LIMIT_S = 5.0, 300.0
START_LIMIT_S = 60.0
"""for a model to be loaded"""
LOOK_S = 0.5
GROWTH_BYTES = 1024**3
"""by so much a process may grow; then a new one takes its place"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A frame in the line."""

    look: Look
    captured_boot_s: float
    context: Any
    """what the loop needs when the answer comes"""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What the lookout tells; all of it is called on its thread."""

    seen: Callable[[Asked, Looked], None]
    dropped: Callable[[str, str], None]
    """reason and camera"""
    working: Callable[[Described], None]
    failed: Callable[[str], None]
    """the sentence says what is wrong, and what would be right"""


class Lookout:
    """The line, the thread and the process of one detector."""

    def __init__(self, settings: DetectorSettings, clock: Clock, calls: Calls) -> None:
        self._settings = settings
        self._clock = clock
        self._calls = calls
        self._changed = threading.Condition()
        self._line: OrderedDict[str, Asked] = OrderedDict()
        self._stop = threading.Event()
        self._number = 0
        self._retry_s = RETRY_S
        self._told = ""
        """the complaint that is in the log"""
        self._memory_bytes = 0
        self._thread = threading.Thread(target=self._run, name="detector", daemon=True)
        self._worker: WorkerProcess | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._worker is None else self._worker.pid

    def offer(self, asked: Asked) -> bool:
        """Put a frame in its camera's place; False: one that waited there has to go. Never waits."""
        with self._changed:
            is_free = asked.look.camera not in self._line
            self._line[asked.look.camera] = asked
            self._changed.notify()
        return is_free

    def stop(self, limit_s: float = 1.0) -> None:
        """End the thread and the process; what waits is not looked at."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        if self._worker is not None:
            self._worker.close(limit_s)
        if self._thread.is_alive():
            self._thread.join(limit_s)

    # The thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            files = self._files()
            try:
                problem = self._serve()
            except Closed:  # by `stop`
                return
            except Exception as error:
                log.exception("detector: its line failed")
                problem = f"its line failed: {error}"
            if problem and not self._stop.is_set():
                self._complain(problem)
                self._wait_for_retry(files)

    def _serve(self) -> str:
        """Start a process and let it look, until it can't; returns why, or nothing when a new one shall start."""
        with self._new_worker() as worker:
            self._worker = worker
            if self._stop.is_set():  # `stop` may not have seen this one
                return ""
            described, problem = self._ask(worker, Describe(), START_LIMIT_S)
            if not isinstance(described, Described) or described.problem:
                return problem or described.problem
            self._note_working(described)
            failures = 0
            while not self._stop.is_set() and failures < FAILURES:
                asked = self._next()
                if asked is None:
                    continue
                looked, problem = self._ask(worker, asked.look, START_LIMIT_S)
                if isinstance(looked, Looked):
                    failures = 0
                    self._take(asked, looked)
                    grown_bytes = looked.memory_bytes - self._memory_bytes
                    if grown_bytes > GROWTH_BYTES:
                        log.warning("detector: its process has grown by %d MB; a new one starts", grown_bytes >> 20)
                        return ""
                elif not self._stop.is_set():
                    failures += 1
                    self._calls.dropped("failed", asked.look.camera)
            return f"the model fails: {problem}"

    def _new_worker(self) -> WorkerProcess:
        return WorkerProcess(
            LOOK,
            initialize=OPEN_LOOKER,
            result_type=Described | Looked,
            setup=self._settings,
            max_waiting=1,
            on_crash=OnCrash.FAIL,
            task_limit_s=self._settings.limit_s,
            name="detector",
        )

    def _ask(self, worker: WorkerProcess, task: Describe | Look, limit_s: float) -> tuple[Any, str]:
        """The answer of the process, or None and what went wrong."""
        self._number += 1
        number = self._number
        worker.submit(number, task)
        for outcome in worker.results(timeout_s=limit_s):
            if outcome.key == number:
                return (outcome.result, "") if outcome.is_done else (None, outcome.error)
        worker.cancel(number)  # what it says yet is not the answer to the next one
        return None, f"it gave no answer within {limit_s:.0f} s"

    def _next(self) -> Asked | None:
        """The frame whose turn it is, if there is one that is young enough."""
        with self._changed:
            if not self._line and not self._stop.is_set():
                self._changed.wait(LOOK_S)
            if not self._line:
                return None
            camera, asked = self._line.popitem(last=False)
        if self._clock.boot_s() - asked.captured_boot_s > self._settings.max_age_s:
            self._calls.dropped("too_old", camera)
            return None
        return asked

    def _take(self, asked: Asked, looked: Looked) -> None:
        if looked.dropped:
            self._calls.dropped(looked.dropped, asked.look.camera)
            return
        self._retry_s = RETRY_S
        self._calls.seen(asked, looked)

    def _note_working(self, described: Described) -> None:
        self._memory_bytes = described.memory_bytes
        self._told = ""
        log.info("detector: %s", described.summary())
        self._calls.working(described)

    def _complain(self, problem: str) -> None:
        with self._changed:
            self._line.clear()
        problem = f"detector: {problem}; until that is mended the cameras run on motion alone"
        if problem != self._told:
            self._told = problem
            log.error("%s; next try in %.0f s, or when a file changes", problem, self._retry_s)
        self._calls.failed(problem)

    def _wait_for_retry(self, files: list[tuple[int, int]]) -> None:
        end_s = time.monotonic() + self._retry_s
        self._retry_s = min(2.0 * self._retry_s, RETRY_LIMIT_S)
        while time.monotonic() < end_s and self._files() == files:
            if self._stop.wait(LOOK_S):
                return

    def _files(self) -> list[tuple[int, int]]:
        """What tells whether the files have changed."""
        paths = [self._settings.model, *([self._settings.labels] if isinstance(self._settings.labels, str) else [])]
        return [_state_of(Path(path)) for path in paths]


def _state_of(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
