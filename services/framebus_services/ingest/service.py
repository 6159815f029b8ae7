"""Takes what cameras upload: the folder is the queue, the journal knows what became of each file."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from framebus.bus import Bus
from framebus.errors import ConfigError
from framebus.messages import CameraState, CameraStatus, ConfigChanged, JobState, UploadEvent
from framebus.requests import MAX_ROWS, BatchAccepted, ListJobs, ListUploads, SubmitBatch, UploadRow, Uploads
from framebus.settings import IngestProcessSettings, IngestSettings
from framebus.worker import WorkerProcess
from framebus_services.ingest.claims import Claims
from framebus_services.ingest.handover import ENOUGH, Handover
from framebus_services.ingest.intake import Intake
from framebus_services.ingest.journal import Journal, open_journal
from framebus_services.ingest.look import Looked
from framebus_services.ingest.looks import Looks
from framebus_services.ingest.quarantine import Quarantine
from framebus_services.ingest.registry import Registry
from framebus_services.ingest.rejection import Rejection
from framebus_services.ingest.retention import Retention
from framebus_services.ingest.watcher import Watcher, What

log = logging.getLogger(__name__)

STATUS_S = 1.0
OPEN = (JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING, JobState.RETRYING, JobState.QUEUED, JobState.RUNNING)
"""as jobs go from one to the next, so that none slips through while it is asked for them one after the other"""
BURST = 150
"""after events of so many files at once the system's own queue may have overflown: a scan makes up for it"""
BURST_SCAN_S = 2.0
BURST_REST_S = 10.0
"""between two such scans: while thousands of files come each takes long, and the last one finds them all"""
BUSY_S = 0.005
"""how soon it is looked again while files are looked into"""
IDLE_S = 5.0
"""the longest wait of the thread, after a turn that failed too"""
AGAIN_S = 30.0
"""how soon the folder is looked through after a turn that failed"""
LOOKS = 32
"""files that wait to be looked into"""
ASK_S = 3.0
STOP_S = 4.0
STUCK_S = 60.0
MAX_MEMORY_BYTES = 2 * 1024**3
WORKER_IDLE_S = 30.0
"""uploads come in bursts; between them no process waits for one"""


