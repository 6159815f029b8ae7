"""What became of each upload, on disk: SQLite, one writer. After a crash nothing is taken twice or left out."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from framebus_services.ingest.sighting import Stamp

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE upload (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    inode INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    camera TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    job_id TEXT,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    at_s REAL NOT NULL
);
CREATE UNIQUE INDEX upload_by_path ON upload (path) WHERE state != 'rejected';
CREATE INDEX upload_by_camera ON upload (camera, number);
CREATE INDEX upload_by_state ON upload (state, number);
CREATE INDEX upload_by_job ON upload (job_id);
CREATE TABLE content (
    camera TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    job_id TEXT NOT NULL,
    seen_at_s REAL NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (camera, sha256)
) WITHOUT ROWID;
"""

_NO_END = 2**63 - 1
_COLUMNS = "path, inode, size_bytes, mtime_ns, camera, kind, sha256, job_id, state, reason, at_s"


class State(StrEnum):
    """What became of a file; the retention forgets all but the claimed when their time is over."""

    CLAIMED = "claimed"
    """whole, looked into, its job has an id: to be handed to the dispatcher"""
    DONE = "done"
    """the dispatcher has accepted its job"""
    DUPLICATE = "duplicate"
    """the same bytes came from this camera before"""
    GONE = "gone"
    """it was removed before its job was handed in"""
    REFUSED = "refused"
    """the dispatcher will not have its job"""
    REJECTED = "rejected"
    """in the quarantine, with its reason"""


