"""Deletes uploads that are done with: when their time is over, and before that when there are too many of them.

What waits for its analysis is never deleted. When that alone is too much, it is complained of.
"""

import logging
import os
import sys
from collections.abc import Callable, Set
from functools import cache
from pathlib import Path

from framebus.clock import Clock
from framebus.errors import RefusedError
from framebus.keep_settings import seconds
from framebus.settings import IngestSettings
from framebus.wall_trust import WallTrust
from framebus_services.below import folder_below
from framebus_services.ingest.claims import Claims
from framebus_services.ingest.files import stamp_of
from framebus_services.ingest.journal import Journal, State, Upload
from framebus_services.ingest.names import is_upload
from framebus_services.ingest.quarantine import Quarantine
from framebus_services.ingest.stock import Stock, divide_stock, stock_of, take_stock

log = logging.getLogger(__name__)

PERIOD_S = 60.0
AT_ONCE = 500
ROUNDS = 20
"""of `AT_ONCE` files each, when there are too many: the others wait for the next period"""
ALL = Stock(sys.maxsize, sys.maxsize)

OpenJobs = Callable[[], Set[str]]


class Retention:
    """For the thread that owns the journal; call `step` now and then."""

    def __init__(
        self,
        root: Path,
        settings: IngestSettings,
        *,
        journal: Journal,
        claims: Claims,
        quarantine: Quarantine,
        clock: Clock,
        open_jobs: OpenJobs,
    ) -> None:
        """`open_jobs` gives the ids of analyses that have not ended; may raise RefusedError."""
        self._root = root
        self._journal = journal
        self._claims = claims
        self._left = 0
        """files that are too old and could not be deleted, of those looked at in this round"""
        self._quarantine = quarantine
        self._keep_s = seconds(settings.keep)
        self._limit = Stock(settings.max_files, settings.max_total_bytes)
        self._clock = clock
        self._open_jobs = open_jobs
        self._wall = WallTrust(clock)
        self._due_s = clock.boot_s()
        self.deleted = 0
        self.trouble = ""
        """what is too much and can't be deleted, as a sentence"""

    @property
    def next_due_s(self) -> float:
        return self._due_s

    def step(self) -> None:
        """Delete what is too old or too much, if it is time to look."""
        if self._clock.boot_s() < self._due_s:
            return
        self._due_s = self._clock.boot_s() + PERIOD_S
        open_jobs = cache(self._open_jobs)  # asked once at most: on this thread no job is handed in meanwhile
        try:
            if self._wall.is_trusted():
                self._delete_old(self._clock.wall_s() - self._keep_s, open_jobs)
            self._make_room(open_jobs)
        except RefusedError as error:
            log.info("uploads: nothing is deleted now: which analyses wait is not known: %s", error.message)

    def _delete_old(self, before_at_s: float, open_jobs: OpenJobs) -> None:
        found = self._journal.older(before_at_s, AT_ONCE, self._left)
        gone, _ = self._delete_each(found, ALL, open_jobs)
        # Those that can't be deleted keep nobody waiting: they are stepped over until the end was reached.
        self._left = self._left + len(found) - gone if len(found) == AT_ONCE else 0
        self._claims.forget()
        self.deleted += self._quarantine.remove_old(before_at_s)

    def _make_room(self, open_jobs: OpenJobs) -> None:
        """First what was rejected, then what was handed in, each the oldest first."""
        uploads, others = self._look_through()
        excess = uploads.less(self._limit)
        if not excess.is_nothing:
            self._delete_handed_in(self._quarantine.remove_oldest(excess), open_jobs)
            uploads, others = self._look_through()
        self.trouble = self._too_much(uploads, others)

    def _delete_handed_in(self, excess: Stock, open_jobs: OpenJobs) -> None:
        skip, deleted = 0, 0
        for _ in range(ROUNDS):
            found = [] if excess.is_nothing else self._journal.handed_in(AT_ONCE, skip)
            if not found:
                break
            gone, excess = self._delete_each(found, excess, open_jobs)
            deleted += gone
            skip += len(found) - gone
        if deleted:
            log.warning(
                "uploads: %d of those handed in were deleted before their time: more than %s lay there",
                deleted,
                self._limit,
            )

    def _look_through(self) -> tuple[Stock, Stock]:
        """Uploads with the quarantine, and files of others, which are not ours to delete."""
        uploads, others = divide_stock(self._root, is_upload)
        return uploads.more(take_stock(self._quarantine.folder)), others

    def _too_much(self, uploads: Stock, others: Stock) -> str:
        """What is still too much, as a sentence."""
        limit = f"{self._limit} (services.ingest.max_total_bytes, max_files)"
        if not uploads.less(self._limit).is_nothing:
            return (
                f"uploads take {uploads}, and may take {limit}: what waits is kept, all else was deleted; remove"
                " something"
            )
        if not uploads.more(others).less(self._limit).is_nothing:
            return (
                f"{others} in {self._root} are no uploads and left alone; with them there is more than {limit}:"
                " move them away"
            )
        return ""

    def _delete_each(self, uploads: list[Upload], excess: Stock, open_jobs: OpenJobs) -> tuple[int, Stock]:
        """Until that much is gone; how many are there no more, and what is still too much."""
        spared = open_jobs() if any(upload.state is State.DONE for upload in uploads) else frozenset()
        gone = []
        for upload in uploads:
            if excess.is_nothing:
                break
            if upload.state is State.DONE and upload.job_id in spared:
                continue
            # Of what was rejected the journal keeps only a word: its file is in the quarantine.
            freed = Stock() if upload.state is State.REJECTED else self._delete(upload)
            if freed is not None:
                gone.append(upload)
                excess = excess.less(freed)
        with self._journal.transaction():
            for upload in gone:
                self._journal.forget(upload)
        return len(gone), excess

    def _delete(self, upload: Upload) -> Stock | None:
        """How much that freed: nothing when it was gone, or is another by now; None when it can't be deleted."""
        try:
            with folder_below(self._root, upload.path) as (folder, name):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stamp_of(found) != upload.stamp:
                    return Stock()
                os.unlink(name, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            return Stock()
        except OSError as error:
            log.warning("%s can't be deleted: %s", self._root / upload.path, error)
            return None
        self.deleted += 1
        return stock_of(found)
