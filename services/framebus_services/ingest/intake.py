"""From a name in the upload folder to a claim in the journal, or a place in the quarantine; for one thread.

seen -> quiet -> looked into -> claimed | duplicate | quarantine
           ^         |
           +---------+  it changed meanwhile, or is not whole yet
"""

import logging
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from framebus.clock import Clock
from framebus.messages import UploadEvent, UploadOutcome
from framebus.task import TaskEnd, TaskOutcome
from framebus_services.below import NotPlainError
from framebus_services.ingest.claims import Claims
from framebus_services.ingest.files import check_own, list_files, stamp_of
from framebus_services.ingest.held import Held
from framebus_services.ingest.journal import Journal, State
from framebus_services.ingest.look import Looked
from framebus_services.ingest.looks import Looks, fault_of
from framebus_services.ingest.names import folder_of, is_unfinished, kind_of, path_problem, shown
from framebus_services.ingest.reason import Reason
from framebus_services.ingest.registry import HeldError, Registry
from framebus_services.ingest.rejection import Rejection
from framebus_services.ingest.sighting import OPEN_S, SAMPLE_S, Sighting, Stamp
from framebus_services.ingest.watched import MAX_WATCHED, Watched
from framebus_services.ingest.writers import is_being_written

log = logging.getLogger(__name__)

AGAIN_S = 30.0
"""how soon a file is looked into again when the process that does it was away"""
TIMED_OUT_AT_MOST = 3
"""a disk that stands still is not the file's fault; a file that always takes so long is"""


