"""Hands notifications to the dispatcher on a thread of its own: one that is away for a moment holds up no news."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.requests import JobAccepted, SubmitJob
from framebus.throttle import backoff_s
from framebus_services.notify.contract import OLDEST_S
from framebus_services.notify.pictures import PictureFiles

log = logging.getLogger(__name__)

MAX_WAITING = 100
"""notifications, of about 0.1 MB each, while the dispatcher is away; the oldest go first"""
RETRY_S, RETRY_LIMIT_S = 0.2, 5.0
NOT_NOW = frozenset({ErrorCode.DEADLINE, ErrorCode.UNAVAILABLE, ErrorCode.BUSY, ErrorCode.NO_SPACE, ErrorCode.INTERNAL})
"""refusals that say nothing against the notification: it waits"""
STOP_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One notification on its way to the ledger."""

    job: SubmitJob
    jpeg: bytes | None
    until_s: float
    """boot time after which it is no news any more"""


class HandingIn:
    """Takes notices from the loop; asks on its own thread."""

    def __init__(
        self,
        ask: Callable[[SubmitJob], JobAccepted],
        pictures: PictureFiles,
        clock_s: Callable[[], float],
        count: Callable[[str], None],
    ) -> None:
        """`ask` may raise RefusedError; `count` is called from any thread, with the name of a counter."""
        self._ask = ask
        self._pictures = pictures
        self._clock_s = clock_s
        self._count = count
        self._changed = threading.Condition()
        self._waiting: deque[Notice] = deque()
        self._failures = 0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="handing-in", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hand in what waits, if that is soon."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(STOP_S)
        if self._waiting:
            log.error("%d notifications could not be handed in before the end", len(self._waiting))

    def is_healthy(self) -> bool:
        return self._is_stopping or self._thread.is_alive()

    def put(self, job: SubmitJob, jpeg: bytes | None) -> None:
        """Hand it in as soon as it can be; never waits."""
        with self._changed:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self._count("dropped.notifications")
            self._waiting.append(Notice(job=job, jpeg=jpeg, until_s=self._clock_s() + OLDEST_S))
            self._changed.notify()

    def step(self) -> float:
        """Hand in what waits; returns after how many seconds to try again, 0 when nothing waits."""
        while self._waiting:
            notice = self._waiting[0]
            try:
                self._hand_in(notice)
                self._failures = 0
            except RefusedError as error:
                if error.code in NOT_NOW and self._clock_s() < notice.until_s:
                    self._failures += 1
                    if self._failures == 1:
                        log.warning("notifications wait: %s; tried again until it works", error.message)
                    return backoff_s(self._failures, base_s=RETRY_S, limit_s=RETRY_LIMIT_S)
                self._note_refused(notice, error)
            with self._changed:
                if self._waiting and self._waiting[0] is notice:
                    self._waiting.popleft()
        return 0.0

    def _hand_in(self, notice: Notice) -> None:
        id = str(notice.job.id)
        if notice.jpeg is not None:
            self._pictures.keep(id, notice.jpeg)  # before the job: who does it looks for the file
        accepted = self._ask(notice.job)
        if accepted.created:
            log.info("job %s: %s", id, notice.job.name)
        elif accepted.state in FINAL:
            self._pictures.remove(id)

    def _note_refused(self, notice: Notice, error: RefusedError) -> None:
        if error.code is ErrorCode.CONFLICT:  # told before, with another zone or score: in a life before this
            return
        self._count("refused.notifications")
        log.error("%r is told nobody: %s", notice.job.name, error.message)
        self._pictures.remove(str(notice.job.id))

    def _run(self) -> None:
        while True:
            wait_s = self.step()
            with self._changed:
                if self._is_stopping:
                    return
                if wait_s or not self._waiting:
                    self._changed.wait(wait_s or None)
