"""What submits cost, in groups, and as the ledger grows."""

import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from msgspec import Raw

from benchmarks.load import Load
from benchmarks.no_op import ENTRY_POINTS
from benchmarks.private_group import PrivateGroup
from benchmarks.seen import Figures, percentile
from framebus import codec
from framebus.requests import BatchItem, SubmitBatch, SubmitJob
from framebus.transport import SocketBus
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.store import Store

BATCH = 100
BLOCK = 100
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
    """Single submits to a ledger where few jobs wait and to one where many do: one here, one there, and so on."""
    with ExitStack() as opened:
        groups = [
            opened.enter_context(PrivateGroup(entry_points=ENTRY_POINTS, prepare=partial(_fill, rows)))
            for rows in (few, many)
        ]
        buses = [opened.enter_context(closing(SocketBus("submitter", place=group.place))) for group in groups]
        figures: tuple[list[Figures], list[Figures]] = ([], [])
        for _ in range(blocks):
            used = [Load(group.dispatcher.pid) for group in groups]
            taken_s: tuple[list[float], list[float]] = ([], [])
            for _ in range(BLOCK):
                for bus, taken in zip(buses, taken_s, strict=True):
                    taken.append(_submit_one(bus))
            for seen, taken, load in zip(figures, taken_s, used, strict=True):
                seen.append(
                    {
                        "us": 1e6 * percentile(taken, 50),
                        "p99 us": 1e6 * percentile(taken, 99),
                        "CPU us of the dispatcher": 1e6 * load.cpu_s / BLOCK,
                    }
                )
    return figures


def _submit_one(bus: SocketBus) -> float:
    started_s = time.perf_counter()
    bus.ask("dispatcher", SubmitJob(type="no_op", params=PARAMS))
    return time.perf_counter() - started_s


def _submit(bus: SocketBus, count: int) -> None:
    job = SubmitJob(type="no_op", params=PARAMS)
    bus.ask("dispatcher", SubmitBatch(items=[BatchItem(job=job) for _ in range(count)]), 30.0)


def _fill(rows: int, data: Path) -> None:
    """Jobs that wait, as if handed in by earlier lives of the dispatcher."""
    store = Store(data / "ledger.db")
    now_at_s = time.time()
    with store.transaction():
        for number in range(rows):
            store.insert(
                Job(
                    id=f"{number:032x}",
                    type="no_op",
                    params=bytes(PARAMS),
                    params_sha=b"",
                    created_at=now_at_s,
                    expires_at=now_at_s + 80_000.0,
                )
            )
    store.close()
