"""Runs the benchmarks one after another and makes the report: `python -m benchmarks [--quick] [--only NAME ...]`.

A whole run writes RESULTS.md, results.json, the picture and the lines of the README; a quick or partial one prints.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime

import msgspec

from benchmarks import report
from benchmarks.goals import SCRIPTS
from benchmarks.results import FOLDER, Results, read_results, write_results
from benchmarks.seen import Seen, machine, say

LIMIT_S = 420.0
QUICK_LIMIT_S = 60.0
CLEAN_UP_S = 5.0
"""for a script that is interrupted to take back what it made"""
PACKAGES = (
    *("pyzmq", "msgspec", "numpy", "av", "opencv-python-headless"),
    *("imagezmq", "iceoryx2", "orjson", "msgpack", "pydantic", "rq", "redis", "huey", "dramatiq", "persist-queue"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short runs, to see that all works; prints the report")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, metavar="NAME", help=f"of: {', '.join(SCRIPTS)}")
    parser.add_argument("--report", action="store_true", help="make the report again from results.json")
    given = parser.parse_args()
    if given.report:
        report.write(read_results())
        return 0
    # A script is stopped as a whole group of processes, also when the terminal goes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = run(given.only or list(SCRIPTS), is_quick=given.quick)
    if given.quick or given.only:
        print(report.page(results))
    else:
        write_results(results)
        report.write(results)
        say(f"written: {report.PAGE}")
    return 1 if results.failures else 0


def run(names: list[str], *, is_quick: bool) -> Results:
    """Each script in turn; one that fails is noted, and the others go on."""
    started_s = time.monotonic()
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    results = Results(date=date, is_quick=is_quick, machine=machine(*PACKAGES), scripts=names)
    for name in names:
        if not (FOLDER / f"{name}.py").exists():
            results.failures[name] = "there is no such script yet"
            continue
        say(f"== {name}")
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if is_quick else [])]
        why = _run_script(command, QUICK_LIMIT_S if is_quick else LIMIT_S, results.seen)
        if why:
            results.failures[name] = why
            say(f"{name} failed: {why}")
    results.minutes = round((time.monotonic() - started_s) / 60, 1)
    results.load_after = round(os.getloadavg()[0], 2)
    return results


def _run_script(command: list[str], limit_s: float, seen: list[Seen]) -> str:
    """Adds the lines that the script prints to `seen`; returns why it failed, or nothing."""
    child = subprocess.Popen(command, cwd=FOLDER.parent, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    is_late = threading.Event()

    def stop() -> None:
        is_late.set()
        child.send_signal(signal.SIGINT)

    limit = threading.Timer(limit_s, stop)
    limit.start()
    end = threading.Timer(limit_s + CLEAN_UP_S, _kill_group, [child.pid])
    end.start()
    try:
        for line in child.stdout:
            try:
                seen.append(msgspec.json.decode(line, type=Seen))
            except msgspec.MsgspecError:
                say(f"not a line of results: {line!r}")
        code = child.wait()
    except BaseException:
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(CLEAN_UP_S)
        raise
    finally:
        limit.cancel()
        end.cancel()
        _kill_group(child.pid)  # what the script left behind
        child.wait()
    if is_late.is_set():
        return f"not done within {limit_s:.0f} s"
    return f"ended with code {code}" if code else ""


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        say("stopped; nothing was written")
        raise SystemExit(130) from None
