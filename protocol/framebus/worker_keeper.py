"""The thread behind a WorkerProcess: gives out tasks, takes results, and replaces the process when it dies or hangs."""

import contextlib
import logging
import os
import select
import signal
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from framebus.task import TaskEnd, TaskOutcome
from framebus.worker_line import Begin, BrokenLineError, Bye, Done, FromChild, Note, Raised, Ready, Setup, Told
from framebus.worker_spawn import Child

log = logging.getLogger(__name__)

DEADLY = 3
"""so many processes may one task kill"""
MAX_REMEMBERED = 1_000
"""keys of tasks that have killed"""
START_LIMIT_S = 60.0
FAILED_STARTS = 3
"""in a row, before waiting tasks are told"""
REST_S, REST_LIMIT_S = 0.1, 5.0
"""after the second death in a row without a result; doubles with each"""
LOOK_S = 0.5
MAX_UNSENT_BYTES = 1_024 * 1_024
"""beyond that no note is added"""
END_S = 1.0


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


class Keeper:
    """All state of a WorkerProcess; others touch it under `lock` only."""

    def __init__(
        self,
        setup: Setup,
        *,
        max_waiting: int,
        is_requeued: bool,
        task_limit_s: float | None,
        result_type: Any,
        on_news: Callable[[Hashable, Any], None] | None,
        idle_limit_s: float | None,
    ) -> None:
        self.lock = threading.Condition()
        self.waiting: deque[Task] = deque()
        self.in_hand: Task | None = None
        self.ended: deque[TaskOutcome] = deque()
        self.max_waiting = max_waiting
        self.is_collecting = False
        """all results are wanted, however many"""
        self.is_over = False
        self.child: Child | None = None
        self.is_ready = False
        self.start_error = ""
        """why no process could be made ready, until one is"""
        self.starts = 0
        self._setup = setup
        self._is_requeued = is_requeued
        self.task_limit_s = task_limit_s
        self._result = msgspec.msgpack.Decoder(result_type)
        self._on_news = on_news
        self._idle_limit_s = idle_limit_s
        self.is_wanted = idle_limit_s is None
        """a process shall be there, also without a task"""
        self._name = setup.name
        self._number = 0
        self._kills: OrderedDict[Hashable, int] = OrderedDict()
        self._deaths = 0
        """in a row, without a result in between"""
        self._failed_starts = 0
        self._idle_since_s = 0.0
        self._start_s = 0.0
        """when the next process may start; when the one that is there was started"""
        self._is_stopping = False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.thread = threading.Thread(target=self._run, name=f"worker {self._name}", daemon=True)
        self.thread.start()

    # For other threads ---------------------------------------------------------------------------------------------

    def wake(self) -> None:
        with self.lock:
            if not self.is_over:
                os.eventfd_write(self._wake, 1)

    def stop(self, limit_s: float = 10.0) -> None:
        """End the process, and the task in hand with it."""
        with self.lock:
            self._is_stopping = True
        self.wake()
        if threading.current_thread() is not self.thread:  # a finalizer runs where it likes
            self.thread.join(limit_s)

    def count(self) -> int:
        """How many tasks have not ended; hold the lock."""
        return len(self.waiting) + (self.in_hand is not None)

    def cancel(self, key: Hashable) -> bool:
        with self.lock:
            for task in self.waiting:
                if task.key == key:
                    self.waiting.remove(task)
                    self._end(task, TaskEnd.CANCELLED, error="cancelled before it began")
                    return True
            if self.in_hand is None or self.in_hand.key != key:
                return False
            self.in_hand.killed_as = self.in_hand.killed_as or TaskEnd.CANCELLED
        self.wake()
        return True

    def note(self, key: Hashable, body: bytes) -> bool:
        with self.lock:
            if self.in_hand is None or self.in_hand.key != key or self.child is None:
                return False
            if self.child.unsent_bytes > MAX_UNSENT_BYTES:  # it does not listen
                return False
            self.child.send(Note(self.in_hand.number, Raw(body)))
        self.wake()
        return True

    # The thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._start_when_due()
                with self.lock:
                    self._kill_when_due()
                    self._begin_next()
                self._end_when_idle()
                self._wait()
        except Exception:
            log.exception("worker %s: its keeper failed; it does nothing more", self._name)
        finally:
            self._finish()

    def _start_when_due(self) -> None:
        if self.child is not None or time.monotonic() < self._start_s or not (self.waiting or self.is_wanted):
            return
        if self._failed_starts >= FAILED_STARTS and not self.waiting:
            return
        self._start_s = time.monotonic()
        self.starts += 1
        try:
            child = Child(self._setup)  # takes milliseconds: nobody shall wait for the lock meanwhile
        except OSError as error:  # no memory, no descriptors, no process numbers
            with self.lock:
                self._note_failed_start(f"no process could be started: {error}")
            return
        with self.lock:
            self.child = child

    def _end_when_idle(self) -> None:
        """A process that has nothing to do gives its memory back; the next task starts another."""
        if self._idle_limit_s is None or time.monotonic() < self._idle_since_s + self._idle_limit_s:
            return
        with self.lock:
            child = self.child
            if child is None or not child.is_ready or self.in_hand is not None or self.waiting:
                return
            self.child, self.is_wanted = None, False
        child.send(Bye())
        child.bury(END_S)

    def _kill_when_due(self) -> None:
        child, task, now_s = self.child, self.in_hand, time.monotonic()
        if child is None or child.is_killed:
            return
        if task is not None:
            if task.limit_s is not None and now_s - task.begun_s > task.limit_s:
                task.killed_as = task.killed_as or TaskEnd.TIMED_OUT
            if task.killed_as is not None:
                child.kill()
        elif not child.is_ready and now_s - self._start_s > START_LIMIT_S:
            self.start_error = f"it was not ready within {START_LIMIT_S:.0f} s"
            child.kill()

    def _begin_next(self) -> None:
        child = self.child
        if child is None or not child.is_ready or child.is_killed or self.in_hand is not None or not self.waiting:
            return
        if not child.is_alive:  # or a task would be blamed for a death before it
            return
        if len(self.ended) >= self.max_waiting and not self.is_collecting:
            return
        task = self.waiting.popleft()
        self._number += 1
        task.number, task.begun_s = self._number, time.monotonic()
        self.in_hand = task
        child.send(Begin(task.number, Raw(task.body)))

    def _wait(self) -> None:
        """Sleep until something happens, and take it up."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        child = self.child
        if child is not None:
            poll.register(child.line, select.POLLIN | (select.POLLOUT if child.unsent_bytes else 0))
            if child.has_stderr:
                poll.register(child.stderr, select.POLLIN)
        ready = {file for file, _ in poll.poll(max(0.0, self._wait_s()) * 1_000)}
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake)
        if child is None:
            return
        if child.stderr.fileno() in ready and not child.read_stderr() and not child.is_alive:
            self._bury(child)
        elif child.line.fileno() in ready:
            self._hear(child)
        elif not ready and not child.is_alive:  # its own children may hold the line open
            self._bury(child)

    def _wait_s(self) -> float:
        now_s = time.monotonic()
        wait_s = LOOK_S
        if self.child is None:
            if not (self.waiting or self.is_wanted):
                return REST_LIMIT_S
            wait_s = min(wait_s, max(self._start_s - now_s, 0.001)) if self.waiting or not self.start_error else wait_s
        elif self.in_hand is not None and self.in_hand.limit_s is not None:
            wait_s = min(wait_s, max(self.in_hand.begun_s + self.in_hand.limit_s - now_s, 0.0) + 0.001)
        return wait_s

    def _hear(self, child: Child) -> None:
        with self.lock:
            child.flush()
        if not self._take_all(child):
            self._bury(child)

    def _take_all(self, child: Child) -> bool:
        """Take what it has said by now; False when it will say no more."""
        try:
            messages = child.read()
        except (BrokenLineError, msgspec.MsgspecError) as error:
            log.error("worker %s: process %d spoke nonsense: %s", self._name, child.pid, error)
            messages = None
            child.kill()
        for message in messages or ():
            self._take(child, message)
        return messages is not None

    def _take(self, child: Child, message: FromChild) -> None:
        task = self.in_hand
        if isinstance(message, Ready):
            with self.lock:
                child.is_ready = self.is_ready = True
                self._idle_since_s = time.monotonic()
                self.start_error, self._failed_starts = "", 0
                self.lock.notify_all()
        elif isinstance(message, Raised) and message.number == 0:
            self.start_error = f"{message.kind}: {message.message}"
        elif task is None or message.number != task.number:
            return
        elif isinstance(message, Told):
            self._hand_on(task, message)
        else:
            self._deaths = 0
            with self.lock:
                self.in_hand = None
                self._idle_since_s = time.monotonic()
                self._kills.pop(task.key, None)
                self._end_with(task, message)
                self._begin_next()

    def _hand_on(self, task: Task, told: Told) -> None:
        if self._on_news is None:
            return
        try:
            self._on_news(task.key, msgspec.msgpack.decode(told.value))
        except Exception:
            log.exception("worker %s: what task %r told could not be taken", self._name, task.key)

    def _end_with(self, task: Task, message: Done | Raised) -> None:
        if isinstance(message, Raised):
            self._end(
                task,
                TaskEnd.RAISED,
                error=f"{message.kind}: {message.message}",
                error_type=message.kind,
                traceback=message.traceback,
            )
            return
        try:
            self._end(task, TaskEnd.DONE, result=self._result.decode(message.result))
        except msgspec.MsgspecError as error:
            self._end(
                task,
                TaskEnd.RAISED,
                error=f"the result is not of the type that was declared: {error}",
                error_type=type(error).__name__,
            )

    def _bury(self, child: Child) -> None:
        """The process is gone: settle what it had in hand, and let the next one start."""
        with self.lock:
            self.child = None  # from here on nobody else speaks to it
        while child.has_unread and self._take_all(child):  # a result that was sent counts
            pass
        code = child.bury(END_S)
        with self.lock:
            self._start_s = time.monotonic()
            task, self.in_hand = self.in_hand, None
            if not child.is_ready:
                self._note_failed_start(self.start_error or f"it {_how(code)} before it was ready", child)
            elif task is not None:
                self._settle(task, code, child)
            else:
                log.warning("worker %s: process %d %s; a new one starts", self._name, child.pid, _how(code))
                self._rest()

    def _settle(self, task: Task, code: int, child: Child) -> None:
        if task.killed_as is TaskEnd.TIMED_OUT:
            text = f"it took longer than {task.limit_s} s and was killed"
            log.info("worker %s: task %s: %s; a new process starts", self._name, task.key, text)
            self._end(task, TaskEnd.TIMED_OUT, error=text)
            return
        if task.killed_as is not None:
            self._end(task, task.killed_as, error="its process was killed on demand")
            return
        kills = self._kills[task.key] = self._kills.pop(task.key, 0) + 1
        while len(self._kills) > MAX_REMEMBERED:
            self._kills.popitem(last=False)
        said = "a new one starts"
        end: TaskEnd | None = None if self._is_requeued else TaskEnd.CRASHED
        if kills >= DEADLY:
            end, said = TaskEnd.QUARANTINED, f"it has killed {kills} by now, and gets no other"
        # Who gets the outcome tells of it; of a task that is tried again nobody else hears.
        level = logging.WARNING if end is None else logging.INFO
        log.log(level, "worker %s: process %d %s in task %s; %s", self._name, child.pid, _how(code), task.key, said)
        self._rest()
        if end is None:
            self.waiting.append(task)  # at the end: the others are not to blame
            return
        self._end(
            task,
            end,
            error=f"its process {_how(code)}" + (f"; it has killed {kills}" if end is TaskEnd.QUARANTINED else ""),
            signal=-code if code < 0 else None,
            exit_code=code if code >= 0 else None,
            log_tail=list(child.tail),
        )

    def quarantines(self, key: Hashable) -> bool:
        """Whether a task of this key has killed too often; hold the lock."""
        return self._kills.get(key, 0) >= DEADLY

    def _rest(self) -> None:
        """The first new process starts at once; where they die in a row, they die ever slower."""
        self._deaths += 1
        if self._deaths > 1:
            self._start_s += min(REST_LIMIT_S, REST_S * 2.0 ** min(self._deaths - 2, 10))

    def _note_failed_start(self, text: str, child: Child | None = None) -> None:
        self._failed_starts += 1
        self._rest()
        self.start_error = text
        log.error("worker %s: no process: %s", self._name, text)
        if self._failed_starts >= FAILED_STARTS:
            while self.waiting:
                tail = list(child.tail) if child is not None else []
                self._end(self.waiting.popleft(), TaskEnd.NOT_STARTED, error=text, log_tail=tail)
        self.lock.notify_all()

    def _end(self, task: Task, end: TaskEnd, **more: Any) -> None:
        self.ended.append(TaskOutcome(key=task.key, task=task.value, end=end, **more))
        self.lock.notify_all()

    def _finish(self) -> None:
        with self.lock:
            child, self.child = self.child, None
        with contextlib.suppress(Exception):  # the last word is that nobody waits any more
            if child is not None:
                if self.in_hand is None and child.is_ready:
                    child.send(Bye())
                    child.bury(END_S)
                else:
                    child.kill()
                    child.bury(END_S)
        with self.lock:
            if self.in_hand is not None:
                self.waiting.appendleft(self.in_hand)
                self.in_hand = None
            while self.waiting:
                self._end(self.waiting.popleft(), TaskEnd.NOT_DONE, error="the worker was closed before it was done")
            self.is_over = True
            os.close(self._wake)
            self.lock.notify_all()


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"died of signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"died of signal {-code}"
