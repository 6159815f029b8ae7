"""Every path of a small world: two jobs, two workers, all that can happen to them, to a bounded depth."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framebus.clock import FakeClock
from framebus.errors import RefusedError
from framebus.jobs import FINAL, MAX_CRASHES, JobEvent
from framebus.messages import JobState
from framebus.requests import FailKind, LeasedJob
from framebus.settings import QueuePolicy
from framebus_services.dispatcher.store import Store
from services.dispatcher.ledgers import World

POLICY = QueuePolicy(max_queued=2, max_running=2, max_failures=2, backoff_s=1.0, pause_s=0.0, rest_s=2.0)
JOBS = ("a" * 32, "b" * 32)
WORKERS = ("left", "right")
DEPTH = 6


class MemoryStore(Store):
    """A database in memory that can be copied."""

    def __init__(self, source: Store | None = None) -> None:
        self._path = Path(":memory:")
        self._moves, self._queues = [], {}
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        if source is None:
            self._migrate()
        else:
            source._database.backup(self._database)


@dataclass(frozen=True)
class Node:
    """A moment: the database, the clock, and what each worker holds in its hand."""

    store: Store
    now_s: float
    held: tuple[LeasedJob | None, ...]
    incarnations: tuple[int, ...] = (1, 1)
    path: tuple[str, ...] = ()


class Moment:
    """A node that comes alive."""

    def __init__(self, node: Node, data: Path) -> None:
        self.held = list(node.held)
        self.incarnations = list(node.incarnations)
        clock = FakeClock(boot_s=node.now_s, wall_s=1_790_000_000.0 + node.now_s)
        self.world = World(data, POLICY, clock=clock, store=MemoryStore(node.store))
        self.world.ledger.watch_all()

    def lease(self, worker: int) -> None:
        leased = self.world.lease(WORKERS[worker], self.incarnations[worker])
        self.held[worker] = leased or self.held[worker]

    def die(self, worker: int, signal: int) -> None:
        self.world.lose(WORKERS[worker], self.incarnations[worker], signal=signal)
        self.held[worker] = None
        self.incarnations[worker] += 1

    def actions(self) -> dict[str, Callable[[], object]]:
        world, held = self.world, self.held
        found: dict[str, Callable[[], object]] = {}
        for n, job_id in enumerate(JOBS):
            found[f"submit {n}"] = lambda job_id=job_id: world.submit(job_id)
            found[f"cancel {n}"] = lambda job_id=job_id: world.cancel(job_id)
        for n in range(2):
            found[f"lease {n}"] = lambda n=n: self.lease(n)
            job = held[n]
            if job is None:
                continue
            found[f"done {n}"] = lambda job=job: world.done(job)
            found[f"fail {n}"] = lambda job=job: world.fail(job, FailKind.TRANSIENT)
            found[f"release {n}"] = lambda job=job: world.release(job)
            found[f"stopped {n}"] = lambda job=job: world.stopped(job)
            found[f"segv {n}"] = lambda n=n: self.die(n, 11)
            found[f"kill {n}"] = lambda n=n: self.die(n, 9)
            found[f"stall {n}"] = lambda job=job: world.commit(
                lambda: world.workers.end_lease(job.id, job.fence, JobEvent.STALLED, "stalled")
            )
        found["time"] = lambda: world.advance(3.0)
        return found

    def node(self, path: tuple[str, ...]) -> Node:
        return Node(
            self.world.ledger.store, self.world.clock.boot_s(), tuple(self.held), tuple(self.incarnations), path
        )

    def key(self) -> object:
        """What makes two moments the same: times and counters that only grow are left out."""
        jobs = []
        for job_id in JOBS:
            job = self.world.ledger.store.get(job_id)
            if job is not None:
                fences = tuple(one is not None and one.id == job.id and one.fence == job.fence for one in self.held)
                counts = (job.failures, job.crashes, min(job.kills, 2), job.is_suspect, job.cancel_requested)
                jobs.append((job_id, job.state, counts, job.owner, fences))
        queue = self.world.ledger.queues
        is_resting = queue.ready_s("mine") > self.world.clock.boot_s()
        return tuple(jobs), is_resting, min(queue.of("mine").streak, 3), tuple(one is not None for one in self.held)

    def check(self, before: Node) -> None:
        store = self.world.ledger.store
        for job_id in JOBS:
            was, job = before.store.get(job_id), store.get(job_id)
            if was is None or job is None:
                assert was is None
                continue
            assert job.fence >= was.fence
            assert was.state not in FINAL or job == was
            assert (job.state is JobState.DEAD) == (job.crashes >= MAX_CRASHES)
            assert (job.state is JobState.RUNNING) == (job.owner is not None)
        running = store.in_states(JobState.RUNNING)
        assert len({(job.owner, job.slot) for job in running}) == len(running)
        assert self.world.ledger.counts.get("mine", {}).get(JobState.QUEUED, 0) == store._number(
            "SELECT ifnull(sum(queued), 0) FROM line"
        )

    def drain(self) -> None:
        """From here, with workers that do their work, every job ends."""
        world = self.world
        for worker in range(2):
            self.die(worker, 15)
        for number in range(12):
            world.advance(10.0)
            job = world.lease("fresh", number + 1)
            if job is not None:
                world.done(job)
        assert world.ledger.active_jobs() == []


def test_every_path_of_a_small_world_keeps_what_is_promised(tmp_path: Path) -> None:
    front = [Node(MemoryStore(), 1_000.0, (None, None))]
    seen: set[object] = set()
    steps = 0
    for _ in range(DEPTH):
        found = []
        for node in front:
            for name in Moment(node, tmp_path).actions():
                moment = Moment(node, tmp_path)
                try:
                    moment.actions()[name]()
                except RefusedError:
                    moment.world.close()
                    continue
                steps += 1
                moment.check(node)
                if (key := moment.key()) in seen:
                    moment.world.close()
                    continue
                seen.add(key)
                found.append(moment.node((*node.path, name)))
                Moment(found[-1], tmp_path).drain()
            node.store.close()
        front = found

    print(f"{steps} steps, {len(seen)} different moments, depth {DEPTH}")
    assert len(seen) > 300
    for node in front:
        node.store.close()
