"""Services as forks of a process that has loaded what they are made of, and what is left when that dies."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from framebus.errors import ExitCode
from framebus_launcher import zygote as zygote_module
from framebus_launcher.orphans import Orphans
from framebus_launcher.process import RunningChild
from framebus_launcher.zygote import MODULES, Zygote
from framebus_launcher.zygote_process import clean_files
from launcher.trial import wait_until

LIMIT_S = 20.0
SERVER = ("http.server", "0", "--bind", "127.0.0.1")
"""a module of the standard library that runs until it is stopped"""


@pytest.fixture
def zygote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zygote]:
    monkeypatch.setattr(zygote_module, "MODULES", ("framebus.run_jobs",))
    made = Zygote()
    yield made
    made.close()


def start(zygote: Zygote, *command: str, nice: int = 0, **environment: str) -> RunningChild:
    await_loaded(zygote)
    argv = (sys.executable, "-m", *command)
    told = {"PATH": os.defpath, "PYTHONUNBUFFERED": "1", **environment}
    return await_birth(zygote, RunningChild(argv, environment=told, nice=nice, incarnation=1, zygote=zygote))


def await_loaded(zygote: Zygote) -> None:
    wait_until(lambda: zygote.hear() and zygote.can_fork("framebus.run_jobs"), LIMIT_S)


def order(zygote: Zygote) -> RunningChild:
    return RunningChild((sys.executable, "-m", *SERVER), environment={}, nice=0, incarnation=1, zygote=zygote)


def await_birth(zygote: Zygote, child: RunningChild) -> RunningChild:
    def is_born() -> bool:
        zygote.mind()
        if zygote.fileno() >= 0:
            zygote.hear()
        return child.pid > 0

    wait_until(is_born, LIMIT_S)
    return child


def is_buried(pid: int, orphans: Orphans) -> bool:
    orphans.bury(())
    return not psutil.pid_exists(pid)


def end(child: RunningChild) -> None:
    child.send_group(signal.SIGKILL)
    assert child.has_ended(LIMIT_S)
    child.reap()


def title(pid: int | None) -> str:
    """What `ps` shows."""
    return " ".join(psutil.Process(pid).cmdline())


def is_fork(pid: int) -> bool:
    """Whether it has what the zygote has loaded; a server alone has not."""
    return "libzmq" in Path(f"/proc/{pid}/maps").read_text()


def resident_kb(pid: int, library: str) -> int:
    """How much of a library's code is in the memory of a process."""
    lines = iter(Path(f"/proc/{pid}/smaps").read_text().splitlines())
    found = (line for line in lines if " r-xp " in line and library in line)
    return sum(int(next(line for line in lines if line.startswith("Rss:")).split()[1]) for _ in found)


def test_a_zygote_at_rest_has_no_library_in_its_memory_that_it_does_not_run(zygote: Zygote) -> None:
    wait_until(lambda: zygote.hear() and zygote.can_fork("framebus.run_jobs"), LIMIT_S)
    assert zygote.pid is not None

    wait_until(lambda: resident_kb(zygote.pid or 0, "libzmq") == 0, LIMIT_S)

    child = start(zygote, "framebus.run_jobs")
    assert child.has_ended(LIMIT_S)
    how, words = child.reap()
    assert how.code == ExitCode.USAGE
    assert b"usage" in words


def test_only_files_that_nobody_has_written_to_are_let_go_of_also_where_that_was_swapped_out() -> None:
    def area(start: str, rights: str, inode: int, anonymous_kb: int, swap_kb: int) -> str:
        return (
            f"{start}000-{start}fff {rights} 00000000 fe:00 {inode} /usr/lib/libc.so.6\n"
            f"Rss: 4 kB\nAnonymous: {anonymous_kb} kB\nSwap: {swap_kb} kB\nVmFlags: rd mr mw me\n"
        )

    areas = (
        area("1", "r-xp", 7, 0, 0),
        area("2", "r--p", 7, 4, 0),
        area("3", "r--p", 7, 0, 4),
        area("4", "rw-p", 7, 0, 0),
        area("5", "r--p", 0, 0, 0),
        area("6", "r--p", 7, 0, 0),
    )

    found = [hex(start) for start, _ in clean_files("".join(areas))]

    assert found == ["0x1000", "0x6000"]


def test_a_fork_is_our_child_with_session_limits_and_title_of_its_own(zygote: Zygote) -> None:
    child = start(zygote, *SERVER, nice=5, FRAMEBUS_NAME="one")

    process = psutil.Process(child.pid)
    wait_until(lambda: title(child.pid) == "framebus one", LIMIT_S)

    assert is_fork(child.pid)
    assert process.name() == "one"
    assert title(zygote.pid) == "framebus zygote"
    assert process.ppid() == os.getpid()
    assert os.getsid(child.pid) == os.getpgid(child.pid) == child.pid
    assert process.nice() == psutil.Process().nice() + 5
    assert process.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert process.environ() == {"PATH": os.defpath, "PYTHONUNBUFFERED": "1", "FRAMEBUS_NAME": "one"}
    end(child)


