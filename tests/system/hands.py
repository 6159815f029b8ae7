"""A worker of the tests, as a process: `python hands.py SLOTS TYPE...` does such jobs, good ones and poison."""

import ctypes
import hashlib
import resource
import sys
import time
from pathlib import Path

from msgspec import Struct

from framebus import JobRunner, JobType, Output, Report, run
from framebus.hands import Worker
from framebus.requests import FailKind
from framebus.runner import WorkError

STEPS = 8
GREEDY_BYTES = 1_500 * 1_024 * 1_024


class Params(Struct, kw_only=True):
    for_s: float = 0.0
    """the work takes at least so long"""
    holds: str = ""
    """a folder: the work goes on while `<id>.<fence>` stands in it"""


class Written(Struct, kw_only=True):
    sha256: str


class Write(JobRunner[Params, Written]):
    """Writes a text that names its job and its lease, piece by piece."""

    contract = JobType(name="write", params=Params, check=lambda params, context: None)

    def run(self, params: Params, report: Report) -> Output[Written]:
        final = f"write/{report.job.id[-1]}.txt"  # a few names for many jobs: they must get out of each other's way
        temp = report.temp(final)
        with temp.open("w") as file:
            for step in range(STEPS):
                file.write(f"{report.job.id} {report.job.fence} {step}\n")
                file.flush()
                report("writing", 100.0 * step / STEPS)
                time.sleep(params.for_s / STEPS)
            while params.holds and Path(params.holds, f"{report.job.id}.{report.job.fence}").exists():
                report("holding", 90.0)
                time.sleep(0.02)
        return Output(result=Written(sha256=sha256_of(temp)), files=[final])

    def verify(self, path: Path, result: Written) -> None:
        if sha256_of(path) != result.sha256:
            raise WorkError(FailKind.TRANSIENT, "it is not what was written")


class Segfault(JobRunner[Params, Written]):
    """Takes its process along."""

    contract = JobType(name="segfault", params=Params, check=lambda params, context: None)

    def run(self, params: Params, report: Report) -> Output[Written]:
        ctypes.string_at(0)
        raise AssertionError("unreachable")


class Hang(JobRunner[Params, Written]):
    """Never reports again."""

    contract = JobType(name="hang", params=Params, check=lambda params, context: None, stall_s=1.0)

    def run(self, params: Params, report: Report) -> Output[Written]:
        report("hanging", 1.0)
        while True:
            time.sleep(1.0)


class Greedy(JobRunner[Params, Written]):
    """Takes memory until there is no more."""

    contract = JobType(name="greedy", params=Params, check=lambda params, context: None)

    def run(self, params: Params, report: Report) -> Output[Written]:
        taken: list[bytearray] = []
        while True:
            taken.append(bytearray(50_000_000))
            report("eating", 1.0)


RUNNERS = {kind.contract.name: kind for kind in (Write, Segfault, Hang, Greedy)}


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    slots, *names = sys.argv[1:]
    if "greedy" in names:
        resource.setrlimit(resource.RLIMIT_AS, (GREEDY_BYTES, GREEDY_BYTES))
    runners = [RUNNERS[name] for name in names]
    raise SystemExit(run("hands", lambda bus: Worker(bus, runners, slots=int(slots)), argv=[]))
