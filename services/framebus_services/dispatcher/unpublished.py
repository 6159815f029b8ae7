"""Jobs whose work is done and whose files have to get their names: tried until it is done."""

import logging
import sqlite3
from collections.abc import Callable, Iterator

from framebus.clock import Clock
from framebus.door import Promise
from framebus_services.dispatcher.errands import Outcome
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.publisher import Publisher

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""between two tries"""


class Unpublished:
    """For the ledger's thread, outside of the transaction that promised to publish."""

    def __init__(
        self, ledger: Ledger, publisher: Publisher, clock: Clock, on_failed: Callable[[sqlite3.Error | None], None]
    ) -> None:
        """`on_failed` is told of each try that failed, with the database's error where it was one."""
        self._ledger = ledger
        self._publisher = publisher
        self._clock = clock
        self._on_failed = on_failed
        self._try_s: dict[str, float] = {}
        self._promises: dict[str, Promise] = {}

    @property
    def next_due_s(self) -> float:
        """The boot time of the next try."""
        return min(self._try_s.values(), default=float("inf"))

    def expect(self, job_id: str, promise: Promise) -> None:
        """Who waits for this job's files to have their names."""
        self._promises[job_id] = promise

    def step(self) -> Iterator[tuple[Promise | None, Outcome]]:
        """Publish what is due; each time one is done, who waits for it, and its outcome."""
        now_s = self._clock.boot_s()
        self._try_s |= dict.fromkeys(self._ledger.to_publish, now_s)
        self._ledger.to_publish = []
        for job_id in [job_id for job_id, try_s in self._try_s.items() if try_s <= now_s]:
            try:
                outcome = self._publisher.publish(job_id)
            except Exception as error:  # a disk's fault, or ours, in one job: the others still get their names
                fault = error if isinstance(error, sqlite3.Error) else None
                text = "job %s is done, but could not be published: %s; trying again in %.0f s"
                log.error(text, job_id, error, AGAIN_S, exc_info=fault is None)
                self._on_failed(fault)
                self._try_s[job_id] = self._clock.boot_s() + AGAIN_S
                self._ledger.undo()
                continue
            del self._try_s[job_id]
            yield self._promises.pop(job_id, None), outcome
