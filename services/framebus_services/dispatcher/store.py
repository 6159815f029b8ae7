"""The jobs on disk: SQLite, one writer. Rows in, rows out; what a row may become is decided elsewhere."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from framebus.messages import JobState
from framebus.requests import ListJobs
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.schema import MIGRATIONS, SCHEMA_VERSION

_COLUMNS = [field.name for field in fields(Job)]
_ALL = ", ".join(_COLUMNS)
_WRITTEN = [name for name in _COLUMNS if name not in ("number", "id")]
_SET_ONCE = ("type", "camera", "case_id", "name", "params", "params_sha", "priority", "created_at", "retry_of")
_MOVED = [name for name in _WRITTEN if name not in _SET_ONCE]
# Column names come from the dataclass above, never from a request; values are always bound.
_INSERT = f"INSERT INTO job ({', '.join(['id', *_WRITTEN])}) VALUES ({', '.join('?' * (len(_WRITTEN) + 1))})"  # noqa: S608
_UPDATE = f"UPDATE job SET {', '.join(f'{name} = ?' for name in _MOVED)} WHERE id = ?"  # noqa: S608
_INSERT_MOVE = "INSERT INTO event (job, rev, state, at, detail) VALUES (?, ?, ?, ?, ?)"
_REPLACE_QUEUE = """
INSERT OR REPLACE INTO queue (type, streak, last_end_at, resting_until, rest_s, avg_duration_s, processed, failed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_inserted, _updated = attrgetter("id", *_WRITTEN), attrgetter(*_MOVED, "id")

_AHEAD = """
WITH own AS (SELECT turn, {rounds} AS rounds FROM line WHERE type = :type AND priority = :priority AND camera = :camera)
SELECT own.rounds + sum(CASE
        WHEN other.priority > :priority THEN other.queued
        WHEN other.camera = :camera THEN 0
        ELSE min(other.queued, own.rounds + (other.turn < own.turn)) END)
    FROM own, line AS other WHERE other.type = :type AND other.priority >= :priority
"""
"""how many come before a job: those before it of its camera, and of each other camera as many in turn"""
_EARLIER = "type = :type AND priority = :priority AND ifnull(camera, '') = :camera AND number < :number"
_AHEAD_OF_NEWEST = _AHEAD.format(rounds="queued - 1")
_AHEAD_OF_ANY = _AHEAD.format(rounds=f"(SELECT count(*) FROM job WHERE state = 'queued' AND {_EARLIER})")  # noqa: S608


class Held(NamedTuple):
    """A running job, as far as it says whose it is."""

    id: str
    type: str
    incarnation: int
    slot: int | None
    isolated: bool
    is_suspect: bool


class Store:
    """The ledger's database; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Jobs' params are nobody else's business; SQLite gives -wal and -shm the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # What nobody reads within the transaction is written at its end, and of a queue only the last word.
        self._moves: list[tuple[object, ...]] = []
        self._queues: dict[str, tuple[object, ...]] = {}
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")  # an answered submit survives a power cut
        self._database.execute("PRAGMA temp_store = MEMORY")  # what a batch would take back goes to no file
        self._migrate()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it when it raises."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.executemany(_INSERT_MOVE, self._moves)
            self._database.executemany(_REPLACE_QUEUE, self._queues.values())
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        finally:
            self._moves.clear()
            self._queues.clear()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happens inside when it raises; the transaction around it goes on."""
        moves, queues = len(self._moves), dict(self._queues)
        self._database.execute("SAVEPOINT one")
        try:
            yield
        except BaseException:
            del self._moves[moves:]
            self._queues = queues
            if self._database.in_transaction:
                self._database.execute("ROLLBACK TO one")
                self._database.execute("RELEASE one")
            raise
        self._database.execute("RELEASE one")

    def get(self, job_id: str) -> Job | None:
        return self._one("id = ?", job_id)

    def insert(self, job: Job) -> None:
        """Add a job; its number is set."""
        cursor = self._database.execute(_INSERT, _inserted(job))
        job.number = cursor.lastrowid or 0

    def update(self, job: Job) -> None:
        self._database.execute(_UPDATE, _updated(job))

    def note(self, job: Job, at: float, detail: str) -> None:
        """Add a line to the job's history, with the commit."""
        self._moves.append((job.id, job.rev, job.state, at, detail))

    def set_evidence(self, job_id: str, lines: bytes) -> None:
        """The last words of the worker that died with this job; those of the death before are forgotten."""
        self._database.execute(
            "INSERT INTO evidence (job, lines) VALUES (?, ?) ON CONFLICT (job) DO UPDATE SET lines = excluded.lines",
            (job_id, lines),
        )

    def evidence(self, job_id: str) -> bytes | None:
        row = self._database.execute("SELECT lines FROM evidence WHERE job = ?", (job_id,)).fetchone()
        return None if row is None else bytes(row[0])

    def last_moves(self, job_id: str, limit: int) -> list[tuple[str, float, str]]:
        """State, wall time and detail of the last moves of a job, oldest first."""
        rows = self._database.execute(
            "SELECT state, at, detail FROM event WHERE job = ? ORDER BY seq DESC LIMIT ?", (job_id, limit)
        )
        return [(state, at, detail) for state, at, detail in rows][::-1]

    def next_queued(self, kind: str) -> Job | None:
        """The first in line: greatest priority, then the camera whose turn it is, then first come."""
        line = self._database.execute(
            "SELECT priority, camera FROM line WHERE type = ? ORDER BY priority DESC, turn LIMIT 1", (kind,)
        ).fetchone()
        if line is None:
            return None
        where = "state = 'queued' AND type = ? AND priority = ? AND ifnull(camera, '') = ? ORDER BY number LIMIT 1"
        return self._one(where, kind, *line)

    def ahead_of(self, job: Job, *, is_newest: bool = False) -> int:
        """How many queued jobs of the type come before this one, when cameras take turns.

        `is_newest` says that it is the last of its camera, which need not be counted then.
        """
        return self._number(
            _AHEAD_OF_NEWEST if is_newest else _AHEAD_OF_ANY,
            {"type": job.type, "priority": job.priority, "camera": job.camera or "", "number": job.number},
        )

    def turns(self, kind: str, limit: int) -> dict[tuple[int, str], int]:
        """By priority and camera, in the order of the line: whose turn comes when."""
        rows = self._database.execute(
            "SELECT priority, camera, turn FROM line WHERE type = ? ORDER BY priority DESC, turn LIMIT ?", (kind, limit)
        )
        return {(priority, camera): turn for priority, camera, turn in rows}

    def at_work(self, kind: str) -> list[tuple[float, str, int]]:
        """Boot time of the lease, worker and slot of each running job of a type."""
        rows = self._database.execute(
            "SELECT leased_up_s, owner, slot FROM job WHERE state = 'running' AND type = ?", (kind,)
        )
        return [(leased_up_s or 0.0, owner or "", slot or 0) for leased_up_s, owner, slot in rows]

    def running_of(self, worker: str) -> list[Job]:
        return self._many("state = 'running' AND owner = ?", worker)

    def held_by(self, worker: str) -> list[Held]:
        """What a worker has in hand; less than `running_of`, which would be much for each free slot."""
        rows = self._database.execute(
            "SELECT id, type, ifnull(incarnation, 0), slot, isolated, is_suspect FROM job"
            " WHERE state = 'running' AND owner = ?",
            (worker,),
        )
        return [Held(*row) for row in rows]

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

        The oldest go first, at most `limit`; dead jobs stay until somebody has seen them.
        """
        row = self._database.execute(
            "SELECT ended_at FROM job WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT 1 OFFSET ?", (keep,)
        ).fetchone()
        until_at_s = until_at_s if row is None else max(until_at_s, row[0])
        forgotten = self._database.execute(
            "SELECT id FROM job WHERE ended_at <= ? AND (state != 'dead' OR seen_at IS NOT NULL)"
            " ORDER BY ended_at LIMIT ?",
            (until_at_s, limit),
        ).fetchall()
        self._database.executemany("DELETE FROM event WHERE job = ?", forgotten)
        self._database.executemany("DELETE FROM evidence WHERE job = ?", forgotten)
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

    def queues(self) -> dict[str, tuple[Any, ...]]:
        """By type: streak, last_end_at, resting_until, rest_s, avg_duration_s, processed, failed."""
        rows = self._database.execute(
            "SELECT type, streak, last_end_at, resting_until, rest_s, avg_duration_s, processed, failed FROM queue"
        )
        return {kind: tuple(row) for kind, *row in rows}

    def set_queue(self, kind: str, *row: float | None) -> None:
        """Write what `queues()` reads, in that order, with the commit."""
        self._queues[kind] = (kind, *row)

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

    def _number(self, query: str, values: Mapping[str, object] | None = None) -> int:
        return int(self._database.execute(query, values or {}).fetchone()[0] or 0)

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
    job.is_suspect = bool(job.is_suspect)
    return job
