"""A background process for work that may crash, hang or eat memory, behind one object that never does.

    with WorkerProcess(decode, task_limit_s=10.0, memory_limit_bytes=2 * 1024**3) as worker:
        for path in paths:
            worker.submit(path.name, str(path))       # never blocks; raises Full
            for outcome in worker.results():          # what has ended by now, in any order
                print(outcome.key, outcome.end, outcome.result)
        for outcome in worker.collect(timeout_s=60.0):
            print(outcome.key, outcome.end, outcome.result)

`decode` is a function of one argument at the top of a module or script. Tasks and results are what MessagePack can
carry: None, numbers, text, bytes, lists, maps, and msgspec Structs where the function declares them with annotations.
Arrays go as bytes, or stay in a ring or file that the task names. Needs neither a group nor ZeroMQ.
"""

import time
import typing
import weakref
from collections.abc import Callable, Hashable, Iterator
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Raw

from framebus.errors import FramebusError
from framebus.importable import name_importable
from framebus.task import TaskEnd, TaskError, TaskOutcome
from framebus.worker_keeper import Keeper
from framebus.worker_line import Setup, encode_value
from framebus.worker_tasks import Tasks

__all__ = ["Closed", "Full", "OnCrash", "StartError", "TaskEnd", "TaskError", "TaskOutcome", "WorkerProcess"]


class OnCrash(StrEnum):
    """What becomes of the task in hand when its process dies."""

    REQUEUE = "requeue"
    """it is done again, after those that wait; the third process that it kills is the last"""
    FAIL = "fail"


class Full(FramebusError):
    """The task was not taken: as many wait as may."""


class Closed(FramebusError):
    """The task was not taken: the worker was collected or closed."""


class StartError(FramebusError):
    """No process could be made ready: `work` or `initialize` can't be imported, or raised."""


