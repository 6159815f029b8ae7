"""A job's whole life, with the dispatcher dying or the disk failing at every single call of the store and of files."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState
from framebus_services.dispatcher.ledger import Ledger
from framebus_services.dispatcher.store import Store
from services.dispatcher.ledgers import MEMORY, World, raw, result_of

ID = "0123456789abcdef0123456789abcdef"
FILE_CALLS = ("link", "rename", "unlink", "fsync", "stat")
"""of the dispatcher: those that `publishing` makes"""
MAX_STEPS = 40


class DiedError(BaseException):
    """The process is gone: nobody handles this."""


class Trip:
    """Counts calls, and lets something happen at the n-th: before it, or after it is done."""

    def __init__(self, at: int, happens: Callable[[str], BaseException | None], *, is_after: bool = False) -> None:
        self.at = at
        self.count = 0
        self.is_after = is_after
        self._happens = happens
        self.calls: list[str] = []

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        self.count += 1
        self.calls.append(name)
        error = self._happens(name) if self.count == self.at else None
        if error is not None and not self.is_after:
            raise error
        outcome = work()
        if error is not None:
            raise error
        return outcome


class TrippedDatabase:
    """A connection whose statements are counted."""

    def __init__(self, database: sqlite3.Connection, trip: Trip) -> None:
        self._database = database
        self._trip = trip

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if statement.startswith(("ROLLBACK", "RELEASE")):
            return self._database.execute(statement, *values)
        return self._trip.call(f"sql {statement[:30]}", lambda: self._database.execute(statement, *values))


class TrippedWorld(World):
    """A world whose calls are counted for as long as it has a trip."""

    trip: Trip | None = None

    def _open(self, store: Store | None = None) -> Ledger:
        ledger = super()._open(store)
        if self.trip is not None:
            ledger.store._database = TrippedDatabase(ledger.store._database, self.trip)  # type: ignore[assignment]
        return ledger


@contextmanager
def tripped_files(trip: Trip, exports: Path) -> Iterator[None]:
    """Count the calls that touch the exports folder."""
    kept = {name: getattr(os, name) for name in FILE_CALLS}

    def wrap(name: str) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            is_ours = isinstance(args[0], int) or str(args[0]).startswith(str(exports))
            return trip.call(f"os.{name}", lambda: kept[name](*args, **more)) if is_ours else kept[name](*args, **more)

        return call

    try:
        for name in FILE_CALLS:
            setattr(os, name, wrap(name))
        yield
    finally:
        for name, function in kept.items():
            setattr(os, name, function)


def step(world: World) -> bool:
    """What a patient user, an honest worker and the clerk do next; False when the job has ended."""
    world.submit(ID, params={})
    state = world.state(ID)
    if state is JobState.QUEUED:
        world.lease()
    elif state is JobState.RUNNING:
        row = world.row(ID)
        job = world.lease(incarnation=row.incarnation or 1)  # its answer may have been lost: the same job again
        assert job is not None
        request = world.write(job, "clip.jpg", "clip.mp4", result={})
        world.prepared(request)
    elif state is JobState.PUBLISHING:
        world.publish(ID)
    elif state is JobState.RETRYING:
        world.advance(40.0)
    return state not in FINAL


def live(world: TrippedWorld, *, dies_in_publishing: bool) -> None:
    has_died = not dies_in_publishing
    for _ in range(MAX_STEPS):
        if not has_died and world.ledger.store.get(ID) is not None and world.state(ID) is JobState.PUBLISHING:
            has_died = True
            restart_after_death(world)
        if not step(world):
            return
    raise AssertionError(f"no end in sight: {world.row(ID)}")


def check_end(world: TrippedWorld) -> None:
    """One end, one result, each file once and whole, and nothing else."""
    world.trip = None
    world.restart()
    states = [state for state, _, _ in world.ledger.store.last_moves(ID, 500)]
    result = result_of(world.users.get(ID))
    assert isinstance(result, dict)
    assert states.count(JobState.SUCCEEDED) == 1
    assert states[-1] == JobState.SUCCEEDED
    assert sum(world.ledger.counts["mine"].values()) == 1
    assert set(world.files()) == set(result["files"]), "a file too many, or too few"
    assert len(result["files"]) == 2
    assert all(ID in text for text in world.files().values())
    assert world.ledger.store._number("SELECT count(*) FROM line") == 0
    assert world.ledger.queues.of("mine").processed == 1


def run(
    folder: Path, at: int, happens: Callable[[str], BaseException | None], *, is_after: bool, dies_in_publishing: bool
) -> Trip:
    """One life with something at the n-th call; returns what was called."""
    folder.mkdir()
    trip = Trip(at, happens, is_after=is_after)
    world = TrippedWorld(folder)
    world.trip = trip
    with tripped_files(trip, world.exports):
        restart_after_death(world)
        for _ in range(MAX_STEPS):
            try:
                live(world, dies_in_publishing=dies_in_publishing)
                break
            except DiedError:
                restart_after_death(world)
            except (sqlite3.Error, OSError):
                world.ledger.undo()  # as the clerk does: who asked is told to ask again
            except RefusedError as error:
                if error.code not in (ErrorCode.LOST, ErrorCode.BAD_REQUEST):
                    raise
    check_end(world)
    world.close()
    return trip


def restart_after_death(world: TrippedWorld) -> None:
    """A dispatcher that cannot start is started again by its launcher."""
    try:
        world.restart()
    except (DiedError, sqlite3.Error, OSError):
        world.restart()


def walk(happens: Callable[[str], BaseException | None], *, is_after: bool, dies_in_publishing: bool) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="fb", dir=MEMORY) as name:
        folder = Path(name)
        quiet = run(folder / "0", 0, happens, is_after=is_after, dies_in_publishing=dies_in_publishing)
        for at in range(1, quiet.count + 1):
            run(folder / str(at), at, happens, is_after=is_after, dies_in_publishing=dies_in_publishing)
        return quiet.calls


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_in_publishing", [False, True], ids=["one life", "and a restart while publishing"])
def test_a_death_at_any_call_leaves_one_end_and_each_file_once(is_after: bool, dies_in_publishing: bool) -> None:
    calls = walk(lambda _: DiedError(), is_after=is_after, dies_in_publishing=dies_in_publishing)

    print(f"{len(calls)} crash points")
    assert {"os.link", "os.unlink", "os.fsync", "sql COMMIT"} <= set(calls)
    assert len(calls) > 40


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("dies_in_publishing", [False, True], ids=["one life", "and a restart while publishing"])
def test_a_disk_that_fails_once_at_any_call_leaves_one_end_and_each_file_once(
    number: int, dies_in_publishing: bool
) -> None:
    def fails(name: str) -> BaseException:
        if name.startswith("os."):
            return OSError(number, os.strerror(number))
        error = sqlite3.OperationalError("database or disk is full" if number == errno.ENOSPC else "disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL if number == errno.ENOSPC else sqlite3.SQLITE_IOERR
        return error

    calls = walk(fails, is_after=False, dies_in_publishing=dies_in_publishing)

    assert len(calls) > 40


def test_a_worker_that_hears_nothing_of_a_death_hands_its_files_in_again(tmp_path: Path) -> None:
    """The answer to `prepared` was lost with the dispatcher: asked again, it is the outcome."""
    world = World(tmp_path)
    job, request = world.publishing("clip.mp4", result={})
    world.restart()

    assert result_of(world.prepared(request)) == {"files": ["clip.mp4"]}
    assert bytes(raw({})) == b"\x80"
    assert world.state(job.id) is JobState.SUCCEEDED
    world.close()
