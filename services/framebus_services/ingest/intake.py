"""From a name in the upload folder to a claim in the journal, or a place in the quarantine; for one thread.

seen -> quiet -> looked into -> claimed | duplicate | quarantine
           ^         |
           +---------+  it changed meanwhile, or is not whole yet
"""

import heapq
import logging
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from framebus.clock import Clock
from framebus.messages import UploadEvent, UploadOutcome
from framebus.settings import IngestSettings
from framebus.task import TaskEnd, TaskOutcome
from framebus.worker import Full, WorkerProcess
from framebus_services.below import NotPlainError
from framebus_services.ingest.claims import Claims
from framebus_services.ingest.files import check_own, list_files, stamp_of
from framebus_services.ingest.journal import Journal, Upload
from framebus_services.ingest.look import Look, Looked
from framebus_services.ingest.names import Kind, folder_of, is_unfinished, kind_of, path_problem, shown
from framebus_services.ingest.quarantine import Quarantine
from framebus_services.ingest.registry import HeldError, Registry
from framebus_services.ingest.sighting import Sighting, Stamp

log = logging.getLogger(__name__)

MAX_SEEN = 50_000
"""files that are watched at once; the others are found by the next scan"""
HELD_S = 30.0
"""how often it is tried again what had to wait for somebody"""
MAX_HELD = 100


