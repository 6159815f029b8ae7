"""The tasks of a WorkerProcess: who waits, who is in hand, how they ended, and who has killed. No process here."""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import msgspec

from framebus.task import TaskEnd, TaskOutcome
from framebus.worker_line import Done, Raised

log = logging.getLogger(__name__)

DEADLY = 3
"""so many processes may one task kill"""
MAX_REMEMBERED = 1_000
"""keys of tasks that have killed"""


@dataclass(eq=False)
class Task:
    """A task on its way."""

    key: Hashable
    value: Any
    body: bytes
    limit_s: float | None
    number: int = 0
    begun_s: float = 0.0
    killed_as: TaskEnd | None = None
    """why we killed its process"""


@dataclass(frozen=True, kw_only=True)
class Death:
    """How the process ended that had a task in hand."""

    pid: int
    how: str
    """as in `died of signal 9 (SIGKILL)`"""
    code: int
    """of subprocess: -9 for SIGKILL"""
    tail: list[str]
    """its last lines on stderr"""


class Tasks:
    """To be touched under `lock` only, which is told of each end."""

    def __init__(
        self, name: str, *, max_waiting: int, is_requeued: bool, limit_s: float | None, result_type: Any
    ) -> None:
        """`name` is the worker's, for the log; `is_requeued`: a task whose process died is done again."""
        self.lock = threading.Condition()
        self.waiting: deque[Task] = deque()
        self.in_hand: Task | None = None
        self.ended: deque[TaskOutcome] = deque()
        self.max_waiting = max_waiting
        self.limit_s = limit_s
        """of tasks that have none of their own"""
        self.is_collecting = False
        """all results are wanted, however many"""
        self._name = name
        self._is_requeued = is_requeued
        self._result = msgspec.msgpack.Decoder(result_type)
        self._number = 0
        self._kills: OrderedDict[Hashable, int] = OrderedDict()

    def count(self) -> int:
        """How many have not ended."""
        return len(self.waiting) + (self.in_hand is not None)

    def is_at_work(self, key: Hashable) -> bool:
        """Whether a task of this key has not ended."""
        return any(key == task.key for task in (*self.waiting, self.in_hand) if task is not None)

    def is_quarantined(self, key: Hashable) -> bool:
        """Whether a task of this key has killed too often."""
        return self._kills.get(key, 0) >= DEADLY

    def add(self, key: Hashable, value: object, body: bytes, limit_s: float | None) -> None:
        """To the end of the line; one that has killed too often ends at once."""
        if self.is_quarantined(key):
            task = Task(key, value, b"", None)
            self.end(task, TaskEnd.QUARANTINED, error="this key has killed three processes")
        else:
            self.waiting.append(Task(key, value, body, self.limit_s if limit_s is None else limit_s))

    def cancel(self, key: Hashable) -> bool:
        """End one that waits, or mark the one in hand as to be killed; False: there is none."""
        for task in self.waiting:
            if task.key == key:
                self.waiting.remove(task)
                self.end(task, TaskEnd.CANCELLED, error="cancelled before it began")
                return True
        if self.in_hand is None or self.in_hand.key != key:
            return False
        self.in_hand.killed_as = self.in_hand.killed_as or TaskEnd.CANCELLED
        return True

    def begin_next(self) -> Task | None:
        """Take the next one in hand; None: none waits, or one is in hand, or nobody takes the outcomes."""
        if self.in_hand is not None or not self.waiting:
            return None
        if len(self.ended) >= self.max_waiting and not self.is_collecting:
            return None
        self._number += 1
        self.in_hand = task = self.waiting.popleft()
        task.number, task.begun_s = self._number, time.monotonic()
        return task

    def finish(self, task: Task, message: Done | Raised) -> None:
        """The process has said how the task in hand ended."""
        self.in_hand = None
        self._kills.pop(task.key, None)
        if isinstance(message, Raised):
            self.end(
                task,
                TaskEnd.RAISED,
                error=f"{message.kind}: {message.message}",
                error_type=message.kind,
                traceback=message.traceback,
            )
            return
        try:
            self.end(task, TaskEnd.DONE, result=self._result.decode(message.result))
        except msgspec.MsgspecError as error:
            self.end(
                task,
                TaskEnd.RAISED,
                error=f"the result is not of the type that was declared: {error}",
                error_type=type(error).__name__,
            )

    def settle(self, task: Task, death: Death) -> bool:
        """Its process died with this task in hand; False when we killed it."""
        self.in_hand = None
        if task.killed_as is TaskEnd.TIMED_OUT:
            text = f"it took longer than {task.limit_s} s and was killed"
            log.info("worker %s: task %s: %s; a new process starts", self._name, task.key, text)
            self.end(task, TaskEnd.TIMED_OUT, error=text)
        elif task.killed_as is not None:
            self.end(task, task.killed_as, error="its process was killed on demand")
        else:
            self._blame(task, death)
        return task.killed_as is None

    def _blame(self, task: Task, death: Death) -> None:
        kills = self._kills[task.key] = self._kills.pop(task.key, 0) + 1
        while len(self._kills) > MAX_REMEMBERED:
            self._kills.popitem(last=False)
        end: TaskEnd | None = None if self._is_requeued else TaskEnd.CRASHED
        said, why = "a new one starts", f"its process {death.how}"
        if kills >= DEADLY:
            end, said = TaskEnd.QUARANTINED, f"it has killed {kills} by now, and gets no other"
            why += f"; it has killed {kills}"
        # Who gets the outcome tells of it; of a task that is tried again nobody else hears.
        level = logging.WARNING if end is None else logging.INFO
        log.log(level, "worker %s: process %d %s in task %s; %s", self._name, death.pid, death.how, task.key, said)
        if end is None:
            self.waiting.append(task)  # at the end: the others are not to blame
            return
        signal, exit_code = (-death.code, None) if death.code < 0 else (None, death.code)
        self.end(task, end, error=why, signal=signal, exit_code=exit_code, log_tail=death.tail)

    def end_all(self, end: TaskEnd, error: str, tail: list[str]) -> None:
        """Those that wait end like this, and the one in hand before them."""
        if self.in_hand is not None:
            self.waiting.appendleft(self.in_hand)
            self.in_hand = None
        while self.waiting:
            self.end(self.waiting.popleft(), end, error=error, log_tail=tail)

    def end(self, task: Task, end: TaskEnd, **more: Any) -> None:
        self.ended.append(TaskOutcome(key=task.key, task=task.value, end=end, **more))
        self.lock.notify_all()
