"""The jobs on disk: SQLite, one writer. Rows in, rows out; what a row may become is decided elsewhere."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from framebus.messages import NIL, JobError, JobState, JobView
from framebus.requests import ListJobs

SCHEMA_VERSION = 2

MIGRATIONS: dict[int, str] = {
    1: """
    CREATE TABLE job (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        camera TEXT,
        case_id TEXT,
        name TEXT,
        params BLOB NOT NULL,
        params_sha BLOB NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        incarnation INTEGER,
        slot INTEGER,
        isolated INTEGER NOT NULL DEFAULT 0,
        boot_id TEXT,
        not_before REAL,
        expires_at REAL NOT NULL,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        retry_of TEXT,
        files BLOB,
        step TEXT NOT NULL DEFAULT '',
        percent REAL NOT NULL DEFAULT 0,
        result BLOB,
        error_code TEXT,
        error_message TEXT,
        created_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        rev INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX job_by_state ON job (state, type, priority DESC, number);
    CREATE INDEX job_by_owner ON job (owner) WHERE owner IS NOT NULL;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job TEXT NOT NULL,
        rev INTEGER NOT NULL,
        state TEXT NOT NULL,
        at REAL NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE INDEX event_by_job ON event (job);
    CREATE TABLE queue (
        type TEXT PRIMARY KEY,
        streak INTEGER NOT NULL DEFAULT 0,
        last_end_at REAL,
        resting_until REAL,
        avg_duration_s REAL,
        processed INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    2: "CREATE INDEX job_by_end ON job (ended_at) WHERE ended_at IS NOT NULL;",
}


@dataclass(slots=True, kw_only=True)
class Job:
    """One row. Times are wall clock, in seconds since 1970."""

    number: int = 0
    """order of arrival"""
    id: str
    type: str
    camera: str | None = None
    case_id: str | None = None
    name: str | None = None
    params: bytes
    params_sha: bytes
    priority: int = 0
    state: JobState = JobState.QUEUED
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    fence: int = 0
    owner: str | None = None
    incarnation: int | None = None
    slot: int | None = None
    isolated: bool = False
    boot_id: str | None = None
    not_before: float | None = None
    expires_at: float
    cancel_requested: bool = False
    retry_of: str | None = None
    files: bytes | None = None
    step: str = ""
    percent: float = 0.0
    result: bytes | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    rev: int = 0

    def view(self) -> JobView:
        """What everybody may know of the job."""
        error = JobError(code=self.error_code, message=self.error_message or "") if self.error_code else None
        return JobView(
            id=self.id,
            type=self.type,
            state=self.state,
            camera=self.camera,
            name=self.name,
            case=self.case_id,
            created_at_s=self.created_at,
            started_at_s=self.started_at,
            ended_at_s=self.ended_at,
            attempt=self.attempt,
            step=self.step,
            percent=self.percent,
            cancelling=self.cancel_requested and self.state is JobState.RUNNING,
            retry_of=self.retry_of,
            error=error,
            result=NIL if self.result is None else type(NIL)(self.result),
        )


_COLUMNS = [field.name for field in fields(Job)]
_ALL = ", ".join(_COLUMNS)
_WRITTEN = [name for name in _COLUMNS if name not in ("number", "id")]
# Column names come from the dataclass above, never from a request; values are always bound.
_INSERT = f"INSERT INTO job ({', '.join(['id', *_WRITTEN])}) VALUES ({', '.join('?' * (len(_WRITTEN) + 1))})"  # noqa: S608
_UPDATE = f"UPDATE job SET {', '.join(f'{name} = ?' for name in _WRITTEN)} WHERE id = ?"  # noqa: S608


class Store:
    """The ledger's database; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Jobs' params are nobody else's business; SQLite gives -wal and -shm the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")  # an answered submit survives a power cut
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it when it raises."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happens inside when it raises; the transaction around it goes on."""
        self._database.execute("SAVEPOINT one")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK TO one")
                self._database.execute("RELEASE one")
            raise
        self._database.execute("RELEASE one")

    def get(self, job_id: str) -> Job | None:
        return self._one("id = ?", job_id)

    def insert(self, job: Job) -> None:
        """Add a job; its number is set."""
        cursor = self._database.execute(_INSERT, [job.id, *(getattr(job, name) for name in _WRITTEN)])
        job.number = cursor.lastrowid or 0

    def update(self, job: Job) -> None:
        self._database.execute(_UPDATE, [*(getattr(job, name) for name in _WRITTEN), job.id])

    def note(self, job: Job, at: float, detail: str) -> None:
        """Add a line to the job's history."""
        self._database.execute(
            "INSERT INTO event (job, rev, state, at, detail) VALUES (?, ?, ?, ?, ?)",
            (job.id, job.rev, job.state, at, detail),
        )

    def history(self, job_id: str) -> list[tuple[str, float, str]]:
        """State, wall time and detail of each move of a job."""
        rows = self._database.execute("SELECT state, at, detail FROM event WHERE job = ? ORDER BY seq", (job_id,))
        return [(state, at, detail) for state, at, detail in rows]

    def next_queued(self, kind: str) -> Job | None:
        """The first in line: greatest priority, then first come."""
        return self._one("state = 'queued' AND type = ? ORDER BY priority DESC, number LIMIT 1", kind)

    def ahead_of(self, job: Job) -> int:
        """How many queued jobs of the type come before this one."""
        row = self._database.execute(
            "SELECT count(*) FROM job WHERE state = 'queued' AND type = ?"
            " AND (priority > ? OR (priority = ? AND number < ?))",
            (job.type, job.priority, job.priority, job.number),
        ).fetchone()
        return int(row[0])

    def running_of(self, worker: str) -> list[Job]:
        return self._many("state = 'running' AND owner = ?", worker)

    def active_of_case(self, case: str, limit: int) -> list[Job]:
        """The jobs of a case that wait or run and are not yet asked to stop, in the order of arrival."""
        return self._many(
            "case_id = ? AND state IN ('queued', 'retrying', 'running') AND cancel_requested = 0"
            " ORDER BY number LIMIT ?",
            case,
            limit,
        )

    def ended_since(self, at_s: float, limit: int) -> list[Job]:
        """The last jobs that ended at this wall time or later, oldest first."""
        return self._many("ended_at >= ? ORDER BY ended_at DESC LIMIT ?", at_s, limit)[::-1]

    def forget_ended(self, until_at_s: float, keep: int, limit: int) -> int:
        """Delete jobs that ended by this wall time, or before the last `keep`, with their history; how many.

        The oldest go first, at most `limit`; dead jobs stay, for somebody has to see them.
        """
        row = self._database.execute(
            "SELECT ended_at FROM job WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT 1 OFFSET ?", (keep,)
        ).fetchone()
        until_at_s = until_at_s if row is None else max(until_at_s, row[0])
        forgotten = self._database.execute(
            "SELECT id FROM job WHERE ended_at <= ? AND state != 'dead' ORDER BY ended_at LIMIT ?", (until_at_s, limit)
        ).fetchall()
        self._database.executemany("DELETE FROM event WHERE job = ?", forgotten)
        self._database.executemany("DELETE FROM job WHERE id = ?", forgotten)
        return len(forgotten)

    def in_states(self, *states: JobState) -> list[Job]:
        marks = ", ".join("?" * len(states))
        return self._many(f"state IN ({marks}) ORDER BY number", *states)

    def listing(self, request: ListJobs) -> list[Job]:
        """Jobs newest first, one more than asked for when there are more."""
        wanted = {"type": request.type, "state": request.state, "camera": request.camera, "case_id": request.case}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(["number < ?", *(f"{column} = ?" for column in given)])
        before = min(int(request.next), 2**62) if request.next and request.next.isdecimal() else 2**62
        return self._many(f"{where} ORDER BY number DESC LIMIT ?", before, *given.values(), request.limit + 1)

    def counts(self) -> dict[str, dict[JobState, int]]:
        """How many jobs of each type are in each state."""
        counts: dict[str, dict[JobState, int]] = {}
        for kind, state, number in self._database.execute("SELECT type, state, count(*) FROM job GROUP BY type, state"):
            counts.setdefault(kind, {})[JobState(state)] = number
        return counts

    def meta(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        self._database.execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def close(self) -> None:
        self._database.close()

    def _migrate(self) -> None:
        version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise RuntimeError(f"{self._path} has schema {version}; this version of framebus knows {SCHEMA_VERSION}")
        for step in range(version + 1, SCHEMA_VERSION + 1):
            self._database.executescript(f"BEGIN IMMEDIATE; {MIGRATIONS[step]} PRAGMA user_version = {step}; COMMIT;")

    def _one(self, where: str, *values: object) -> Job | None:
        row = self._database.execute(f"SELECT {_ALL} FROM job WHERE {where}", values).fetchone()  # noqa: S608
        return None if row is None else _job(row)

    def _many(self, where: str, *values: object) -> list[Job]:
        return [_job(row) for row in self._database.execute(f"SELECT {_ALL} FROM job WHERE {where}", values)]  # noqa: S608


def _job(row: tuple[Any, ...]) -> Job:
    job = Job(**dict(zip(_COLUMNS, row, strict=True)))
    job.state = JobState(job.state)
    job.cancel_requested = bool(job.cancel_requested)
    job.isolated = bool(job.isolated)
    return job
