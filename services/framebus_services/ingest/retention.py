"""Deletes uploads whose time is over: those that were handed in, and what lies in the quarantine."""

import logging
import os
from pathlib import Path

from framebus.clock import Clock
from framebus.wall_trust import WallTrust
from framebus_services.ingest.claims import Claims
from framebus_services.ingest.files import stamp_of
from framebus_services.ingest.journal import Journal, Upload
from framebus_services.ingest.quarantine import Quarantine

log = logging.getLogger(__name__)

PERIOD_S = 60.0
AT_ONCE = 500


class Retention:
    """For the thread that owns the journal; call `step` now and then."""

    def __init__(
        self, root: Path, journal: Journal, claims: Claims, quarantine: Quarantine, keep_s: float, clock: Clock
    ) -> None:
        self._root = root
        self._journal = journal
        self._claims = claims
        self._left = 0
        """files that are too old and could not be deleted, of those looked at in this round"""
        self._quarantine = quarantine
        self._keep_s = keep_s
        self._clock = clock
        self._wall = WallTrust(clock)
        self._due_s = clock.boot_s()
        self.deleted = 0

    @property
    def next_due_s(self) -> float:
        return self._due_s

    def step(self) -> None:
        """Delete what is too old, if it is time to look."""
        if self._clock.boot_s() < self._due_s:
            return
        self._due_s = self._clock.boot_s() + PERIOD_S
        if not self._wall.is_trusted():
            return
        before_at_s = self._clock.wall_s() - self._keep_s
        found = self._journal.older(before_at_s, AT_ONCE, self._left)
        gone = [upload for upload in found if upload.state == "rejected" or self._delete(upload)]
        with self._journal.transaction():
            for upload in gone:
                self._journal.forget(upload)
        # Those that can't be deleted keep nobody waiting: they are stepped over until the end was reached.
        self._left = self._left + len(found) - len(gone) if len(found) == AT_ONCE else 0
        self._claims.forget()
        self.deleted += self._quarantine.remove_old(before_at_s)

    def _delete(self, upload: Upload) -> bool:
        """Whether the file is gone; another of its name is left alone."""
        path = self._root / upload.path
        try:
            if stamp_of(os.lstat(path)) == upload.stamp:
                path.unlink()
                self.deleted += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("%s can't be deleted: %s", path, error)
            return False
        return True
