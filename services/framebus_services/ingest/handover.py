"""Hands claims to the dispatcher, gently: few at a time, so many a second, and what finds no place waits here."""

import logging
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Raw

from framebus.clock import Clock
from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobError, UploadEvent, UploadOutcome
from framebus.requests import BatchAccepted, BatchItem, SubmitBatch, SubmitJob
from framebus.throttle import backoff_s
from framebus_services.ingest.journal import Journal, State, Upload

log = logging.getLogger(__name__)

AT_ONCE = 50
ENOUGH = 200
"""claims that wait; while there are so many, no more files are looked into"""
RATE_PER_S = 500.0
RETRY_S, RETRY_LIMIT_S = 0.5, 30.0
NOT_NOW = frozenset(
    {ErrorCode.QUEUE_FULL, ErrorCode.BUSY, ErrorCode.NO_SPACE, ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE}
    | {ErrorCode.UNKNOWN_TYPE, ErrorCode.INTERNAL}
)
"""refusals that say nothing against the file: it waits"""

Ask = Callable[[SubmitBatch], BatchAccepted]


class Handover:
    """From the journal to the ledger; for the thread that owns the journal."""

    def __init__(
        self, root: Path, journal: Journal, clock: Clock, ask: Ask, tell: Callable[[UploadEvent], None]
    ) -> None:
        """`ask` may raise RefusedError."""
        self._root = root
        self._journal = journal
        self._clock = clock
        self._ask = ask
        self._tell = tell
        self._at_once = AT_ONCE
        self._failures = 0
        self._not_before_s = 0.0
        self.tally: Counter[str] = Counter()
        self.trouble = ""
        """why nothing is handed over, as a sentence"""
        self.waiting = 0
        """claims that were there at the last look, counted up to `ENOUGH`"""

    @property
    def next_due_s(self) -> float:
        return self._not_before_s if self.waiting else float("inf")

    def step(self) -> None:
        """Hand over the next claims, if it is time."""
        now_s = self._clock.boot_s()
        if now_s < self._not_before_s:
            return
        claims = self._journal.claims(ENOUGH)
        self.waiting = len(claims)
        batch = [claim for claim in claims[: self._at_once] if self._is_there(claim)]
        if not batch:
            return
        self._not_before_s = now_s + len(batch) / RATE_PER_S
        try:
            accepted = self._ask(SubmitBatch(items=[BatchItem(job=self._job_of(claim)) for claim in batch]))
        except RefusedError as error:
            self._wait(error, len(batch))
            return
        self._failures, self._at_once = 0, min(AT_ONCE, self._at_once * 2)
        self.trouble = ""
        taken = [claim for claim, answer in zip(batch, accepted.items, strict=True) if answer.job is not None]
        refused = [(c, a.error) for c, a in zip(batch, accepted.items, strict=True) if a.error is not None]
        with self._journal.transaction():
            self._journal.set_state(taken, State.DONE)
            for claim, why in refused:
                if why.code not in NOT_NOW:
                    self._journal.set_state([claim], State.REFUSED, _reason(why))
        for claim in taken:
            self.tally["accepted"] += 1
            self._tell(
                UploadEvent(camera=claim.camera, path=claim.path, outcome=UploadOutcome.ACCEPTED, job_id=claim.job_id)
            )
        for claim, why in refused:
            self._note_refused(claim, why)
        self.waiting -= len(taken)

    def _note_refused(self, claim: Upload, error: JobError) -> None:
        if error.code in NOT_NOW:
            self._wait(RefusedError(ErrorCode(error.code), error.message), 1)
            return
        self.tally[State.REFUSED] += 1
        log.warning("%s: its job was refused: %s", claim.path, error.message)
        self._tell(
            UploadEvent(camera=claim.camera, path=claim.path, outcome=UploadOutcome.REJECTED, reason=_reason(error))
        )

    def _wait(self, error: RefusedError, size: int) -> None:
        if error.code is ErrorCode.QUEUE_FULL and size > 1:
            self._at_once = 1  # a batch that does not fit is refused whole
            return
        self._failures += 1
        wait_s = backoff_s(self._failures, base_s=RETRY_S, limit_s=RETRY_LIMIT_S)
        if error.retry_after_s is not None:
            wait_s = min(max(wait_s, error.retry_after_s), RETRY_LIMIT_S)
        self._not_before_s = self._clock.boot_s() + wait_s
        if error.code is ErrorCode.QUEUE_FULL:
            self.trouble = "uploads wait in their folder: the queue of analyses is full"
            return
        if not self.trouble:
            log.warning("uploads wait: %s; tried again until it works", error.message)
        self.trouble = f"uploads wait: {error.message}"

    def _is_there(self, claim: Upload) -> bool:
        try:
            if stat.S_ISREG(os.lstat(self._root / claim.path).st_mode):
                return True
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:  # a share that is away, a right that is missing: the dispatcher looks, too
            return True
        with self._journal.transaction():
            self._journal.set_gone(claim)
        self.tally[State.GONE] += 1
        return False

    def _job_of(self, claim: Upload) -> SubmitJob:
        params = {"path": claim.path, "camera": claim.camera, "kind": claim.kind, "sha256": claim.sha256}
        return SubmitJob(
            type="analysis", id=claim.job_id, params=Raw(msgspec.msgpack.encode(params)), name=claim.path[-500:]
        )


def _reason(error: JobError) -> str:
    return f"{error.code}: {error.message}"[:500]
