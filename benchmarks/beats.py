"""Ten thousand reports a second: what they cost the dispatcher, and what of them comes out, and when."""

import itertools
import secrets
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import zmq
from msgspec import Raw

from benchmarks.hop import CONTEXT, running
from benchmarks.job_queues import group_with_worker
from benchmarks.load import Load
from benchmarks.no_op import ENTRY_POINTS, REPORT_HZ
from benchmarks.private_group import PrivateGroup
from benchmarks.seen import Figures
from framebus import codec
from framebus.codec import RequestHead
from framebus.messages import JobBoard
from framebus.place import Place
from framebus.requests import BatchItem, BeatJob, LeasedJob, LeaseJob, SubmitBatch, SubmitJob
from framebus.transport import Listener

RATE_HZ = 10_000
AT_ONCE = 500
"""reports under way at most"""
JOBS = 100
LIMIT_S = 20.0


@dataclass(frozen=True)
class Job:
    id: str
    fence: int


def at_the_door(seconds: float) -> Figures:
    """Each report is a request of its own: more than our own workers ever send."""
    with PrivateGroup(entry_points=ENTRY_POINTS) as group:
        _submit(group, JOBS, {})
        jobs = [_lease(group, slot) for slot in range(JOBS)]
        address = group.place.door("dispatcher")
        boards_out, boards_in = CONTEXT.Pipe(duplex=False)
        listening = CONTEXT.Process(target=_listen, args=(group.place, jobs[-1].id, boards_in))
        with running(listening):
            boards_out.recv()
            began_s = time.monotonic()
            sent_s, percent = _beat(address, jobs, seconds, group.dispatcher.pid)
            if not boards_out.poll(LIMIT_S):
                raise RuntimeError("the last report never came out")
            heard: list[float] = boards_out.recv()
    times_s, out_s = heard[:-1], heard[-1]
    during = [at_s for at_s in times_s if began_s + 1.0 <= at_s <= sent_s]  # the first are of the leases
    return {
        "% of a core": percent,
        "boards/s of a type": (len(during) - 1) / (during[-1] - during[0]),
        "age of the newest value, s": out_s - sent_s,
    }


def through_the_library(seconds: float) -> Figures:
    """Jobs of our worker call `report()` as often; the library beats four times a second for each."""
    count = round(RATE_HZ / REPORT_HZ)
    with group_with_worker(count) as group:
        _submit(group, count, {"report_s": seconds + 1.0})
        time.sleep(0.5)
        used = Load(group.dispatcher.pid)
        time.sleep(seconds)
        return {"% of a core": used.percent}


def echo(seconds: float) -> Figures:
    """The limit: a ROUTER in Python that answers each as it came, and does nothing."""
    with PrivateGroup() as group:
        address = f"ipc://{group.folder}/echo"
        process = CONTEXT.Process(target=_echo, args=(address,))
        with running(process):
            _, percent = _beat(address, [Job("0" * 32, 1)], seconds, process.pid or 0)
    return {"% of a core": percent}


def _echo(address: str) -> None:
    door = zmq.Context().socket(zmq.ROUTER)
    door.bind(address)
    while True:
        door.send_multipart(door.recv_multipart())


def _submit(group: PrivateGroup, count: int, params: dict[str, object]) -> None:
    job = SubmitJob(type="no_op", params=Raw(codec.encode(params)))
    group.ask(SubmitBatch(items=[BatchItem(job=job) for _ in range(count)]))


def _lease(group: PrivateGroup, slot: int) -> Job:
    asked = LeaseJob(types=["no_op"], worker="bench", incarnation=1, slot=slot, isolated=False, wait_s=1.0)
    leased = group.ask(asked).job
    assert isinstance(leased, LeasedJob)
    return Job(leased.id, leased.fence)


def _beat(address: str, jobs: list[Job], seconds: float, pid: int) -> tuple[float, float]:
    """Report at the rate, evenly over the jobs; returns when the last one left, and the percent of a core of `pid`.

    The percentage is what the reports took at the rate: on a busy machine they may take longer to go through.
    """
    with zmq.Context() as context, context.socket(zmq.DEALER) as door:
        door.linger = 0
        door.connect(address)
        turns = itertools.cycle(jobs)
        used = Load(pid)
        started_s = time.monotonic()
        sent = answered = 0
        total = round(seconds * RATE_HZ)
        while sent < total:
            due = min(total, round((time.monotonic() - started_s) * RATE_HZ))
            while sent < due and sent - answered < AT_ONCE:
                sent += 1
                door.send_multipart(_beat_frames(next(turns), 100.0 * sent / total))
            answered += _answers(door)
            time.sleep(0.001)
            if time.monotonic() > started_s + seconds + LIMIT_S:
                raise RuntimeError(f"only {sent} of {total} reports went through")
        sent_s = time.monotonic()
        while answered < sent and time.monotonic() < sent_s + LIMIT_S:
            answered += _answers(door)
            time.sleep(0.001)
        return sent_s, 100.0 * used.cpu_s * RATE_HZ / total


def _answers(door: "zmq.Socket[bytes]") -> int:
    count = 0
    while True:
        try:
            door.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return count
        count += 1


def _beat_frames(job: Job, percent: float) -> list[bytes]:
    head = RequestHead(v=codec.VERSION, id=secrets.token_bytes(16), method="job.beat", deadline_s=5.0, src="bench")
    return [b"", codec.encode(head), codec.encode(BeatJob(id=job.id, fence=job.fence, step="copying", percent=percent))]


def _listen(place: Place, last: str, boards: Connection) -> None:
    """When each board came, and at the end when the one came that has the last report of job `last`."""
    times_s: list[float] = []
    with Listener(place, "job_state/no_op/") as listener:
        while True:
            for news in listener.wait(1.0):
                now_s = time.monotonic()
                board = news.decode()
                assert isinstance(board, JobBoard)
                if not times_s:
                    boards.send(None)
                times_s.append(now_s)
                if any(view.id == last and view.percent >= 100.0 for view in board.running):
                    boards.send([*times_s, now_s])
                    return