class Ingest:
    """The folder, and the thread that sees to it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        settings = bus.settings(IngestProcessSettings)
        data = bus.place.data
        root = data / "uploads"
        root.mkdir(parents=True, exist_ok=True)
        try:
            self._registry = Registry(
                root, settings.cameras, max_cameras=settings.max_cameras, auto_create=settings.auto_create
            )
            self._journal = open_journal(data / "uploads.db")
            self._reader = Journal(data / "uploads.db")  # for the loop, which must not wait for the thread
        except ValueError as error:
            raise ConfigError([str(error)]) from None
        self._worker = WorkerProcess(
            "framebus_services.ingest.look_process:look",
            max_waiting=LOOKS,
            memory_limit_bytes=MAX_MEMORY_BYTES,
            result_type=Looked,
            on_fault=self._count,
            idle_limit_s=WORKER_IDLE_S,
            name="looks into uploads",
        )
        claims = Claims(self._journal, bus.clock)
        quarantine = Quarantine(root, data / "quarantine")
        self._rejection = Rejection(quarantine, self._journal, self._registry, bus.clock, self._tell)
        self._intake = Intake(
            root,
            registry=self._registry,
            journal=self._journal,
            claims=claims,
            rejection=self._rejection,
            looks=Looks(root, settings, self._worker),
            clock=bus.clock,
            tell=self._tell,
        )
        self._handover = Handover(root, self._journal, bus.clock, self._ask, self._tell)
        self._retention = Retention(
            root,
            settings,
            journal=self._journal,
            claims=claims,
            quarantine=quarantine,
            clock=bus.clock,
            open_jobs=self._open_jobs,
        )
        bus.on(ConfigChanged, self._note_cameras, section="cameras")
        self._wake = threading.Event()
        self._rescan_s = settings.rescan_s
        self._scan_due_s = bus.clock.boot_s()
        self._scanned_s = float("-inf")
        self._turned_s = bus.clock.boot_s()
        self._since_at_s = bus.clock.wall_s()
        self._taken_at_s: dict[str, float] = {}
        self._is_stopping = False
        self._disk_trouble = ""
        bus.answer(ListUploads, self._list)
        bus.every(STATUS_S, self._tell_status)
        self._watcher = _watch(root, settings, self._wake)
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    def is_healthy(self) -> bool:
        """False when the thread died or hangs, or no file can be looked into any more."""
        is_turning = self._thread.is_alive() and self._bus.clock.boot_s() - self._turned_s < STUCK_S
        return is_turning and not self._worker.is_over

    def stop(self) -> None:
        """Leave everything as it is: the folder and the journal know how to go on."""
        self._watcher.stop(STOP_S / 4)
        self._is_stopping = True
        self._wake.set()
        self._thread.join(STOP_S / 2)
        self._worker.close()
        if not self._thread.is_alive():
            self._journal.close()
        self._reader.close()

    # The thread -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_stopping:
            self._turned_s = self._bus.clock.boot_s()
            try:
                self._turn()
                self._disk_trouble = ""
            except (OSError, sqlite3.OperationalError) as error:
                self._rest(error)
            except Exception:  # one file's fault, or a full disk: the others still get their turn
                self._count("errors.intake")
                log.exception("uploads: a turn failed; going on in %.0f s", IDLE_S)
                self._look_again()
            self._wake.wait(self._wait_s())
            self._wake.clear()

    def _rest(self, error: Exception) -> None:
        """A full or broken disk: told once, and tried again until it works."""
        self._count("errors.disk")
        if not self._disk_trouble:
            log.error("uploads wait: %s; tried again every %.0f s until it works", error, IDLE_S)
        self._disk_trouble = f"uploads wait: {error}"
        self._look_again()

    def _look_again(self) -> None:
        self._scan_due_s = min(self._scan_due_s, self._turned_s + AGAIN_S)  # finds what this turn has dropped
        self._wake.clear()
        if not self._is_stopping:
            self._wake.wait(IDLE_S)

    def _turn(self) -> None:
        now_s = self._bus.clock.boot_s()
        events, has_overflown = self._watcher.take()
        if has_overflown or len(events) >= BURST:
            self._scan_due_s = min(self._scan_due_s, max(now_s + BURST_SCAN_S, self._scanned_s + BURST_REST_S))
        for path, what in events:
            self._intake.note(path, is_closed=what is What.CLOSED, is_written=what is What.WRITTEN)
        if now_s >= self._scan_due_s or (self._intake.has_more and not len(self._intake)):
            self._scan_due_s = now_s + self._rescan_s
            self._scanned_s = now_s
            self._intake.scan()
        self._intake.look(may_claim=self._handover.waiting < ENOUGH)
        self._handover.step()
        self._retention.step()

    def _wait_s(self) -> float:
        if self._intake.is_busy:
            return BUSY_S
        dues_s = [self._scan_due_s, self._handover.next_due_s, self._retention.next_due_s]
        if self._handover.waiting < ENOUGH:
            dues_s.append(self._intake.next_due_s)
        return min(IDLE_S, max(0.0, min(dues_s) - self._bus.clock.boot_s()))

    def _ask(self, batch: SubmitBatch) -> BatchAccepted:
        return self._bus.ask("dispatcher", batch, deadline_s=ASK_S)

    def _open_jobs(self) -> set[str]:
        """Analyses that have not ended: their files are still needed."""
        found: set[str] = set()
        for state in OPEN:
            page = None
            while True:
                asked = ListJobs(type="analysis", state=state, limit=MAX_ROWS, next=page)
                answer = self._bus.ask("dispatcher", asked, deadline_s=ASK_S)
                self._turned_s = self._bus.clock.boot_s()  # of many pages each may take its time
                found.update(job.id for job in answer.jobs)
                page = answer.next
                if page is None:
                    break
        return found

    def _count(self, what: str) -> None:
        self._bus.call_soon(partial(self._bus.stats.count, what))

    def _tell(self, event: UploadEvent) -> None:
        self._taken_at_s[event.camera] = self._bus.clock.wall_s()
        self._bus.publish(event)

    # The loop ---------------------------------------------------------------------------------------------------------

    def _note_cameras(self, changed: ConfigChanged) -> None:
        cameras = msgspec.msgpack.decode(changed.value)
        if isinstance(cameras, dict):
            self._registry.configure([str(name) for name in cameras])

    def _list(self, ask: ListUploads) -> Uploads:
        rows = self._reader.newest(ask.limit, ask.camera, ask.before)
        listed = [
            UploadRow(
                path=upload.path,
                camera=upload.camera or None,
                state=upload.state,
                reason=upload.reason,
                job_id=upload.job_id,
                at_s=upload.at_s,
                size_bytes=upload.stamp.size_bytes,
            )
            for _, upload in rows
        ]
        return Uploads(
            rows=listed,
            next=rows[-1][0] if len(rows) == ask.limit else None,
            on_their_way=len(self._intake),
            held=[text[:500] for text in self._troubles()],
        )

    def _troubles(self) -> Iterator[str]:
        """Why uploads wait, the worst first."""
        yield from filter(None, [self._disk_trouble, self._handover.trouble, self._retention.trouble])
        yield from list(self._intake.held.values())

    def _tell_status(self) -> None:
        stats = self._bus.stats
        for tally in (self._intake.tally.copy(), self._rejection.tally.copy(), self._handover.tally.copy()):
            for what, count in tally.items():
                stats.counters[what] = count
        stats.counters["deleted.old"] = self._retention.deleted
        stats.gauge("on_their_way", len(self._intake))
        self._bus.complaint = "; ".join(list(self._troubles())[:3])
        for camera, folder in self._registry.own.items():
            self._bus.publish(
                CameraStatus(
                    camera=camera,
                    state=CameraState.UPLOAD,
                    since_at_s=self._since_at_s,
                    source=f"uploads/{folder}"[:500],
                    last_frame_at_s=self._taken_at_s.get(camera),
                )
            )


def _watch(root: Path, settings: IngestSettings, wake: threading.Event) -> Watcher:
    """Hear of what happens in the folder; look into it now and then where the system tells nothing."""
    if not settings.polling:
        watcher = Watcher(root, polling_s=None, wake=wake)
        try:
            watcher.start()
        except OSError as error:  # no watches left: fs.inotify.max_user_watches
            log.warning("%s tells no events (%s): it is looked at every %.1f s", root, error, settings.polling_s)
        else:
            return watcher
    watcher = Watcher(root, polling_s=settings.polling_s, wake=wake)
    watcher.start()
    return watcher
