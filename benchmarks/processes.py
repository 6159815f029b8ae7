"""What processes cost: a group from the command to all ready, a killed service back, and a group at rest.

    python -m benchmarks.processes [--quick]

All that the launcher runs counts, the launcher too. Memory is PSS: what is shared counts once in all.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import zmq

from benchmarks.goals import BARE_PROCESS, CPU_PERCENT, IDLE, KILLED, NO_PIXELS, UP
from benchmarks.load import cpu_s, pss_mb
from benchmarks.seen import OURS, Figures, Seen, in_turns, machine, over_runs, say, tell
from framebus.messages import ServiceState
from framebus.requests import ListServices
from framebus_launcher.client import GroupClient

LIMIT_S = 30.0
LATE_S = 10.5
"""a death later than this after READY ends a good life: it is started again at once"""
SETTLE_S, SETTLE_QUICK_S = 32.0, 2.0
"""worker processes without work end after 30 s"""
FIVE, FIVE_FORKED = "five bare interpreters, zmq + numpy + cv2", "five forks of a warm parent"
NO_CAMERA: dict[str, object] = {}
CAMERA: dict[str, object] = {
    "cameras": {"front": {"source": "synthetic://?width=640&height=360&fps=10", "record": {"segment_s": 10}}}
}
WITHOUT_PIXELS = ("dispatcher", "ingest", "analysis")
TELL = (
    "import zmq; s = zmq.Context().socket(zmq.PUSH); s.connect({door!r}); s.send(b'up'); import sys; sys.stdin.read()"
)
FORKED = """
import os, sys
import cv2, numpy, zmq
print("warm", flush=True)
sys.stdin.readline()
for _ in range({count}):
    if os.fork() == 0:
        {tell}
        os._exit(0)
for _ in range({count}):
    os.wait()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half a minute instead of three")
    is_quick = parser.parse_args().quick
    say(json.dumps(machine("framebus", "pyzmq", "msgspec", "numpy", "opencv-python-headless")))
    for line in lines(is_quick=is_quick):
        tell(line)


def lines(*, is_quick: bool) -> Iterator[Seen]:
    """All figures of goals 12 and 13."""
    runs = 1 if is_quick else 5
    start = partial(_start_of_five, forked=False)
    yield from in_turns(13, UP, {OURS: _start, FIVE: start, FIVE_FORKED: partial(_start_of_five, forked=True)}, runs)
    yield from _killed(rounds=1 if is_quick else 2)
    settle_s = SETTLE_QUICK_S if is_quick else SETTLE_S
    yield from _at_rest(runs=1 if is_quick else 2, settle_s=settle_s, for_s=4.0 if is_quick else 10.0)


# A group --------------------------------------------------------------------------------------------------------------


class Running:
    """`framebus up` in folders of its own."""

    def __init__(self, folder: Path, configuration: dict[str, object]) -> None:
        self.run = folder / "run"
        file = folder / "framebus.json"
        http = {"port": 0}
        written = {"data": str(folder / "data"), "run": str(self.run), "http": http, **configuration}
        file.write_text(json.dumps(written))
        began_s = time.perf_counter()
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("framebus")), "up", "--plain", "-c", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._output = b""
        self.camera_s: float | None = None
        while b"services are ready" not in self._output:
            self._read(began_s + LIMIT_S)
            if self.camera_s is None and b"capture@front is ready" in self._output:
                self.camera_s = time.perf_counter() - began_s
        self.ready_s = time.perf_counter() - began_s
        self.cpu_s = cpu_s(*self.processes())
        """until then; a busy machine makes it no longer, as it does the time"""

    def pids(self) -> dict[str, int]:
        """Of the services, by name."""
        with GroupClient(self.run) as client:
            return {one.name: one.pid for one in client.ask("launcher", ListServices()).services if one.pid}

    def processes(self) -> list[int]:
        """All that runs: the launcher, the services, and what they started."""
        launcher = psutil.Process(self.process.pid)
        return [launcher.pid, *(child.pid for child in launcher.children(recursive=True))]

    def kill(self, name: str) -> float:
        """Kill it; how many seconds it takes until it is ready again, seen from outside."""
        with GroupClient(self.run) as client:
            before = next(one for one in client.ask("launcher", ListServices()).services if one.name == name)
            assert before.pid is not None
            began_s = time.perf_counter()
            os.kill(before.pid, signal.SIGKILL)
            while time.perf_counter() < began_s + LIMIT_S:
                now = next(one for one in client.ask("launcher", ListServices()).services if one.name == name)
                if now.incarnation > before.incarnation and now.state is ServiceState.READY:
                    return time.perf_counter() - began_s
                time.sleep(0.01)
        raise TimeoutError(f"{name} did not come back")

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.stdout is not None
        with self.process.stdout as output:
            while output.read(65_536):
                pass
        self.process.wait(LIMIT_S)

    def _read(self, end_s: float) -> None:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], max(0.0, end_s - time.perf_counter()))[0]:
            raise TimeoutError(self._output.decode())
        data = os.read(self.process.stdout.fileno(), 65_536)
        if not data:
            raise RuntimeError(self._output.decode())
        self._output += data


