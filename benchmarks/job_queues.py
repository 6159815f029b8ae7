"""No-op jobs through us and through the queues that one would take instead: how soon they begin, how many a second."""

import contextlib
import importlib
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import zmq
from msgspec import Raw

from benchmarks.hop import CONTEXT, running
from benchmarks.no_op import ENTRY_POINTS, LINE_BYTES, record
from benchmarks.private_group import ROOT, PrivateGroup
from benchmarks.seen import Figures, LeftOut, percentile
from framebus import codec
from framebus.requests import SubmitJob
from framebus.transport import SocketBus

LIMIT_S = 60.0
RATE_HZ = 25.0
SLOTS = 8
"""workers, of each system that has threads for them"""
SUBMITTERS = 4
"""threads that submit at once, whoever the jobs are for"""
Submit = Callable[[str, float], object]
"""path of the notes, and now"""


@dataclass(frozen=True)
class Amount:
    """How many jobs are submitted as fast as it goes, and how many one by one into a system at rest."""

    many: int
    paced: int


def ours(amount: Amount) -> Figures:
    """Our dispatcher and a worker of a plug-in with several slots; each submit is answered when it is on disk."""
    with group_with_worker(SLOTS) as group, _bus(group) as bus:

        def submit(path: str, now_s: float) -> None:
            params = {"path": path, "submitted_at_s": now_s}
            bus.ask("dispatcher", SubmitJob(type="no_op", params=Raw(codec.encode(params))))

        return _measure(submit, group.folder / "notes", amount)


@contextmanager
def group_with_worker(slots: int) -> Iterator[PrivateGroup]:
    with PrivateGroup(entry_points=ENTRY_POINTS) as group:
        group.start("framebus.run_jobs", "no_op", settings={"slots": slots}, name="no_op")
        group.wait_for("no_op")
        yield group


@contextmanager
def _bus(group: PrivateGroup) -> Iterator[SocketBus]:
    bus = SocketBus("submitter", place=group.place)
    try:
        yield bus
    finally:
        bus.close()


