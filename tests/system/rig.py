"""What the chaos tests share: workers without a launcher, sizes for push and night, a look at the ledger."""

import hashlib
import os
import random
import secrets
import subprocess
from pathlib import Path

from clips import probe
from framebus import codec
from framebus.jobs import FINAL
from framebus.messages import JobView
from framebus.requests import ListJobs
from groups import history_of
from services.dispatcher.ledgers import result_of
from services.dispatcher.processes import Group, temps

HERE = Path(__file__).parent
HANDS = HERE / "hands.py"
CRASHING = HERE / "crashing.py"
IS_NIGHT = os.environ.get("FRAMEBUS_NIGHT") == "1"
"""`make chaos` sets it"""


def size(push: int, night: int) -> int:
    """How many times: few on every push, many at night."""
    return night if IS_NIGHT else push


def dice(what: str) -> random.Random:
    """A random schedule whose seed is printed; FRAMEBUS_SEED gives it again."""
    seed = int(os.environ.get("FRAMEBUS_SEED") or secrets.randbits(32))
    print(f"{what}: FRAMEBUS_SEED={seed}")
    return random.Random(seed)


def start_hands(group: Group, name: str, incarnation: int, slots: int, *kinds: str) -> "subprocess.Popen[bytes]":
    """A worker of the tests as a process."""
    return group.run(str(HANDS), str(slots), *kinds, name=name, **_told(incarnation))


def start_export(group: Group, name: str, incarnation: int) -> "subprocess.Popen[bytes]":
    """The export service, under a name of its own."""
    return group.run("-m", "framebus.run_jobs", "export", name=name, **_told(incarnation))


def _told(incarnation: int) -> dict[str, str]:
    return {"FRAMEBUS_INCARNATION": str(incarnation), "FRAMEBUS_SETTINGS": ""}


def ping(group: Group, name: str, deadline_s: float = 15.0) -> None:
    """Wait until a service answers."""
    group.caller.call(name, "ping", codec.encode({}), deadline_s)


def all_jobs(group: Group) -> dict[str, JobView]:
    """Every job that the ledger knows."""
    page = group.ask(ListJobs(limit=500))
    jobs = list(page.jobs)
    while page.next is not None:
        page = group.ask(ListJobs(limit=500, next=page.next))
        jobs += page.jobs
    return {job.id: job for job in jobs}


def files_of(job: JobView) -> list[str]:
    """Relative to the exports folder."""
    result = result_of(job)
    return list(result["files"]) if isinstance(result, dict) else []


def assert_every_result_is_there_once(group: Group, jobs: list[JobView]) -> None:
    """Each job that succeeded has its files, whole; nobody else has them; nothing else is there; it ended once."""
    named = [name for job in jobs for name in files_of(job)]
    found = [str(path.relative_to(group.exports)) for path in group.exports.rglob("*") if path.is_file()]
    assert sorted(named) == sorted(found)
    for job in jobs:
        for name in files_of(job):
            _assert_whole(job, group.exports / name)
    ends = {
        job_id: [state for state, _, _ in moves if state in FINAL] for job_id, moves in history_of(group.place).items()
    }
    assert {job.id: len(ends[job.id]) for job in jobs} == {job.id: 1 for job in jobs}
    assert temps(group.exports) == []


def _assert_whole(job: JobView, path: Path) -> None:
    result = result_of(job)
    assert isinstance(result, dict)
    if job.type == "write":
        assert hashlib.sha256(path.read_bytes()).hexdigest() == result["sha256"]
        assert path.read_text().split()[0] == job.id
    elif path.suffix == ".mp4":
        assert probe(path).frames == result["frames"] > 0