class Intake:
    """What is on its way."""

    def __init__(
        self,
        root: Path,
        settings: IngestSettings,
        *,
        registry: Registry,
        journal: Journal,
        claims: Claims,
        quarantine: Quarantine,
        worker: WorkerProcess,
        clock: Clock,
        tell: Callable[[UploadEvent], None],
    ) -> None:
        self._root = root
        self._settings = settings
        self._registry = registry
        self._journal = journal
        self._claims = claims
        self._quarantine = quarantine
        self._worker = worker
        self._clock = clock
        self._tell = tell
        self._seen: dict[str, Sighting] = {}
        self._due: list[tuple[float, str]] = []
        self._in_hand: set[str] = set()
        self._stuck: dict[str, Stamp] = {}
        """what could be moved nowhere: not tried again as it is"""
        self.tally: Counter[str] = Counter()
        self.held: dict[str, str] = {}
        """folder or file to why it waits"""
        self.has_more = False
        """there were more files than can be watched: scan again when there is room"""

    def __len__(self) -> int:
        """How many files are on their way."""
        return len(self._seen)

    @property
    def next_due_s(self) -> float:
        """The boot time at which the next file may be looked into."""
        return self._due[0][0] if self._due else float("inf")

    @property
    def is_busy(self) -> bool:
        """Whether outcomes are to be taken soon."""
        return bool(self._in_hand)

    def scan(self, below: str = "") -> None:
        """Find what no event has told."""
        self.has_more = False
        for path, found in list_files(self._root, below):
            self._see(path, found, is_closed=False)

    def note(self, path: str, *, is_closed: bool) -> None:
        """Something happened to this file or folder; `is_closed`: its writer let go of it."""
        try:
            found = os.lstat(self._root / path)
        except FileNotFoundError:
            self._let_go(path)
        except OSError as error:  # a name too long to be one
            log.warning("%s: %s", shown(path[:200]), error.strerror)
        else:
            if stat.S_ISDIR(found.st_mode):
                self.scan(path)
            else:
                self._see(path, found, is_closed=is_closed)

    def look(self, *, may_claim: bool) -> None:
        """Give what is quiet to the process that looks into it, and see to what it found.

        Without `may_claim` nothing new is begun: enough claims wait for the dispatcher.
        """
        self._take_outcomes()
        now_s = self._clock.boot_s()
        while may_claim and self._due and self._due[0][0] <= now_s:
            _, path = heapq.heappop(self._due)
            sighting = self._seen.get(path)
            if sighting is None:
                continue
            sighting.due_s = float("inf")
            if path in self._in_hand:
                continue
            if sighting.ready_s() > now_s:
                self._wait(path, sighting.ready_s())
            elif self._is_unchanged(path, sighting) and not self._look_into(path, sighting):
                self._wait(path, now_s)
                return

    # Inside -----------------------------------------------------------------------------------------------------------

    def _see(self, path: str, found: os.stat_result, *, is_closed: bool) -> None:
        if is_unfinished(path) or kind_of(path) is None:
            return
        stamp, now_s = stamp_of(found), self._clock.boot_s()
        sighting = self._seen.get(path)
        if sighting is None:
            if self._stuck.get(path) == stamp or self._is_known(path, stamp):
                return
            if len(self._seen) >= MAX_SEEN:
                self.has_more = True
                return
            sighting = self._seen[path] = Sighting(stamp, now_s)
        sighting.see(stamp, now_s)
        if is_closed:
            sighting.note_closed(now_s)
        self._wait(path, sighting.ready_s())

    def _is_known(self, path: str, stamp: Stamp) -> bool:
        if path_problem(path):  # the database takes no such name
            return False
        known = self._journal.get(path)
        return known is not None and known.stamp == stamp and known.state != "gone"

    def _wait(self, path: str, until_s: float) -> None:
        """Have it looked at then, or sooner; each file stands in the line once, however often it is heard of."""
        sighting = self._seen.get(path)
        if sighting is not None and until_s < sighting.due_s:
            sighting.due_s = until_s
            heapq.heappush(self._due, (until_s, path))

    def _let_go(self, path: str) -> None:
        """It is there no more; a folder of which nothing waits is not held either."""
        self._seen.pop(path, None)
        self.held.pop(path, None)
        folder = folder_of(path)
        if folder in self.held and not any(folder_of(other) == folder for other in self._seen):
            del self.held[folder]

    def _is_unchanged(self, path: str, sighting: Sighting) -> bool:
        try:
            found = os.lstat(self._root / path)
        except OSError:
            self._let_go(path)
            return False
        before = sighting.stamp
        sighting.see(stamp_of(found), self._clock.boot_s())
        if sighting.stamp != before:
            self._wait(path, sighting.ready_s())
        return sighting.stamp == before

    def _look_into(self, path: str, sighting: Sighting) -> bool:
        """Begin to look into a file; False when none can be taken now."""
        kind = kind_of(path)
        assert kind is not None
        folder = folder_of(path)
        if folder is None:
            text = "it lies in no folder, and the first folder names the camera"
            self._reject(path, sighting.stamp, "no_camera", text)
            return True
        if problem := path_problem(path):
            self._reject(path, sighting.stamp, "name", problem)
            return True
        try:
            check_own(os.lstat(self._root / path))
            self._camera_of(folder)
        except NotPlainError as error:
            self._reject(path, sighting.stamp, error.reason, str(error))
            return True
        except HeldError as error:
            self._hold(folder, path, str(error))
            return True
        except FileNotFoundError:
            self._let_go(path)
            return True
        except OSError as error:
            self._hold(path, path, f"{shown(path)}: {error.strerror or error}")
            return True
        if (least := self._least_bytes(kind)) > sighting.stamp.size_bytes:
            text = f"it has {sighting.stamp.size_bytes} bytes; less than {least} are no {kind.value}"
            self._note_broken(path, sighting, "too_small", text)
            return True
        return self._submit(path, kind)

    def _submit(self, path: str, kind: Kind) -> bool:
        task = Look(root=str(self._root), path=path, kind=kind, max_bytes=self._settings.max_bytes)
        try:
            self._worker.submit(path, task)
        except Full:
            return False
        self._in_hand.add(path)
        return True

    def _least_bytes(self, kind: Kind) -> int:
        return self._settings.min_image_bytes if kind is Kind.IMAGE else self._settings.min_video_bytes

    def _camera_of(self, folder: str) -> str:
        try:
            camera = self._registry.camera_for(folder)
        except OSError as error:
            raise HeldError(f"the camera of the folder {folder!r} can't be written down: {error}") from None
        self.held.pop(folder, None)
        return camera

    def _hold(self, what: str, path: str, text: str) -> None:
        if what not in self.held and len(self.held) < MAX_HELD:
            log.warning("uploads wait: %s", text)
            self.held[what] = text
        self._wait(path, self._clock.boot_s() + HELD_S)

    def _take_outcomes(self) -> None:
        outcomes = list(self._worker.results())
        self._in_hand.difference_update(str(outcome.key) for outcome in outcomes)
        if outcomes:
            with self._journal.transaction():  # one for all: each costs the disk a sync
                for outcome in outcomes:
                    self._take(outcome)

    def _take(self, outcome: TaskOutcome) -> None:
        path = str(outcome.key)
        sighting = self._seen.get(path)
        if sighting is None:
            return
        if outcome.is_done:
            self._decide(path, sighting, outcome.result)
        elif outcome.end in (TaskEnd.NOT_STARTED, TaskEnd.NOT_DONE, TaskEnd.CANCELLED):
            self._wait(path, self._clock.boot_s() + HELD_S)
        else:
            self._reject(path, sighting.stamp, "undecodable", _fault_of(outcome))

    def _decide(self, path: str, sighting: Sighting, looked: Looked) -> None:
        if looked.reason != "unread":
            self.held.pop(path, None)
        if looked.reason == "gone":
            self._let_go(path)
        elif looked.reason == "unread":
            self._hold(path, path, f"{shown(path)}: {looked.text}")
        elif looked.reason == "broken":
            self._note_broken(path, sighting, looked.reason, looked.text)
        elif looked.reason and looked.reason != "changed":
            self._reject(path, sighting.stamp, looked.reason, looked.text)
        elif looked.reason or Stamp(looked.inode, looked.size_bytes, looked.mtime_ns) != sighting.stamp:
            self.note(path, is_closed=False)
        else:
            self._claim(path, looked)

    def _note_broken(self, path: str, sighting: Sighting, reason: str, text: str) -> None:
        now_s = self._clock.boot_s()
        if sighting.is_given_up(now_s):
            self._reject(path, sighting.stamp, reason, text)
            return
        sighting.is_broken = True
        self._wait(path, sighting.ready_s())

    def _claim(self, path: str, looked: Looked) -> None:
        folder, kind = folder_of(path), kind_of(path)
        assert folder is not None
        assert kind is not None
        try:
            camera = self._camera_of(folder)
        except HeldError as error:
            self._hold(folder, path, str(error))
            return
        claim = self._claims.claim(path, camera, kind, looked)
        del self._seen[path]
        if claim.is_new and claim.upload.state == "duplicate":
            self.tally["duplicate"] += 1
            self._tell(
                UploadEvent(camera=camera, path=path, outcome=UploadOutcome.DUPLICATE, job_id=claim.upload.job_id)
            )

    def _reject(self, path: str, stamp: Stamp, reason: str, text: str) -> None:
        self._seen.pop(path, None)
        now_at_s = self._clock.wall_s()
        try:
            target = self._quarantine.take(path, reason, text, now_at_s)
        except FileNotFoundError:
            return
        except OSError as error:
            self._stuck[path] = stamp
            log.error("%s: %s; it could not be moved to the quarantine: %s", shown(path), text, error)
        else:
            log.warning("%s: %s; moved to %s", shown(path), text, target)
        self.tally[f"rejected.{reason}"] += 1
        folder = folder_of(path)
        camera = None if folder is None else self._registry.known(folder)
        with self._journal.transaction():
            self._journal.put(
                Upload(
                    path=shown(path)[:1_000],
                    stamp=stamp,
                    camera=camera or "",
                    kind=str(kind_of(path) or ""),
                    sha256="",
                    job_id=None,
                    state="rejected",
                    reason=f"{reason}: {text}"[:500],
                    at_s=now_at_s,
                )
            )
        if camera is not None:
            why = f"{reason}: {text}"[:500]
            self._tell(UploadEvent(camera=camera, path=shown(path)[:1_000], outcome=UploadOutcome.REJECTED, reason=why))


def _fault_of(outcome: TaskOutcome) -> str:
    if outcome.end is TaskEnd.TIMED_OUT:
        return "looking into it took too long"
    if outcome.end is TaskEnd.RAISED:
        return f"looking into it failed: {outcome.error_type}: {outcome.error}"
    return f"looking into it killed its process: {outcome.error}"
