"""Turns whole files into claims, each of which becomes one job: whatever is killed, and however often bytes come."""

import hashlib
from dataclasses import dataclass

import msgspec

from framebus.clock import Clock
from framebus_services.ingest.journal import Journal, State, Upload
from framebus_services.ingest.look import Looked
from framebus_services.ingest.names import Kind

SEEN_FOR_S = 7 * 86_400.0
"""the same bytes of the same camera are a duplicate for so long after they came last"""
FORGOTTEN_AFTER_S = 365 * 86_400.0


@dataclass(frozen=True)
class Claim:
    """What was decided of a whole file."""

    upload: Upload
    is_new: bool
    """False: the journal knew this very file; nothing is to be told"""


class Claims:
    """Decides for each whole file whether its bytes are new for its camera."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def claim(self, path: str, camera: str, kind: Kind, looked: Looked) -> Claim:
        """Write down what becomes of a file, in one transaction: claimed, or a duplicate."""
        now_s = self._clock.wall_s()
        with self._journal.transaction():
            known = self._journal.get(path)
            if known is not None and (known.camera, known.sha256) == (camera, looked.sha256):  # touched, not changed
                state = State.CLAIMED if known.state is State.GONE else known.state  # its share was away for a while
                same = msgspec.structs.replace(known, stamp=looked.stamp, state=state)
                self._journal.put(same)
                return Claim(same, is_new=False)
            job_id = self._journal.content_job(camera, looked.sha256, now_s - SEEN_FOR_S)
            times = self._journal.content_times(camera, looked.sha256)
            state = State.DUPLICATE
            if job_id is None:
                state, times = State.CLAIMED, times + 1
                job_id = job_id_of(camera, looked.sha256, times)
            self._journal.note_content(camera, looked.sha256, job_id, now_s, times)
            upload = Upload(
                path=path,
                stamp=looked.stamp,
                camera=camera,
                kind=kind.value,
                sha256=looked.sha256,
                job_id=job_id,
                state=state,
                reason="",
                at_s=now_s,
            )
            self._journal.put(upload)
        return Claim(upload, is_new=True)

    def forget(self) -> None:
        """Let go of bytes that nobody has sent for a year."""
        with self._journal.transaction():
            self._journal.forget_contents(self._clock.wall_s() - FORGOTTEN_AFTER_S)


def job_id_of(camera: str, sha256: str, times: int) -> str:
    """The id of the job for these bytes, the `times`-th that they get: the same after any crash."""
    return hashlib.sha256(f"{camera}\n{sha256}\n{times}".encode()).hexdigest()[:32]