def test_exit_code_and_last_words_of_a_fork_are_those_of_any_child(zygote: Zygote) -> None:
    child = start(zygote, "framebus.run_jobs")

    assert child.has_ended(LIMIT_S)
    how, words = child.reap()

    assert how.code == ExitCode.USAGE
    assert b"usage: python -m framebus.run_jobs NAME" in words
    assert b"Warning" not in words


def test_forks_outlive_the_zygote_and_what_starts_after_it_starts_the_plain_way(zygote: Zygote) -> None:
    before = start(zygote, *SERVER)
    assert zygote.pid is not None
    os.kill(zygote.pid, signal.SIGKILL)

    after = await_birth(zygote, order(zygote))
    wait_until(lambda: zygote.fileno() < 0 or not zygote.hear(), LIMIT_S)

    assert psutil.Process(before.pid).is_running()
    assert not is_fork(after.pid)
    assert zygote.revive()
    again = start(zygote, *SERVER)
    assert is_fork(again.pid)
    for child in (before, after, again):
        end(child)


@pytest.fixture
def hanging(zygote: Zygote) -> Zygote:
    """One that has loaded all, and stands still."""
    await_loaded(zygote)
    assert zygote.pid is not None
    os.kill(zygote.pid, signal.SIGSTOP)
    return zygote


def test_a_zygote_that_hangs_keeps_nobody_waiting_and_is_killed_when_its_time_is_over(
    hanging: Zygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = order(hanging)
    hanging.mind()
    was_born = child.pid > 0
    monkeypatch.setattr(zygote_module, "FORK_S", 0.0)

    await_birth(hanging, child)

    assert not was_born
    assert hanging.pid is None
    assert not is_fork(child.pid)
    end(child)


def test_a_child_that_is_stopped_before_it_is_there_is_stopped_when_it_is(hanging: Zygote) -> None:
    child = order(hanging)
    child.send_group(signal.SIGTERM)
    assert hanging.pid is not None
    os.kill(hanging.pid, signal.SIGCONT)

    await_birth(hanging, child)

    assert child.has_ended(LIMIT_S)
    assert child.reap()[0].signal == signal.SIGTERM


def test_what_a_zygote_was_told_is_nothing_any_more_when_it_is_ended(hanging: Zygote) -> None:
    child = order(hanging)

    hanging.end()
    hanging.mind()

    assert child.pid == 0
    child.forget()


def test_a_zygote_that_hangs_while_it_loads_is_told_of_once_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(zygote_module, "MODULES", ("endless",))
    monkeypatch.setattr(zygote_module, "LOAD_S", 0.0)
    hangs = Zygote()

    for _ in range(3):
        hangs.mind()

    assert not hangs.is_loading("endless")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "has not loaded endless" in caplog.text
    assert "-X importtime -c 'import endless'" in caplog.text
    hangs.close()


def test_a_zygote_with_a_thread_of_an_import_refuses_to_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    (tmp_path / "sitecustomize.py").write_text(thread)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(zygote_module, "MODULES", ("framebus.run_jobs",))
    threaded = Zygote()

    child = start(threaded, *SERVER)

    assert not is_fork(child.pid)
    end(child)
    threaded.close()


def test_what_a_dead_service_has_left_behind_is_ours_to_bury_and_to_kill(zygote: Zygote, tmp_path: Path) -> None:
    orphans = Orphans()
    (tmp_path / "leaver.py").write_text(
        "import subprocess\n"
        "for seconds in ('0.01', '600'):\n"
        "    print(subprocess.Popen(['sleep', seconds], start_new_session=True).pid)\n"
    )
    argv = (sys.executable, str(tmp_path / "leaver.py"))
    child = RunningChild(argv, environment={"PATH": os.defpath}, nice=0, incarnation=1)
    assert child.has_ended(LIMIT_S)
    brief, long = map(int, child.reap()[1].split())

    wait_until(lambda: is_buried(brief, orphans), LIMIT_S)
    orphans.kill()

    assert not psutil.pid_exists(long)
    assert zygote.pid is not None
    assert psutil.pid_exists(zygote.pid)


def test_all_that_a_zygote_loads_is_there_and_leaves_no_thread() -> None:
    whole = Zygote()

    wait_until(lambda: whole.hear() and not any(map(whole.is_loading, MODULES)), LIMIT_S)

    assert [module for module in MODULES if not whole.can_fork(module)] == []
    assert whole.pid is not None
    assert psutil.Process(whole.pid).num_threads() == 1
    whole.close()