@contextlib.contextmanager
def _group(configuration: dict[str, object]) -> Iterator[Running]:
    with _folder() as folder:
        running = Running(folder, configuration)
        try:
            yield running
        finally:
            running.stop()


def _start() -> Figures:
    with _group(CAMERA) as group:
        assert group.camera_s is not None
        return {"s": group.ready_s, "s to the first camera": group.camera_s, "CPU s": group.cpu_s}


def _killed(*, rounds: int) -> Iterator[Seen]:
    """Each service once in a round; the slowest counts."""
    seen: list[dict[str, float]] = []
    with _group(CAMERA) as group:
        for _ in range(rounds):
            time.sleep(LATE_S)
            seen.append({name: group.kill(name) for name in group.pids()})
    yield from over_runs(13, KILLED, OURS, [{"s": max(one.values())} for one in seen])
    for name in seen[0]:
        yield from over_runs(13, f"{KILLED}: {name}", OURS, [{"s": one[name]} for one in seen])


def _at_rest(*, runs: int, settle_s: float, for_s: float) -> Iterator[Seen]:
    rest: list[Figures] = []
    services: list[dict[str, float]] = []
    bare: list[Figures] = []
    for _ in range(runs):
        with _group(NO_CAMERA) as group, _bare() as bare_pid:
            time.sleep(settle_s)
            began_s, before_s = time.perf_counter(), cpu_s(*group.processes())
            time.sleep(for_s)
            percent = (cpu_s(*group.processes()) - before_s) / (time.perf_counter() - began_s) * 100
            pids = group.pids()
            services.append({name: pss_mb(pid) for name, pid in pids.items()})
            services[-1]["launcher"] = pss_mb(group.process.pid)
            whole = pss_mb(*group.processes())
            alone = pss_mb(*pids.values())
            rest.append({"PSS MB": whole, "PSS MB of the services alone": alone, CPU_PERCENT: percent})
            bare.append({"PSS MB": pss_mb(bare_pid)})
    yield from over_runs(12, IDLE, OURS, rest)
    worst = [{"PSS MB": max(one[name] for name in WITHOUT_PIXELS)} for one in services]
    yield from over_runs(12, NO_PIXELS, OURS, worst)
    yield from over_runs(12, NO_PIXELS, BARE_PROCESS, bare)
    for name in services[0]:
        yield from over_runs(12, f"{IDLE}: {name}", OURS, [{"PSS MB": one[name]} for one in services])
    for name, forked in ((FIVE, False), (FIVE_FORKED, True)):
        memory = [{"PSS MB": _start_of_five(forked=forked)["PSS MB"]} for _ in range(runs)]
        yield from over_runs(12, IDLE, name, memory)


# Beside it ------------------------------------------------------------------------------------------------------------


def _start_of_five(*, forked: bool, count: int = 5) -> Figures:
    """Five processes up to the first message of the last; a warm parent's own imports do not count."""
    with _folder() as folder, zmq.Context() as context, context.socket(zmq.PULL) as pull:
        door = f"ipc://{folder}/up"
        pull.bind(door)
        say_up = TELL.format(door=door)
        began_s = time.perf_counter()
        if forked:
            script = FORKED.format(count=count, tell=say_up)
            parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert parent.stdin is not None
            assert parent.stdout is not None
            parent.stdout.readline()
            began_s = time.perf_counter()
            parent.stdin.write(b"go\n")
            parent.stdin.flush()
            started = [parent]
        else:
            script = "import zmq, numpy, cv2\n" + say_up
            started = [
                subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for _ in range(count)
            ]
        for _ in range(count):
            if not pull.poll(int(LIMIT_S * 1_000)):
                raise TimeoutError(script)
            pull.recv()
        took_s = time.perf_counter() - began_s
        pids = [pid for one in started for pid in (one.pid, *(c.pid for c in psutil.Process(one.pid).children()))]
        memory = pss_mb(*pids)
        for one in started:
            assert one.stdin is not None
            one.stdin.close()
            one.wait(LIMIT_S)
            if one.stdout is not None:
                one.stdout.close()
    return {"s": took_s, "PSS MB": memory}


@contextlib.contextmanager
def _bare() -> Iterator[int]:
    """A process that could talk as a service does, and does nothing; its pid."""
    with _folder() as folder, zmq.Context() as context, context.socket(zmq.PULL) as pull:
        door = f"ipc://{folder}/up"
        pull.bind(door)
        script = "import msgspec\n" + TELL.format(door=door)
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
            if not pull.poll(int(LIMIT_S * 1_000)):
                raise TimeoutError(script)
            yield process.pid
            assert process.stdin is not None
            process.stdin.close()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="fb-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    main()