class Upload(Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    path: str
    """below the upload folder"""
    stamp: Stamp
    camera: str
    kind: str
    sha256: str
    job_id: str | None
    state: State
    reason: str
    at_s: float


class Journal:
    """The database; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # to open and close it later would drop the locks that another connection of ours holds
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise ValueError(f"{path} is of a newer framebus (version {version}); this one reads {SCHEMA_VERSION}")
        if version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it when it raises; one within another is part of it."""
        if self._is_in_transaction():
            yield
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._is_in_transaction():
                self._database.execute("ROLLBACK")
            raise

    def _is_in_transaction(self) -> bool:
        return self._database.in_transaction

    def get(self, path: str) -> Upload | None:
        """What became of the file of this name that was not rejected."""
        found = self._rows("WHERE path = ? AND state != 'rejected'", path)
        return found[0] if found else None

    def put(self, upload: Upload) -> None:
        """Write what became of a file, in place of what was written of this name."""
        values = [upload.path, *upload.stamp, upload.camera, upload.kind, upload.sha256]
        values += [upload.job_id, upload.state, upload.reason, upload.at_s]
        self._database.execute("DELETE FROM upload WHERE path = ? AND state != 'rejected'", (upload.path,))
        marks = ", ".join("?" * len(values))
        self._database.execute(f"INSERT INTO upload ({_COLUMNS}) VALUES ({marks})", values)  # noqa: S608  constants

    def claims(self, limit: int) -> list[Upload]:
        """Files whose jobs the dispatcher has not accepted yet, oldest first."""
        return self._rows("WHERE state = 'claimed' ORDER BY number LIMIT ?", limit)

    def set_state(self, uploads: Sequence[Upload], state: State, reason: str = "") -> None:
        """Only while they are the same: a file that was replaced meanwhile has a claim of its own."""
        self._database.executemany(
            "UPDATE upload SET state = ?, reason = ? WHERE path = ? AND job_id IS ? AND state = 'claimed'",
            [(state, reason, upload.path, upload.job_id) for upload in uploads],
        )

    def set_gone(self, upload: Upload) -> None:
        """A claimed file is there no more. When another has the same bytes, as after a rename, that one is claimed."""
        self.set_state([upload], State.GONE, "it was removed before its job was handed in")
        others = self._rows("WHERE state = 'duplicate' AND job_id IS ? ORDER BY number DESC LIMIT 1", upload.job_id)
        for other in others:
            self._database.execute(
                "UPDATE upload SET state = 'claimed' WHERE path = ? AND state = 'duplicate'", (other.path,)
            )
        if not others:
            self._database.execute("UPDATE content SET seen_at_s = 0 WHERE job_id IS ?", (upload.job_id,))

    def newest(self, limit: int, camera: str | None, before: int | None) -> list[tuple[int, Upload]]:
        """The last lines, newest first, each with its number."""
        of_camera = "" if camera is None else "camera = ? AND "  # the index is used only when it is not one of two ways
        rows = self._database.execute(
            f"SELECT number, {_COLUMNS} FROM upload WHERE {of_camera} number < ? ORDER BY number DESC LIMIT ?",  # noqa: S608
            (*([] if camera is None else [camera]), _NO_END if before is None else before, limit),
        )
        return [(row[0], _upload(row[1:])) for row in rows]

    def older(self, at_s: float, limit: int, skip: int) -> list[Upload]:
        """Files that were done with before that time, and those rejected: what retention looks at."""
        return self._rows("WHERE state != 'claimed' AND at_s < ? ORDER BY number LIMIT ? OFFSET ?", at_s, limit, skip)

    def handed_in(self, limit: int, skip: int) -> list[Upload]:
        """Files in the upload folder that were done with, oldest first."""
        return self._rows("WHERE state NOT IN ('claimed', 'rejected') ORDER BY number LIMIT ? OFFSET ?", limit, skip)

    def forget(self, upload: Upload) -> None:
        """Drop its line, if that is still the same: the file is gone, or in the quarantine."""
        self._database.execute(
            "DELETE FROM upload WHERE path = ? AND state = ? AND at_s = ?", (upload.path, upload.state, upload.at_s)
        )

    def content_job(self, camera: str, sha256: str, since_at_s: float) -> str | None:
        """The job of these bytes, if this camera sent them since."""
        row = self._database.execute(
            "SELECT job_id FROM content WHERE camera = ? AND sha256 = ? AND seen_at_s >= ?",
            (camera, sha256, since_at_s),
        ).fetchone()
        return row[0] if row else None

    def content_times(self, camera: str, sha256: str) -> int:
        """How many jobs these bytes had, ever."""
        row = self._database.execute(
            "SELECT times FROM content WHERE camera = ? AND sha256 = ?", (camera, sha256)
        ).fetchone()
        return int(row[0]) if row else 0

    def note_content(self, camera: str, sha256: str, job_id: str, at_s: float, times: int) -> None:
        """These bytes came now, and have this job, the `times`-th."""
        self._database.execute(
            "INSERT INTO content (camera, sha256, job_id, seen_at_s, times) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (camera, sha256) DO UPDATE SET job_id = excluded.job_id, seen_at_s = excluded.seen_at_s,"
            " times = excluded.times",
            (camera, sha256, job_id, at_s, times),
        )

    def forget_contents(self, before_at_s: float) -> None:
        """Let go of bytes that nobody sent since."""
        self._database.execute("DELETE FROM content WHERE seen_at_s < ?", (before_at_s,))

    def is_sound(self) -> bool:
        """Whether the database's own check finds nothing wrong."""
        return bool(self._database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")

    def close(self) -> None:
        self._database.close()

    def _rows(self, where: str, *values: object) -> list[Upload]:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM upload {where}", values)  # noqa: S608  constants
        return [_upload(row) for row in rows]


def open_journal(path: Path) -> Journal:
    """The journal; one that is broken is set aside, for the folder holds the files, and each has the job id of before.

    Raises ValueError for one of a newer framebus. To be called before any other connection is open.
    """
    try:
        journal = Journal(path)
        if journal.is_sound():
            return journal
        journal.close()
        wrong = "its check fails"
    except sqlite3.OperationalError:  # locked, full, not allowed: nothing is wrong with the file
        raise
    except sqlite3.DatabaseError as error:
        wrong = str(error)
    aside = f"{path}.broken-{time.time_ns()}"
    for end in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{end}", f"{aside}{end}")
    log.error("%s is broken: %s; it is now %s, and a new one is made of what the folder holds", path, wrong, aside)
    return Journal(path)


def _upload(row: Sequence[object]) -> Upload:
    path, inode, size_bytes, mtime_ns, *rest = row
    values = dict(zip(("camera", "kind", "sha256", "job_id", "state", "reason", "at_s"), rest, strict=True))
    values["state"] = State(str(values["state"]))
    return Upload(path=path, stamp=Stamp(inode, size_bytes, mtime_ns), **values)  # type: ignore[arg-type]
