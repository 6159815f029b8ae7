"""What submits cost, in groups, and as the ledger grows."""

import sqlite3
import time
from contextlib import ExitStack, closing

from msgspec import Raw

from benchmarks.no_op import ENTRY_POINTS
from benchmarks.private_group import PrivateGroup
from benchmarks.seen import Figures, percentile
from framebus import codec
from framebus.requests import BatchItem, SubmitBatch, SubmitJob
from framebus.transport import SocketBus

BATCH = 100
BLOCK = 50
PARAMS = Raw(codec.encode({"path": "x" * 200}))


def grouped_submits(count: int) -> Figures:
    """So many jobs in batches, each batch answered when it is on disk."""
    with PrivateGroup(entry_points=ENTRY_POINTS) as group, closing(SocketBus("submitter", place=group.place)) as bus:
        _submit(bus, BATCH)
        started_s = time.monotonic()
        for _ in range(count // BATCH):
            _submit(bus, BATCH)
        return {"submits/s": count / (time.monotonic() - started_s)}


def submits(few: int, many: int, blocks: int) -> tuple[list[Figures], list[Figures]]:
    """Single submits to a ledger of few rows and to one of many, in turns."""
    with ExitStack() as opened:
        groups = [opened.enter_context(PrivateGroup(entry_points=ENTRY_POINTS)) for _ in range(2)]
        buses = [opened.enter_context(closing(SocketBus("submitter", place=group.place))) for group in groups]
        _submit(buses[0], few)
        _grow(buses[1], groups[1], many)
        figures: tuple[list[Figures], list[Figures]] = ([], [])
        for _ in range(blocks):
            for bus, seen in zip(buses, figures, strict=True):
                seen.append(_block(bus))
    return figures


def _block(bus: SocketBus) -> Figures:
    taken_s = []
    for _ in range(BLOCK):
        started_s = time.perf_counter()
        bus.ask("dispatcher", SubmitJob(type="no_op", params=PARAMS))
        taken_s.append(time.perf_counter() - started_s)
    return {"us": 1e6 * percentile(taken_s, 50), "p99 us": 1e6 * percentile(taken_s, 99)}


def _submit(bus: SocketBus, count: int) -> None:
    job = SubmitJob(type="no_op", params=PARAMS)
    bus.ask("dispatcher", SubmitBatch(items=[BatchItem(job=job) for _ in range(count)]), 30.0)


def _grow(bus: SocketBus, group: PrivateGroup, rows: int) -> None:
    for _ in range(rows // 500):
        _submit(bus, 500)
    with closing(sqlite3.connect(group.place.data / "ledger.db")) as ledger:
        found = ledger.execute("SELECT count(*) FROM job").fetchone()[0]
    assert found >= rows, found