class WorkerProcess:
    """One background process that does one task after the other, and is replaced when it dies. Safe from any thread."""

    def __init__(
        self,
        work: Callable[..., Any] | str,
        *,
        max_waiting: int = 8,
        on_crash: OnCrash | str = OnCrash.REQUEUE,
        task_limit_s: float | None = None,
        memory_limit_bytes: int | None = None,
        initialize: Callable[[Any], Any] | str | None = None,
        setup: object = None,
        result_type: Any = None,
        on_news: Callable[[Hashable, Any], None] | None = None,
        on_fault: Callable[[str], None] | None = None,
        idle_limit_s: float | None = None,
        name: str = "",
    ) -> None:
        """Start the process; it imports `work`, and waits for tasks.

        `work(task)` is a function, or its name `module:function` where this process shall not import it. With
        `initialize` each new process calls `initialize(side)` once, and then `work(state, task)` with what it returned;
        `side.setup()` is the value of `setup` there. Results become `result_type`, by default what `work` declares.

        At most `max_waiting` tasks wait, and as many outcomes. A task that takes longer than `task_limit_s` is killed.
        `memory_limit_bytes` bounds the address space of the process. `on_news(key, value)` is called on a thread of the
        worker with what the task in hand tells by `side.tell(value)`; `on_fault(counter)` there, too, with a name as in
        `worker.died` for what goes wrong beside the outcomes of tasks. With `idle_limit_s` the process starts with the
        first task (or `wait_ready`), ends when it has had none for so long, and starts again with the next.
        `name` is what log lines and `top` call it, by default the name of the function.

        Raises TypeError or ValueError, saying what would be right, for work that another process can't import.
        """
        for limit, value in (
            ("max_waiting", max_waiting),
            ("task_limit_s", task_limit_s),
            ("idle_limit_s", idle_limit_s),
        ):
            if value is not None and not value > 0:
                raise ValueError(f"{limit} is {value}; it must be greater than 0")
        if memory_limit_bytes is not None and memory_limit_bytes < 2**26:
            raise ValueError(f"memory_limit_bytes is {memory_limit_bytes}; Python alone needs {2**26}")
        try:
            is_requeued = OnCrash(on_crash) is OnCrash.REQUEUE
        except ValueError:
            raise ValueError(f"on_crash is {on_crash!r}; it is one of {', '.join(OnCrash)}") from None
        reference = name_importable(work, "work")
        first = Setup(
            name=name or reference.rpartition(":")[2],
            work=reference,
            initialize=None if initialize is None else name_importable(initialize, "initialize"),
            value=Raw(encode_value(setup, "setup")),
            memory_limit_bytes=memory_limit_bytes,
        )
        self._is_closed = False
        self._collected: list[TaskOutcome] = []
        self._tasks = Tasks(
            first.name,
            max_waiting=max_waiting,
            is_requeued=is_requeued,
            limit_s=task_limit_s,
            result_type=_declared_result(work) if result_type is None else result_type,
        )
        self._keeper = Keeper(first, self._tasks, on_news=on_news, on_fault=on_fault, idle_limit_s=idle_limit_s)
        # A worker that is forgotten ends too: when it is collected as garbage, and when the program ends.
        self._finalizer = weakref.finalize(self, self._keeper.stop, 2.0)

    @property
    def pid(self) -> int | None:
        """Of the process that is there now, if one is."""
        child = self._keeper.child
        return None if child is None else child.pid

    @property
    def starts(self) -> int:
        """How many processes there were."""
        return self._keeper.starts.count

    @property
    def start_error(self) -> str:
        """Why no process could be made ready at the last attempt; empty when one was."""
        return self._keeper.starts.error

    @property
    def is_over(self) -> bool:
        """Whether no task will ever be done any more: it was collected or closed, or its thread has failed."""
        return self._keeper.is_over

    def wait_ready(self, timeout_s: float) -> None:
        """Wait for the first process to be ready. Raises StartError when it can't be, or not in time."""
        keeper = self._keeper
        keeper.is_wanted = True
        keeper.wake()
        with keeper.lock:
            keeper.lock.wait_for(lambda: keeper.is_ready or keeper.starts.error or keeper.is_over, timeout_s)
            if not keeper.is_ready:
                raise StartError(keeper.starts.error or f"it was not ready within {timeout_s:.1f} s")

    def submit(self, key: Hashable, task: object, limit_s: float | None = None) -> None:
        """Hand over a task; its outcome will bear `key`. Never blocks, whether the process works, hangs or died.

        `limit_s` is for this one, instead of `task_limit_s`.

        Raises Full when too many wait, Closed after `collect` or `close`, ValueError for a key that is at work already,
        TypeError for a task that MessagePack can't carry.
        """
        body = encode_value(task, f"task {key!r}")
        tasks = self._tasks
        with tasks.lock:
            if self._is_closed or self._keeper.is_over:
                raise Closed("the worker was collected or closed, and takes no more tasks")
            if tasks.is_at_work(key):
                raise ValueError(f"a task {key!r} is at work already; each needs a key of its own until it has ended")
            if len(tasks.ended if tasks.is_quarantined(key) else tasks.waiting) >= tasks.max_waiting:
                raise Full(self._why_full())
            tasks.add(key, task, body, limit_s)
        self._keeper.wake()

    def results(self, timeout_s: float = 0.0) -> Iterator[TaskOutcome]:
        """Outcomes, each once, in the order in which the tasks ended.

        Ends when no task is left, or when `timeout_s` has passed without an outcome; by default it does not wait. Tasks
        may be submitted meanwhile.
        """
        tasks = self._tasks
        while True:
            with tasks.lock:
                tasks.lock.wait_for(lambda: tasks.ended or not tasks.count(), timeout_s)
                if not tasks.ended:
                    return
                outcome = tasks.ended.popleft()
            self._keeper.wake()
            yield outcome

    def cancel(self, key: Hashable) -> bool:
        """End a task: its outcome says CANCELLED; when it is in hand its process is killed. False: there is none."""
        with self._tasks.lock:
            is_there = self._tasks.cancel(key)
        self._keeper.wake()
        return is_there

    def send(self, key: Hashable, value: object) -> bool:
        """Tell the task in hand something (`side.on_note`); never blocks. False when it is not in hand."""
        return self._keeper.note(key, encode_value(value, "the note"))

    def collect(self, timeout_s: float) -> list[TaskOutcome]:
        """End it: no more tasks; wait for those that are there; then end the process. Returns the outcomes left.

        What has not ended after `timeout_s` has the outcome NOT_DONE. Called again it returns the same.
        """
        tasks = self._tasks
        with tasks.lock:
            self._is_closed = True
            tasks.is_collecting = True
        self._keeper.wake()
        with tasks.lock:
            tasks.lock.wait_for(lambda: not tasks.count() or self._keeper.is_over, timeout_s)
        self.close()
        with tasks.lock:
            while tasks.ended:
                self._collected.append(tasks.ended.popleft())
        return list(self._collected)

    def close(self, limit_s: float = 10.0) -> None:
        """End it now: what is not done will not be. Waits for its end, but not longer. May be called again."""
        with self._tasks.lock:
            self._is_closed = True
        self._keeper.stop(limit_s)
        self._finalizer.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _why_full(self) -> str:
        tasks, error = self._tasks, self._keeper.starts.error
        text = f"{len(tasks.waiting)} tasks wait, and no more than {tasks.max_waiting} may"
        if len(tasks.ended) >= tasks.max_waiting:
            text += f"; {len(tasks.ended)} outcomes were not taken: take them with results()"
        elif error:
            text += f"; no process can be started: {error}"
        elif tasks.in_hand is not None:
            text += f"; task {tasks.in_hand.key!r} is in hand for {time.monotonic() - tasks.in_hand.begun_s:.1f} s"
        return text


def _declared_result(work: Callable[..., Any] | str) -> Any:
    """The type that `work` returns, where it says so and a message can have it."""
    try:
        hints = {} if isinstance(work, str) else typing.get_type_hints(work)
        declared = hints.get("return", Any)
        msgspec.msgpack.Decoder(declared)
        return declared
    except (NameError, TypeError):
        return Any
