"""The parent's side of an isolated processor: hands each item to a worker process, and says what became of it."""

import itertools
import time
from typing import Self

from framebus.errors import ErrorCode
from framebus.importable import name_importable
from framebus.task import TaskEnd, TaskOutcome
from framebus.worker import Closed, Full, OnCrash, StartError, WorkerProcess
from framebus_services.enrich.guard import Reply, Result
from framebus_services.enrich.isolated_child import Answer, Call, Look, Made, Sections
from framebus_services.enrich.lane import Ask, Configure, Expire, Item, Reason, Stop, Work
from framebus_services.enrich.line import Ended
from framebus_services.enrich.orders import Load, Order

MODULE = "framebus_services.enrich.isolated_child"
LOOK_S = 0.5
START_LIMIT_S = 200.0
"""three attempts to start a process, after which it says that it can't"""
COSTS = frozenset({TaskEnd.CRASHED, TaskEnd.TIMED_OUT})
MIB = 1_024 * 1_024


class RemotePerformer:
    """A processor in a process of its own; the process is replaced when it dies or hangs."""

    def __init__(self, order: Order, load: Load) -> None:
        options = order.options
        self._numbers = itertools.count(1)
        self._limit_s = START_LIMIT_S + options.task_limit_s
        self._sections: dict[str, Configure] = {}
        self._version = 0
        self._worker = WorkerProcess(
            f"{MODULE}:work",
            initialize=f"{MODULE}:begin",
            setup=Made(name_importable(load, "load"), order.entry, order.settings),
            max_waiting=1,
            on_crash=OnCrash.FAIL,
            task_limit_s=options.task_limit_s,
            memory_limit_bytes=None if options.memory_mb is None else options.memory_mb * MIB,
            result_type=Answer,
            name=order.name,
        )

    @classmethod
    def started(cls, order: Order, load: Load) -> Self:
        """One whose process has made the processor; raises StartError. Waits for it."""
        performer = cls(order, load)
        try:
            performer._worker.wait_ready(START_LIMIT_S)
        except StartError:
            performer.close()
            raise
        return performer

    @property
    def starts(self) -> int:
        """How many processes there were."""
        return self._worker.starts

    @property
    def start_error(self) -> str:
        """Why there is no process; empty when there is one."""
        return self._worker.start_error

    @property
    def pid(self) -> int | None:
        return self._worker.pid

    def perform(self, item: Item) -> Ended:
        if isinstance(item, Configure):
            self._sections[item.topic] = item
            self._version += 1
            return self._ended(item, self._configure())
        what = item.payload if isinstance(item, Work) else item
        outcome = self._call(what)
        if isinstance(outcome.result, Answer) and outcome.result.is_behind:  # a new process
            configured = self._configure()
            if not configured.is_done:
                return self._ended(item, configured)
            outcome = self._call(what)
        ended = self._ended(item, outcome)
        if isinstance(item, Stop):
            self._worker.close()
        return ended

    def close(self, limit_s: float = 0.0) -> None:
        self._worker.close(limit_s)

    def _configure(self) -> TaskOutcome:
        return self._call(Sections(list(self._sections.values())))

    def _call(self, what: Look | Expire | Ask | Stop | Sections) -> TaskOutcome:
        number = next(self._numbers)
        try:
            self._worker.submit(number, Call(self._version, what))
        except (Closed, Full) as error:
            return TaskOutcome(key=number, task=None, end=TaskEnd.NOT_DONE, error=str(error))
        end_s = time.monotonic() + self._limit_s
        while time.monotonic() < end_s:
            for outcome in self._worker.results(LOOK_S):
                if outcome.key == number:
                    return outcome
        self._worker.cancel(number)
        return TaskOutcome(key=number, task=None, end=TaskEnd.NOT_DONE, error="no process could be had for it")

    def _ended(self, item: Item, outcome: TaskOutcome) -> Ended:
        answer = outcome.result
        if isinstance(answer, Answer):
            stale = Reason.STALE if answer.is_stale and isinstance(item, Work) else None
            return Ended(item=item, result=answer.result, dropped=stale)
        reply = Reply(code=ErrorCode.UNAVAILABLE, text=outcome.error) if isinstance(item, Ask) else None
        return Ended(
            item=item,
            result=Result(reply=reply),
            dropped=Reason.LOST,
            cost_worker=outcome.end in COSTS,
            why=outcome.error,
        )