class Intake:
    """What is on its way."""

    def __init__(
        self,
        root: Path,
        *,
        registry: Registry,
        journal: Journal,
        claims: Claims,
        rejection: Rejection,
        looks: Looks,
        clock: Clock,
        tell: Callable[[UploadEvent], None],
    ) -> None:
        self._root = root
        self._looks = looks
        self._registry = registry
        self._journal = journal
        self._claims = claims
        self._rejection = rejection
        self._clock = clock
        self._tell = tell
        self._watched = Watched()
        self._held = Held()
        self.tally: Counter[str] = Counter()
        self.has_more = False
        """there were more files than can be watched: scan again when there is room"""

    def __len__(self) -> int:
        """How many files are on their way."""
        return len(self._watched)

    @property
    def held(self) -> dict[str, str]:
        """Folder or file to why it waits for somebody."""
        return self._held.texts

    @property
    def next_due_s(self) -> float:
        """The boot time at which the next file may be looked into."""
        return min(self._watched.next_due_s, self._held.next_due_s)

    @property
    def is_busy(self) -> bool:
        """Whether outcomes are to be taken soon."""
        return len(self._looks) > 0

    def scan(self, below: str = "") -> None:
        """Find what no event has told."""
        self.has_more = False
        self._held.forget_unread(below)
        for path, found in list_files(self._root, below, self._held.note_unread):
            self._see(path, found, is_closed=False)

    def note(self, path: str, *, is_closed: bool, is_written: bool = False) -> None:
        """Something happened to this file or folder; `is_closed`: its writer let go of it; `is_written`: not yet."""
        try:
            found = os.lstat(f"{self._root}/{path}")
        except FileNotFoundError:
            self._let_go(path)
        except OSError as error:  # a name too long to be one
            log.warning("%s: %s", shown(path[:200]), error.strerror)
        else:
            if stat.S_ISDIR(found.st_mode):
                self.scan(path)
            else:
                self._see(path, found, is_closed=is_closed, is_written=is_written)

    def look(self, *, may_claim: bool) -> None:
        """Give what is quiet to the process that looks into it, and see to what it found.

        Without `may_claim` nothing new is begun: enough claims wait for the dispatcher.
        """
        self._take_outcomes()
        now_s = self._clock.boot_s()
        for folder in self._held.due_folders(now_s):
            self._try_again(folder, now_s)
        while may_claim and (due := self._watched.take_due(now_s)) is not None:
            path, sighting = due
            if path in self._looks:
                continue
            if sighting.ready_s() > now_s:
                self._watched.wait_until_ready(path, sighting)
            elif now_s - sighting.changed_s < OPEN_S and is_being_written(self._root, path):
                self._watched.wait(path, now_s + SAMPLE_S)
            elif self._is_unchanged(path, sighting) and not self._look_into(path, sighting):
                self._watched.wait(path, now_s)
                return

    # Inside -----------------------------------------------------------------------------------------------------------

    def _see(self, path: str, found: os.stat_result, *, is_closed: bool, is_written: bool = False) -> None:
        if is_unfinished(path) or kind_of(path) is None:
            return
        stamp, now_s = stamp_of(found), self._clock.boot_s()
        sighting = self._watched.get(path)
        if sighting is None:
            if self._held.has_folder(folder_of(path)) or self._is_known(path, stamp):
                return
            if len(self._watched) - self._held.files >= MAX_WATCHED:
                self.has_more = True
                return
            sighting = Sighting(stamp, now_s, is_open=is_written)
            self._watched.add(path, sighting)
        elif is_written and stamp.size_bytes != sighting.stamp.size_bytes:  # not a mere change of its time
            sighting.see(stamp, now_s)
            sighting.note_written()
        sighting.see(stamp, now_s)
        if is_closed:
            sighting.note_closed(now_s)
        self._watched.wait_until_ready(path, sighting)

    def _is_known(self, path: str, stamp: Stamp) -> bool:
        if path_problem(path):  # the database takes no such name
            return False
        known = self._journal.get(path)
        return known is not None and known.stamp == stamp and known.state is not State.GONE

    def _let_go(self, path: str) -> None:
        """It is there no more, or was decided on."""
        self._watched.drop(path)
        self._held.release(path)

    def _try_again(self, folder: str, now_s: float) -> None:
        """A held folder: its files are found anew when somebody has seen to it, or it is gone."""
        try:
            if stat.S_ISDIR(os.lstat(f"{self._root}/{folder}").st_mode):
                self._camera_of(folder)
        except HeldError as error:
            self._held.hold_folder(folder, str(error), now_s)
            return
        except OSError:
            pass
        self._held.release(folder)
        self.scan(folder)

    def _is_unchanged(self, path: str, sighting: Sighting) -> bool:
        try:
            found = os.lstat(f"{self._root}/{path}")
        except OSError:
            self._let_go(path)
            return False
        before = sighting.stamp
        sighting.see(stamp_of(found), self._clock.boot_s())
        if sighting.stamp != before:
            self._watched.wait_until_ready(path, sighting)
        return sighting.stamp == before

    def _look_into(self, path: str, sighting: Sighting) -> bool:
        """Begin to look into a file; False when none can be taken now."""
        kind = kind_of(path)
        assert kind is not None
        folder = folder_of(path)
        if folder is None:
            text = "it lies in no folder, and the first folder names the camera"
            self._reject(path, sighting.stamp, Reason.NO_CAMERA, text)
            return True
        if problem := path_problem(path):
            self._reject(path, sighting.stamp, Reason.NAME, problem)
            return True
        try:
            check_own(os.lstat(f"{self._root}/{path}"))
            self._camera_of(folder)
        except NotPlainError as error:
            self._reject(path, sighting.stamp, Reason(error.reason), str(error))
            return True
        except HeldError as error:
            self._hold_folder(folder, path, error)
            return True
        except FileNotFoundError:
            self._let_go(path)
            return True
        except OSError as error:
            self._hold(path, f"{shown(path)}: {error.strerror or error}")
            return True
        if (least := self._looks.least_bytes(kind)) > sighting.stamp.size_bytes:
            text = f"it has {sighting.stamp.size_bytes} bytes; less than {least} are no {kind.value}"
            self._note_broken(path, sighting, Reason.TOO_SMALL, text)
            return True
        return self._looks.begin(path, kind, sighting.stamp.size_bytes)

    def _camera_of(self, folder: str) -> str:
        try:
            camera = self._registry.camera_for(folder)
        except OSError as error:
            raise HeldError(f"the camera of the folder {folder!r} can't be written down: {error}") from None
        self._held.release(folder)
        return camera

    def _hold_folder(self, folder: str, path: str, error: HeldError) -> None:
        self._let_go(path)
        self._held.hold_folder(folder, str(error), self._clock.boot_s())

    def _hold(self, path: str, text: str) -> None:
        again_s = self._held.hold_file(path, text, self._clock.boot_s())
        if again_s is None:
            self._watched.drop(path)
        else:
            self._watched.wait(path, again_s)

    def _take_outcomes(self) -> None:
        outcomes = self._looks.take()
        if outcomes:
            with self._journal.transaction():  # one for all: each costs the disk a sync
                for outcome in outcomes:
                    self._take(outcome)

    def _take(self, outcome: TaskOutcome) -> None:
        path = str(outcome.key)
        sighting = self._watched.get(path)
        if sighting is None:
            return
        if outcome.is_done:
            self._decide(path, sighting, outcome.result)
        elif outcome.end in (TaskEnd.NOT_STARTED, TaskEnd.NOT_DONE, TaskEnd.CANCELLED):
            self._watched.wait(path, self._clock.boot_s() + AGAIN_S)
        elif outcome.end is TaskEnd.TIMED_OUT and self._held.tries(path) + 1 < TIMED_OUT_AT_MOST:
            self._hold(path, "")
        else:
            self._reject(path, sighting.stamp, Reason.UNDECODABLE, fault_of(outcome))

    def _decide(self, path: str, sighting: Sighting, looked: Looked) -> None:
        if looked.reason is not Reason.UNREAD:
            self._held.release(path)
        match looked.reason:
            case None if looked.stamp == sighting.stamp:
                self._claim(path, looked)
            case None | Reason.CHANGED:
                self.note(path, is_closed=False)
            case Reason.GONE:
                self._let_go(path)
            case Reason.UNREAD:
                self._hold(path, f"{shown(path)}: {looked.text}")
            case Reason.BROKEN:
                self._note_broken(path, sighting, looked.reason, looked.text)
            case _:
                self._reject(path, sighting.stamp, looked.reason, looked.text)

    def _note_broken(self, path: str, sighting: Sighting, reason: Reason, text: str) -> None:
        now_s = self._clock.boot_s()
        if sighting.is_given_up(now_s):
            self._reject(path, sighting.stamp, reason, text)
            return
        sighting.is_broken = True
        self._watched.wait_until_ready(path, sighting)

    def _claim(self, path: str, looked: Looked) -> None:
        folder, kind = folder_of(path), kind_of(path)
        assert folder is not None
        assert kind is not None
        try:
            camera = self._camera_of(folder)
        except HeldError as error:
            self._hold_folder(folder, path, error)
            return
        claim = self._claims.claim(path, camera, kind, looked)
        self._let_go(path)
        if claim.is_new and claim.upload.state is State.DUPLICATE:
            self.tally[State.DUPLICATE] += 1
            self._tell(
                UploadEvent(camera=camera, path=path, outcome=UploadOutcome.DUPLICATE, job_id=claim.upload.job_id)
            )

    def _reject(self, path: str, stamp: Stamp, reason: Reason, text: str) -> None:
        try:
            self._rejection.reject(path, stamp, reason, text)
        except OSError as error:  # a folder that is read-only, a disk that is full
            self._hold(path, f"{shown(path)}: {text}, and it can't be moved to the quarantine: {error.strerror}")
        else:
            self._let_go(path)
