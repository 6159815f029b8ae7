"""Small promises of the library that no other test tells alone: progress is never torn, calls leave nothing behind."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from framebus.clock import FakeClock
from framebus.messages import NIL
from framebus.requests import LeasedJob, Ping
from framebus.runner import Report
from groups import SYNTHETIC, processes_of, running_group
from services.dispatcher.processes import Group, wait_until

CALLS = 300
PAIRS = 30
MOST = 20_000_000


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group({})
    try:
        made.start()
        made.wait_ready()
        yield made
    finally:
        made.close()


def test_step_and_percent_are_read_together_while_the_work_tells_new_ones(tmp_path: Path) -> None:
    job = LeasedJob(id="0" * 32, type="mine", params=NIL, attempt=1, fence=1, lease_s=5.0)
    report = Report(job, tmp_path, FakeClock().boot_s)
    pairs: set[tuple[str, float]] = set()
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            pairs.add(report.told[:2])

    reader = threading.Thread(target=read)
    reader.start()
    number = 0
    while len(pairs) < PAIRS and number < MOST:
        number += 1
        report(f"step {number}", number / 1e6)
    is_over.set()
    reader.join()

    assert len(pairs) >= PAIRS
    assert [pair for pair in pairs - {("", 0.0)} if pair[0] != f"step {pair[1] * 1e6:.0f}"] == []


def test_calls_leave_no_thread_socket_or_file_behind(group: Group) -> None:
    process = psutil.Process()
    group.ask(Ping())
    before = (process.num_fds(), process.num_threads())

    for _ in range(CALLS):
        group.ask(Ping())

    # A closed socket gives its files back a moment later, from a thread of libzmq.
    wait_until(lambda: process.num_fds() <= before[0], lambda: f"{process.num_fds()} files, {before[0]} before", 5.0)
    assert process.num_threads() <= before[1]


def test_no_process_of_a_group_listens_on_the_network() -> None:
    with running_group({"cameras": {"front": SYNTHETIC}}) as group:
        services = group.await_ready()
        processes = processes_of(group.place)

        heard = [connection for process in processes for connection in process.net_connections("inet")]

        assert len(processes) == len(services) == 4
        assert heard + psutil.Process(group.process.pid).net_connections("inet") == []
        assert all(path.parent == group.place.run for path in group.place.run.rglob("*") if path.is_socket())
        assert stat.S_IMODE(group.place.run.stat().st_mode) == 0o700
