"""The database: who may read it, how it grows up, and what it costs to ask."""

import os
import sqlite3
from pathlib import Path

import pytest

from framebus.messages import JobState
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.schema import MIGRATIONS, SCHEMA_VERSION
from framebus_services.dispatcher.store import Store


def ended(number: int, state: JobState = JobState.SUCCEEDED) -> Job:
    return Job(
        id=f"{number:032x}",
        type="mine",
        params=b"",
        params_sha=b"",
        state=state,
        expires_at=100.0,
        created_at=1.0,
        ended_at=10.0 + number,
    )


def test_nobody_else_may_read_the_database(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        store = Store(tmp_path / "ledger.db")
        store.set_meta("epoch", "1")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(umask)
    store.close()

    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


def test_the_last_that_ended_are_found_by_their_index_oldest_first(tmp_path: Path) -> None:
    store = Store(tmp_path / "ledger.db")
    for number in range(5):
        store.insert(ended(number))

    found = store.ended_since(11.0, limit=3)
    plan = store._database.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM job WHERE ended_at >= ? ORDER BY ended_at DESC LIMIT ?", (11.0, 3)
    ).fetchall()
    store.close()

    assert [job.ended_at for job in found] == [12.0, 13.0, 14.0]
    assert [row[3] for row in plan] == ["SEARCH job USING INDEX job_by_end (ended_at>?)"]


def test_what_is_taken_back_leaves_no_line_and_no_number_of_its_queue(tmp_path: Path) -> None:
    store = Store(tmp_path / "ledger.db")

    def write(job: Job, processed: int) -> None:
        store.note(job, 1.0, "done")
        store.set_queue("mine", 0, None, None, 0.0, None, processed, 0)

    def fail() -> None:
        write(ended(2), 2)
        raise ValueError("taken back")

    with store.transaction():
        write(ended(1), 1)
        with pytest.raises(ValueError, match="taken back"), store.savepoint():
            fail()
    with pytest.raises(ValueError, match="taken back"), store.transaction():
        fail()
    with store.transaction():
        store.note(ended(1), 3.0, "done")

    lines = [store.last_moves(ended(number).id, 10) for number in (1, 2)]
    queues = store.queues()
    store.close()
    assert lines == [[("succeeded", 1.0, "done"), ("succeeded", 3.0, "done")], []]
    assert queues["mine"][-2] == 1


def test_a_database_of_version_1_is_brought_up_to_date_and_keeps_its_jobs(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    old = sqlite3.connect(path)
    old.executescript(f"{MIGRATIONS[1]} PRAGMA user_version = 1;")
    old.execute(
        "INSERT INTO job (id, type, params, params_sha, state, expires_at, created_at, ended_at)"
        " VALUES ('a', 'mine', x'', x'', 'succeeded', 100.0, 1.0, 12.0)"
    )
    old.commit()
    old.close()

    store = Store(path)
    found = store.ended_since(11.0, limit=3)
    indexes = {name for (name,) in store._database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    version = store._database.execute("PRAGMA user_version").fetchone()
    store.close()

    assert [job.id for job in found] == ["a"]
    assert "job_by_end" in indexes
    assert version == (SCHEMA_VERSION,)


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    later = sqlite3.connect(tmp_path / "ledger.db")
    later.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    later.close()

    with pytest.raises(RuntimeError, match="schema"):
        Store(tmp_path / "ledger.db")


@pytest.mark.parametrize(
    ("until_at_s", "keep", "limit", "left"),
    [
        (11.0, 100, 100, [12.0, 13.0, 14.0]),
        (0.0, 2, 100, [13.0, 14.0]),
        (100.0, 100, 2, [12.0, 13.0, 14.0]),
        (0.0, 100, 100, [10.0, 11.0, 12.0, 13.0, 14.0]),
    ],
)
def test_jobs_that_ended_long_ago_or_are_too_many_are_forgotten_oldest_first(
    tmp_path: Path, until_at_s: float, keep: int, limit: int, left: list[float]
) -> None:
    store = Store(tmp_path / "ledger.db")
    with store.transaction():
        for number in range(5):
            store.insert(ended(number))
            store.note(ended(number), 10.0 + number, "done")

    forgotten = store.forget_ended(until_at_s, keep, limit)

    found = store.ended_since(0.0, limit=100)
    events = store._database.execute("SELECT at FROM event ORDER BY seq").fetchall()
    store.close()
    assert [job.ended_at for job in found] == [at for (at,) in events] == left
    assert forgotten == 5 - len(left)


def test_dead_jobs_are_not_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "ledger.db")
    store.insert(ended(1, JobState.DEAD))

    assert store.forget_ended(100.0, keep=0, limit=100) == 0
    store.close()