def _measure(submit: Submit, notes: Path, amount: Amount, submitters: int = SUBMITTERS) -> Figures:
    submit(f"{notes}.warm", time.time())
    _await(Path(f"{notes}.warm"), 1)
    started_s = time.monotonic()
    threads = [
        threading.Thread(target=_submit_some, args=(submit, f"{notes}.many", amount.many // submitters))
        for _ in range(submitters)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _await(Path(f"{notes}.many"), amount.many // submitters * submitters)
    many_s = time.monotonic() - started_s
    time.sleep(0.3)
    started_s = time.monotonic()
    for number in range(amount.paced):
        time.sleep(max(0.0, started_s + number / RATE_HZ - time.monotonic()))
        submit(f"{notes}.paced", time.time())
    taken_s = _await(Path(f"{notes}.paced"), amount.paced)
    return {
        "jobs/s": amount.many / many_s,
        "submit to start p50 ms": 1_000 * percentile(taken_s, 50),
        "submit to start p99 ms": 1_000 * percentile(taken_s, 99),
    }


def _submit_some(submit: Submit, path: str, count: int) -> None:
    for _ in range(count):
        submit(path, time.time())


def _await(notes: Path, count: int) -> list[float]:
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        with contextlib.suppress(FileNotFoundError):
            if notes.stat().st_size >= count * LINE_BYTES:
                return [float(line) for line in notes.read_text().split()]
        time.sleep(0.002)
    raise RuntimeError(f"{count} jobs did not begin within {LIMIT_S:.0f} s")


# Peers on redis -------------------------------------------------------------------------------------------------------


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A server that writes to disk once a second; gives the path of its socket."""
    program = shutil.which("redis-server")
    if program is None:
        raise LeftOut("no redis-server here: apt install redis-server")
    path = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
    synced = ["--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no"]
    server = subprocess.Popen([program, *options, *synced], stdout=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + LIMIT_S
        while not path.exists() and time.monotonic() < end_s:
            time.sleep(0.02)
        yield str(path)
    finally:
        server.terminate()
        server.wait()


RQ_WORKER = """
import sys, redis
from rq import Queue, {worker}
connection = redis.Redis(unix_socket_path=sys.argv[1])
{worker}([Queue("bench", connection=connection)], connection=connection).work(logging_level="ERROR")
"""


def rq(worker: str, folder: Path, amount: Amount) -> Figures:
    """`worker`: SimpleWorker, or Worker, the default, which forks for each job.

    It has no threads for jobs, and a second process makes it no faster on two cores: 190 jobs a second instead of 300.
    """
    rq_module, redis = _import("rq"), _import("redis")
    with redis_server(folder) as path, _python(RQ_WORKER.format(worker=worker), path):
        connection = redis.Redis(unix_socket_path=path)
        queue = rq_module.Queue("bench", connection=connection)
        return _measure(
            lambda notes, now_s: queue.enqueue(record, notes, now_s, result_ttl=0), folder / "notes", amount
        )


DRAMATIQ_TASKS = """
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from benchmarks.no_op import record
broker = RedisBroker(url="unix://{path}")
broker.middleware = [one for one in broker.middleware if type(one).__name__ != "Prometheus"]
dramatiq.set_broker(broker)
no_op = dramatiq.actor(record, actor_name="no_op")
"""


def dramatiq(folder: Path, amount: Amount) -> Figures:
    _import("dramatiq")
    with redis_server(folder) as path:
        name = f"tasks_{uuid.uuid4().hex[:8]}"
        (folder / f"{name}.py").write_text(DRAMATIQ_TASKS.format(path=path))
        sys.path.insert(0, str(folder))
        try:
            tasks: Any = importlib.import_module(name)
            with _running([sys.executable, "-m", "dramatiq", name, "-p", "1", "-t", str(SLOTS)], folder):
                return _measure(tasks.no_op.send, folder / "notes", amount)
        finally:
            sys.path.remove(str(folder))


# Peers on SQLite ------------------------------------------------------------------------------------------------------

HUEY_CONSUMER = """
import sys
from benchmarks.job_queues import huey_tasks
huey, _ = huey_tasks(sys.argv[1])
huey.create_consumer(workers={slots}, periodic=False, initial_delay=0.01, backoff=1.15, max_delay=0.05).run()
"""


def huey_tasks(path: str) -> tuple[Any, Submit]:
    huey = _import("huey").SqliteHuey("bench", filename=path, fsync=True, results=False)
    logging.getLogger("huey").setLevel(logging.ERROR)
    return huey, huey.task(name="no_op")(record)


def huey(folder: Path, amount: Amount) -> Figures:
    _, submit = huey_tasks(str(folder / "huey.db"))
    with _python(HUEY_CONSUMER.format(slots=SLOTS), str(folder / "huey.db")):
        return _measure(submit, folder / "notes", amount)


def persist_queue(folder: Path, count: int) -> Figures:
    """Has no worker of its own: put, then get and acknowledge in the same process. It has no groups: each is synced."""
    queue = _import("persistqueue").SQLiteAckQueue(str(folder / "queue"), auto_commit=True)
    started_s = time.monotonic()
    for number in range(count):
        queue.put({"number": number, "body": "x" * 200})
    put_s = time.monotonic() - started_s
    for _ in range(count):
        queue.ack(queue.get())
    return {"jobs/s": count / (time.monotonic() - started_s), "submits/s": count / put_s}


def sqlite_limit(folder: Path, amount: Amount) -> Figures:
    """What the disk allows: one row a job, three synced transactions, and a ZeroMQ message to wake the worker."""
    path, wake = str(folder / "limit.db"), f"ipc://{folder}/wake"
    _open(path).execute("CREATE TABLE job (id TEXT PRIMARY KEY, state TEXT, notes TEXT, submitted_at_s REAL)")
    ready_out, ready_in = CONTEXT.Pipe(duplex=False)
    with running(CONTEXT.Process(target=_sqlite_worker, args=(path, wake, ready_in))), zmq.Context() as context:
        ready_out.recv()
        database, bell = _open(path), context.socket(zmq.PUSH)
        bell.linger = 0
        bell.connect(wake)

        def submit(notes: str, now_s: float) -> None:
            database.execute("INSERT INTO job VALUES (?, 'queued', ?, ?)", (uuid.uuid4().hex, notes, now_s))
            bell.send(b"")

        try:
            return _measure(submit, folder / "notes", amount, submitters=1)  # its one connection, and its bell
        finally:
            bell.close(0)


def _sqlite_worker(path: str, wake: str, ready: Connection) -> None:
    bell = zmq.Context().socket(zmq.PULL)
    bell.bind(wake)
    database = _open(path)
    ready.send(None)
    first = "(SELECT rowid FROM job WHERE state = 'queued' ORDER BY rowid LIMIT 1)"
    while True:
        row = database.execute(
            f"UPDATE job SET state = 'running' WHERE rowid = {first} RETURNING rowid, notes, submitted_at_s"  # noqa: S608
        ).fetchone()
        if row is None:
            bell.recv()
            continue
        record(row[1], row[2])
        database.execute("UPDATE job SET state = 'done' WHERE rowid = ?", row[:1])


def _open(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    return database


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise LeftOut(f"{name} is not installed: python3 tools/bootstrap.py bench") from None


def _python(code: str, *arguments: str) -> contextlib.AbstractContextManager[None]:
    return _running([sys.executable, "-c", code, *arguments], ROOT)


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[None]:
    surroundings = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=quiet, stderr=quiet)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
