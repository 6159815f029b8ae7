"""The thread behind a WorkerProcess: gives out tasks, takes results, and replaces the process when it dies or hangs."""

import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Hashable
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Raw

from framebus.task import TaskEnd
from framebus.worker_line import Begin, BrokenLineError, Bye, FromChild, Note, Raised, Ready, Setup, Told
from framebus.worker_spawn import Child, how_it_ended
from framebus.worker_starts import REST_LIMIT_S, Starts
from framebus.worker_tasks import Death, Task, Tasks

log = logging.getLogger(__name__)

START_LIMIT_S = 60.0
LOOK_S = 0.5
MAX_UNSENT_BYTES = 1_024 * 1_024
"""beyond that no note is added"""
END_S = 1.0


class Fault(StrEnum):
    """What goes wrong beside the tasks: the counters that a service has of it."""

    DIED = "worker.died"
    """by itself, with a task in hand or without"""
    NOT_STARTED = "worker.not_started"
    NONSENSE = "worker.nonsense"
    """the process said what is no message"""
    NEWS = "errors.worker_news"
    """`on_news` raised"""
    KEEPER = "errors.worker_keeper"


class Keeper:
    """The process of a worker, and the thread that sees to it; others touch it under the lock of `tasks` only."""

    def __init__(
        self,
        setup: Setup,
        tasks: Tasks,
        *,
        on_news: Callable[[Hashable, Any], None] | None,
        on_fault: Callable[[str], None] | None,
        idle_limit_s: float | None,
    ) -> None:
        self.tasks = tasks
        self.lock = tasks.lock
        self.starts = Starts()
        self.child: Child | None = None
        self.is_over = False
        self.is_ready = False
        """a process was, once"""
        self.is_wanted = idle_limit_s is None
        """a process shall be there, also without a task"""
        self._setup = setup
        self._name = setup.name
        self._on_news = on_news
        self._on_fault = on_fault
        self._idle_limit_s = idle_limit_s
        self._idle_since_s = 0.0
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

    def note(self, key: Hashable, body: bytes) -> bool:
        """Send a note to the task in hand; False when that is another, or does not listen."""
        with self.lock:
            task = self.tasks.in_hand
            if task is None or task.key != key or self.child is None:
                return False
            if self.child.unsent_bytes > MAX_UNSENT_BYTES:
                return False
            self.child.send(Note(task.number, Raw(body)))
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
            self._note_fault(Fault.KEEPER)
            log.exception("worker %s: its keeper failed; it does nothing more", self._name)
        finally:
            self._finish()

    def _note_fault(self, fault: Fault) -> None:
        if self._on_fault is not None:
            self._on_fault(fault.value)

    def _start_when_due(self) -> None:
        now_s = time.monotonic()
        if self.child is not None or now_s < self.starts.next_s or not (self.tasks.waiting or self.is_wanted):
            return
        if self.starts.is_hopeless and not self.tasks.waiting:
            return
        self.starts.begin(now_s)
        try:
            child = Child(self._setup)  # takes milliseconds: nobody shall wait for the lock meanwhile
        except OSError as error:  # no memory, no descriptors, no process numbers
            with self.lock:
                self._note_failed_start(f"no process could be started: {error}", [])
            return
        with self.lock:
            self.child = child

    def _end_when_idle(self) -> None:
        """A process that has nothing to do gives its memory back; the next task starts another."""
        if self._idle_limit_s is None or time.monotonic() < self._idle_since_s + self._idle_limit_s:
            return
        with self.lock:
            child = self.child
            if child is None or not child.is_ready or self.tasks.count():
                return
            self.child, self.is_wanted = None, False
        child.send(Bye())
        child.bury(END_S)

    def _kill_when_due(self) -> None:
        child, task, now_s = self.child, self.tasks.in_hand, time.monotonic()
        if child is None or child.is_killed:
            return
        if task is not None:
            if task.limit_s is not None and now_s - task.begun_s > task.limit_s:
                task.killed_as = task.killed_as or TaskEnd.TIMED_OUT
            if task.killed_as is not None:
                child.is_own_end = False
                child.kill()
        elif not child.is_ready and now_s - self.starts.begun_s > START_LIMIT_S:
            self.starts.error = f"it was not ready within {START_LIMIT_S:.0f} s"
            child.kill()

    def _begin_next(self) -> None:
        child, tasks = self.child, self.tasks
        if child is None or not child.is_ready or child.is_killed or tasks.in_hand is not None or not tasks.waiting:
            return
        if not child.is_alive:  # or a task would be blamed for a death before it
            return
        task = tasks.begin_next()
        if task is not None:
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
        now_s, task = time.monotonic(), self.tasks.in_hand
        if self.child is None:
            if not (self.tasks.waiting or self.is_wanted):
                return REST_LIMIT_S
            is_due_soon = self.tasks.waiting or not self.starts.error
            return min(LOOK_S, max(self.starts.next_s - now_s, 0.001)) if is_due_soon else LOOK_S
        if task is not None and task.limit_s is not None:
            return min(LOOK_S, max(task.begun_s + task.limit_s - now_s, 0.0) + 0.001)
        return LOOK_S

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
            self._note_fault(Fault.NONSENSE)
            log.error("worker %s: process %d spoke nonsense: %s", self._name, child.pid, error)
            messages = None
            child.kill()
        for message in messages or ():
            self._take(child, message)
        return messages is not None

    def _take(self, child: Child, message: FromChild) -> None:
        task = self.tasks.in_hand
        if isinstance(message, Ready):
            with self.lock:
                child.is_ready = self.is_ready = True
                self._idle_since_s = time.monotonic()
                self.starts.note_ready()
                self.lock.notify_all()
        elif isinstance(message, Raised) and message.number == 0:
            self.starts.error = f"{message.kind}: {message.message}"
        elif task is None or message.number != task.number:
            return
        elif isinstance(message, Told):
            self._hand_on(task, message)
        else:
            with self.lock:
                self._idle_since_s = time.monotonic()
                self.starts.note_result()
                self.tasks.finish(task, message)
                self._begin_next()

    def _hand_on(self, task: Task, told: Told) -> None:
        if self._on_news is None:
            return
        try:
            self._on_news(task.key, msgspec.msgpack.decode(told.value))
        except Exception:  # of whoever listens; the task is not to blame
            self._note_fault(Fault.NEWS)
            log.exception("worker %s: what task %r told could not be taken", self._name, task.key)

    def _bury(self, child: Child) -> None:
        """The process is gone: settle what it had in hand, and let the next one start."""
        with self.lock:
            self.child = None  # from here on nobody else speaks to it
        while child.has_unread and self._take_all(child):  # a result that was sent counts
            pass
        code = child.bury(END_S)
        how = how_it_ended(code)
        with self.lock:
            task, is_own = self.tasks.in_hand, child.is_own_end  # its result may have come between the kill and now
            if not child.is_ready:
                self._note_failed_start(self.starts.error or f"it {how} before it was ready", list(child.tail))
                return
            if task is not None:
                death = Death(pid=child.pid, how=how, code=code, tail=list(child.tail))
                is_own = self.tasks.settle(task, death)
            else:
                log.warning("worker %s: process %d %s; a new one starts", self._name, child.pid, how)
            self.starts.note_death(time.monotonic(), is_own=is_own)
        if is_own:
            self._note_fault(Fault.DIED)

    def _note_failed_start(self, text: str, tail: list[str]) -> None:
        self.starts.note_failed(time.monotonic(), text)
        self._note_fault(Fault.NOT_STARTED)
        log.error("worker %s: no process: %s", self._name, text)
        if self.starts.is_hopeless:
            self.tasks.end_all(TaskEnd.NOT_STARTED, text, tail)
        self.lock.notify_all()

    def _finish(self) -> None:
        with self.lock:
            child, self.child = self.child, None
        try:
            if child is not None:
                if self.tasks.in_hand is None and child.is_ready:
                    child.send(Bye())
                else:
                    child.kill()
                child.bury(END_S)
        finally:  # the last word is that nobody waits any more
            with self.lock:
                self.tasks.end_all(TaskEnd.NOT_DONE, "the worker was closed before it was done", [])
                self.is_over = True
                os.close(self._wake)
                self.lock.notify_all()
