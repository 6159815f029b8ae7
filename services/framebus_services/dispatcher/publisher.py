"""Gives the files of finished jobs their names, in the ledger and on disk, and tidies up what the dead left behind."""

import errno
import logging
from pathlib import Path

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import JobEvent
from framebus.messages import NIL, JobState, JobView
from framebus_services.dispatcher import publishing
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.outcomes import claims_of, put_claims

log = logging.getLogger(__name__)


class Publisher:
    """The files of jobs; to be called outside of transactions."""

    def __init__(self, ledger: Ledger, exports: Path) -> None:
        self.exports = exports
        self._ledger = ledger
        self._store = ledger.store

    def publish(self, job_id: str) -> JobView | RefusedError:
        """Give the files of a publishing job their names, all or none."""
        job = self._ledger.known(job_id)
        try:
            self._link(job)
        except (OSError, RefusedError) as error:
            publishing.withdraw(self.exports, claims_of(job))
            is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            code = ErrorCode.NO_SPACE if is_full else ErrorCode.UNAVAILABLE
            text = f"could not publish: {error}"
            with self._store.transaction():
                self._ledger.set_error(job, code, text)
                self._ledger.move(job, JobEvent.FAIL_NO_SPACE if is_full else JobEvent.PUBLISH_FAILED, text)
            return RefusedError(code, text)
        claims = claims_of(job)
        with self._store.transaction():
            self._ledger.move(job, JobEvent.PUBLISHED, "published")
        publishing.unlink_temps(self.exports, claims)
        return job.view()

    def _link(self, job: Job) -> None:
        while True:
            claims = claims_of(job)
            try:
                publishing.link_files(self.exports, claims)
                return
            except FileExistsError:
                publishing.withdraw(self.exports, claims)
                with self._store.transaction():  # the next names are on disk before anything is linked to them
                    put_claims(job, publishing.choose_names(self.exports, claims), job.result or bytes(NIL))
                    self._store.update(job)

    def recover(self) -> None:
        """Put in order what the last dispatcher left; called once, before doors open."""
        self.exports.mkdir(parents=True, exist_ok=True)
        for job in self._store.in_states(JobState.PUBLISHING):
            if publishing.can_be_linked(self.exports, claims_of(job)):
                self.publish(job.id)
            else:
                publishing.withdraw(self.exports, claims_of(job))
                with self._store.transaction():
                    self._ledger.move(job, JobEvent.UNPUBLISHED, "its files were gone at the start")
        with self._store.transaction():
            for job in self._store.in_states(JobState.RUNNING):
                if job.boot_id != self._ledger.boot_id:
                    self._ledger.move(job, JobEvent.VOID, "the machine was restarted")
        self.sweep()
        self._ledger.watch_all()
        self._ledger.take_moves()

    def sweep(self) -> None:
        """Remove the temporary files of leases that are over."""
        self._ledger.has_leftovers = False
        jobs = self._store.in_states(JobState.RUNNING, JobState.PUBLISHING)
        removed = publishing.remove_temps(self.exports, {(job.id, job.fence) for job in jobs})
        if removed:
            log.info("removed %d temporary files of leases that are over", removed)
