"""A launcher in a process of its own: what is left when it is killed, asked to stop, or started twice."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from framebus.group_here import find_launchers
from launcher.trial import GOOD, STUBBORN, is_running, wait_until

LAUNCHER = """
import logging, sys
from pathlib import Path
from framebus.place import Place
from framebus.settings import Settings
from framebus_launcher.group import Group
from framebus_launcher.table import Row
folder = Path(sys.argv[1])
logging.basicConfig(level="INFO")
rows = [Row(name=path.stem, tier=1, argv=(sys.executable, str(path))) for path in sorted(folder.glob("*.py"))]
group = Group(Settings(), Place.at(folder / "run", data=folder / "data", shm=folder / "shm"), rows=rows,
              on_change=lambda status: print(status.name, status.state, status.pid, flush=True))
raise SystemExit(group.run())
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def launch(folder: Path, started: list[subprocess.Popen[str]], **programs: str) -> subprocess.Popen[str]:
    for name, code in programs.items():
        (folder / f"{name}.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    started.append(process)
    return process


def await_ready(process: subprocess.Popen[str], number: int) -> list[int]:
    """The pids of that many services, when they are ready."""
    pids: dict[str, int] = {}
    assert process.stdout is not None
    while len(pids) < number:
        name, state, pid = process.stdout.readline().split()
        if state == "ready":
            pids[name] = int(pid)
    return list(pids.values())


def test_a_killed_launcher_leaves_no_process(folder: Path, started: list[subprocess.Popen[str]]) -> None:
    launcher = launch(folder, started, one=GOOD, two=STUBBORN, three=GOOD)
    pids = await_ready(launcher, 3)

    launcher.kill()

    wait_until(lambda: not any(map(is_running, pids)), within_s=1.0)


def test_a_launcher_starts_again_where_a_killed_one_was(folder: Path, started: list[subprocess.Popen[str]]) -> None:
    first = launch(folder, started, one=GOOD)
    await_ready(first, 1)
    first.kill()
    first.wait()

    second = launch(folder, started)

    await_ready(second, 1)
    assert find_launchers(folder / "run") == [second.pid]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_group_in_good_order(
    folder: Path, started: list[subprocess.Popen[str]], number: int
) -> None:
    launcher = launch(folder, started, one=GOOD, two=GOOD)
    pids = await_ready(launcher, 2)

    launcher.send_signal(number)

    assert launcher.wait(8.0) == 0
    assert not any(map(is_running, pids))
    assert find_launchers(folder / "run") == []


def test_signals_at_once_are_one_wish(folder: Path, started: list[subprocess.Popen[str]]) -> None:
    launcher = launch(folder, started, one=GOOD)
    await_ready(launcher, 1)

    launcher.send_signal(signal.SIGTERM)
    launcher.send_signal(signal.SIGINT)
    _, errors = launcher.communicate(timeout=8.0)

    assert launcher.returncode == 0
    assert "asked twice" not in errors


def test_a_later_signal_kills_at_once(folder: Path, started: list[subprocess.Popen[str]]) -> None:
    launcher = launch(folder, started, one=STUBBORN)
    pids = await_ready(launcher, 1)
    assert launcher.stderr is not None
    end_s = time.monotonic() + 4.0
    while any(map(is_running, pids)) and time.monotonic() < end_s:  # later no handler is left: Python ends
        launcher.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(0.1)

    assert launcher.wait(4.0) == 0
    assert not any(map(is_running, pids))


def test_a_second_launcher_ends_with_75_and_names_the_first(folder: Path, started: list[subprocess.Popen[str]]) -> None:
    first = launch(folder, started, one=GOOD)
    pids = await_ready(first, 1)

    second = launch(folder, started)
    _, errors = second.communicate(timeout=5.0)

    assert second.returncode == 75
    assert f"in use by the launcher that runs as process {first.pid}" in errors
    assert "or give this group a folder of its own: " in errors
    assert psutil.Process(pids[0]).is_running()
    assert find_launchers(folder / "run") == [first.pid]


def test_a_hangup_of_a_group_without_a_file_is_survived_and_said(
    folder: Path, started: list[subprocess.Popen[str]]
) -> None:
    launcher = launch(folder, started, one=GOOD)
    pids = await_ready(launcher, 1)
    assert launcher.stderr is not None

    launcher.send_signal(signal.SIGHUP)
    while "without a configuration file" not in launcher.stderr.readline():
        pass

    assert is_running(pids[0])


def test_a_launcher_that_was_stopped_for_long_blames_nobody(folder: Path, started: list[subprocess.Popen[str]]) -> None:
    launcher = launch(folder, started, one=GOOD, two=GOOD)
    pids = await_ready(launcher, 2)
    for pid in (*pids, launcher.pid):  # as when a laptop is closed
        psutil.Process(pid).suspend()
    assert launcher.stderr is not None

    with pytest.raises(subprocess.TimeoutExpired):
        launcher.wait(4.5)
    for pid in (launcher.pid, *pids):
        psutil.Process(pid).resume()
    while "did not run for" not in launcher.stderr.readline():
        pass
    with pytest.raises(subprocess.TimeoutExpired):
        launcher.wait(1.0)

    assert all(map(is_running, pids))
