"""The bandwidth that clips share, and how a process gives way."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from framebus.clock import FakeClock
from framebus.runner import Stopped, StopReason
from framebus_services.export.bandwidth import BURST_S, SLICE_S, Bandwidth
from framebus_services.export.pace import Pace
from services.export.clipping import WatchedReport


def bandwidth(bytes_per_s: float) -> tuple[Bandwidth, FakeClock]:
    clock = FakeClock()
    return Bandwidth(bytes_per_s, clock, sleep=clock.advance), clock


def nothing() -> None: ...


def test_bytes_take_as_long_as_the_bandwidth_says_but_for_a_burst() -> None:
    shared, clock = bandwidth(1_000.0)
    began_s = clock.boot_s()

    for _ in range(100):
        shared.spend(100, nothing)

    assert clock.boot_s() - began_s == pytest.approx(10.0 - BURST_S)


def test_two_clips_share_it() -> None:
    shared, clock = bandwidth(1_000.0)
    began_s = clock.boot_s()

    for _ in range(50):
        shared.spend(100, nothing)  # one clip
        shared.spend(100, nothing)  # and another

    assert clock.boot_s() - began_s == pytest.approx(10.0 - BURST_S)


def test_after_a_rest_no_more_than_a_burst_is_free() -> None:
    shared, clock = bandwidth(1_000.0)
    clock.advance(3_600.0)
    began_s = clock.boot_s()

    shared.spend(10_000, nothing)

    assert clock.boot_s() - began_s == pytest.approx(10.0 - BURST_S)


def test_a_wait_is_cut_into_slices_that_each_can_end_it(tmp_path: Path) -> None:
    shared, clock = bandwidth(1_000.0)
    report = WatchedReport(tmp_path)
    pace = Pace(report, "copying", 0.0, 100.0, shared)
    began_s = clock.boot_s()
    report.after_calls = (5, lambda: report.stop(StopReason.CANCELLED))

    with pytest.raises(Stopped):
        pace(0.5, 1_000_000)

    assert clock.boot_s() - began_s <= 5 * SLICE_S
    assert report.told[1] == 50.0


def test_threads_that_spend_at_once_lose_no_bytes() -> None:
    clock = FakeClock()
    shared = Bandwidth(1_000.0, clock, sleep=clock.advance)
    threads = [threading.Thread(target=lambda: [shared.spend(1, nothing) for _ in range(1_000)]) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)

    assert clock.boot_s() - 1_000.0 >= 4.0 - BURST_S - 0.001


def test_an_export_process_gives_way_for_processor_and_disk() -> None:
    code = (
        "import os, psutil\n"
        "from framebus_services.export.gentle import give_way\n"
        "give_way()\n"
        "give_way()\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0), *psutil.Process().ionice())\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    nice, io_class, io_level = (int(word) for word in done.stdout.replace("IOPriority.", "").split()[:3])
    assert nice == max(10, os.getpriority(os.PRIO_PROCESS, 0))
    assert (io_class, io_level) == (int(psutil.IOPRIO_CLASS_BE), 7)
