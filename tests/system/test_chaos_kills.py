"""P1, P2: dispatcher and workers under SIGKILL at random moments. Nothing accepted is lost, nothing is there twice."""

import random
import secrets
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import FINAL
from framebus.messages import JobState
from framebus.requests import SubmitJob
from groups import history_of
from media import make_video
from services.dispatcher.ledgers import raw
from services.dispatcher.processes import Group, wait_until
from services.export.recorded import START_S, record
from system.rig import all_jobs, assert_every_result_is_there_once, dice, ping, size, start_export, start_hands

KILLS = {"dispatcher": size(20, 3_500), "export": size(10, 1_750), "export2": size(10, 1_750), "hands": size(20, 3_000)}
PAUSE_S = 0.15
READY_SHARE = 0.9
"""of the kills that wait until the victim is back; the others strike while it starts"""
KILL_LIMIT_S = size(60, 2_400)
"""a machine that is busy with other things kills fewer"""
LEAST_SHARE = 0.1
READY_LIMIT_S = 60.0
END_LIMIT_S = 60.0
Start = Callable[[int], "subprocess.Popen[bytes]"]
"""starts a process with this incarnation"""


@pytest.fixture
def group() -> Iterator[Group]:
    jobs = {"write": {"max_running": 3, "max_queued": 100}, "export": {"max_running": 3, "max_queued": 100}}
    made = Group(dict(jobs))
    try:
        yield made
    finally:
        made.close()


class Victim:
    """One process that is killed and started again, in a thread of its own."""

    def __init__(self, group: Group, name: str, rng: random.Random, start: Start) -> None:
        self.name = name
        self.kills = 0
        self.problem = ""
        self._group, self._wanted, self._rng, self._start = group, KILLS[name], rng, start
        self._process = start(1)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self, limit_s: float) -> None:
        self._thread.join(limit_s)
        assert not self._thread.is_alive(), f"{self.name} was killed {self.kills} times only"
        assert self.problem == "", f"it ended with {self._process.poll()}; {self._group.log[-3_000:]}"

    def _run(self) -> None:
        try:
            end_s = time.monotonic() + KILL_LIMIT_S
            for number in range(self._wanted):
                if time.monotonic() > end_s:
                    break
                threading.Event().wait(self._rng.uniform(0.0, PAUSE_S))
                self._process.kill()
                self._process.wait()
                self.kills += 1
                self._process = self._start(number + 2)
                if self._rng.random() < READY_SHARE:
                    self.wait_ready()
            self.wait_ready()
        except Exception as error:  # noqa: BLE001  told by the test's own thread
            self.problem = repr(error)

    def wait_ready(self) -> None:
        ping(self._group, self.name, READY_LIMIT_S)


class Producer:
    """Hands in clips and texts until told to stop; keeps what was accepted."""

    def __init__(self, group: Group, rng: random.Random) -> None:
        self.accepted: list[str] = []
        self.refused: Counter[str] = Counter()
        self._group, self._rng = group, rng
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        self._thread.join(20.0)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while not self._is_over.wait(0.04):
            job_id = secrets.token_hex(16)
            while True:  # no answer means unknown: the same again, under the same id
                try:
                    self._group.ask(self._request(job_id), 2.0)
                    self.accepted.append(job_id)
                except RefusedError as error:
                    if error.code in (ErrorCode.DEADLINE, ErrorCode.UNAVAILABLE):
                        continue
                    self.refused[error.code] += 1
                break

    def _request(self, job_id: str) -> SubmitJob:
        number = int(job_id[:8], 16)
        if number % 2:
            return SubmitJob(id=job_id, type="write", params=raw({"for_s": number % 150 / 1_000}))
        start_s = START_S + number % 9
        clip = {"camera": "front", "start": start_s, "end": start_s + 2.0, "thumbnail": number % 4 == 0}
        return SubmitJob(id=job_id, type="export", params=raw(clip))


@pytest.mark.timeout(size(360, 3_600))
def test_under_random_kills_of_dispatcher_and_workers_nothing_is_lost_twice_broken_or_called_dead(
    group: Group, tmp_path: Path
) -> None:
    rng = dice("kills")
    make_video(tmp_path / "video.mp4", seconds=12)
    record(group.place.data, tmp_path / "video.mp4")
    starts: dict[str, Start] = {
        "dispatcher": lambda _: group.start(),
        "export": partial(start_export, group, "export"),
        "export2": partial(start_export, group, "export2"),
        "hands": lambda number: start_hands(group, "hands", number, 2, "write"),
    }
    victims = [Victim(group, name, random.Random(rng.random()), start) for name, start in starts.items()]
    for victim in victims:
        victim.wait_ready()
    producer = Producer(group, rng)

    for victim in victims:
        victim.begin()
    for victim in victims:
        victim.end(KILL_LIMIT_S + 2 * READY_LIMIT_S)
    producer.end()
    wait_until(
        lambda: all(job.state in FINAL for job in all_jobs(group).values()), lambda: group.log[-2_000:], END_LIMIT_S
    )
    group.kill()
    group.start()  # what a killed worker left goes with the next start

    jobs = all_jobs(group)
    states = Counter(job.state for job in jobs.values())
    again = sum(sum("leased" in why for _, _, why in moves) > 1 for moves in history_of(group.place).values())
    kills = sum(victim.kills for victim in victims)
    print(f"{kills} kills, {len(producer.accepted)} accepted, {dict(states)}, {again} leased again")
    assert kills >= LEAST_SHARE * sum(KILLS.values())
    assert [job_id for job_id in producer.accepted if job_id not in jobs] == []
    assert set(producer.refused) <= {ErrorCode.QUEUE_FULL}
    assert states == {JobState.SUCCEEDED: len(producer.accepted)}, [job.error for job in jobs.values()]
    assert_every_result_is_there_once(group, list(jobs.values()))
