"""Sets a file aside for good: moved to the quarantine, written down, told."""

import logging
from collections import Counter
from collections.abc import Callable

from framebus.clock import Clock
from framebus.messages import UploadEvent, UploadOutcome
from framebus_services.ingest.journal import Journal, State, Upload
from framebus_services.ingest.names import folder_of, kind_of, shown
from framebus_services.ingest.quarantine import Quarantine
from framebus_services.ingest.reason import Reason
from framebus_services.ingest.registry import Registry
from framebus_services.ingest.sighting import Stamp

log = logging.getLogger(__name__)


class Rejection:
    """To the quarantine, into the journal, onto the bus."""

    def __init__(
        self,
        quarantine: Quarantine,
        journal: Journal,
        registry: Registry,
        clock: Clock,
        tell: Callable[[UploadEvent], None],
    ) -> None:
        self._quarantine = quarantine
        self._journal = journal
        self._registry = registry
        self._clock = clock
        self._tell = tell
        self.tally: Counter[str] = Counter()

    def reject(self, path: str, stamp: Stamp, reason: Reason, text: str) -> None:
        """`text` is a sentence. Raises OSError when the file can't be moved."""
        now_at_s = self._clock.wall_s()
        try:
            target = self._quarantine.take(path, reason, text, now_at_s)
        except FileNotFoundError:  # somebody was faster
            return
        log.warning("%s: %s; moved to %s", shown(path), text, target)
        self.tally[f"rejected.{reason}"] += 1
        folder = folder_of(path)
        camera = None if folder is None else self._registry.known(folder)
        why = f"{reason}: {text}"[:500]
        with self._journal.transaction():
            self._journal.put(
                Upload(
                    path=shown(path)[:1_000],
                    stamp=stamp,
                    camera=camera or "",
                    kind=str(kind_of(path) or ""),
                    sha256="",
                    job_id=None,
                    state=State.REJECTED,
                    reason=why,
                    at_s=now_at_s,
                )
            )
        if camera is not None:
            self._tell(UploadEvent(camera=camera, path=shown(path)[:1_000], outcome=UploadOutcome.REJECTED, reason=why))
