"""Real workers with three slots, killed at random and by their own jobs: the poison ends dead, and nobody else."""

import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections import Counter

import pytest

from framebus.messages import JobState
from framebus.requests import GetStory, ListJobs, WorkerLost
from services.dispatcher.processes import Group

KILLS = int(os.environ.get("FRAMEBUS_KILLS", "12"))
GOOD = 15
WORKER = """
import ctypes, os, time
from msgspec import Struct
from framebus.jobs import JobType
from framebus.hands import Worker
from framebus.runner import JobRunner, Output
from framebus.service import run

class Params(Struct):
    how: str

class Result(Struct, frozen=True):
    how: str

class Mine(JobRunner[Params, Result]):
    contract = JobType(name="mine", params=Params, check=lambda params, context: None)

    def run(self, params, report):
        report("working", 10.0)
        time.sleep(0.05)  # so that several jobs are in hand when one of them takes the process along
        if params.how == "segv":
            ctypes.string_at(0)  # a signal that is sent may come when the work is done
        if params.how == "exit":
            os._exit(3)
        return Output(result=Result(how=params.how))

raise SystemExit(run("hands", lambda bus: Worker(bus, [Mine], slots=3)))
"""


class Launcher:
    """Keeps one worker alive, tells the dispatcher of each death, and kills it when asked to."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.incarnation = 0
        self.deaths: Counter[int] = Counter()
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        self.incarnation += 1
        script = f"import os; os.environ['FRAMEBUS_INCARNATION'] = '{self.incarnation}'\n{WORKER}"
        return self.group.run("-c", script, name="hands")

    def look(self) -> None:
        code = self.process.poll()
        if code is not None:
            self.deaths[code] += 1
            how = {"signal": -code} if code < 0 else {"exit_code": code}
            self.group.ask(WorkerLost(worker="hands", incarnation=self.incarnation, log_tail=["its last words"], **how))
            self.process = self.start()


@pytest.mark.timeout(900)
def test_jobs_that_kill_their_worker_end_dead_and_no_other_does_whoever_else_kills_it(group: Group) -> None:
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    group.start()
    poison = {how: group.submit({"how": how}).id for how in ("segv", "exit")}
    good = [group.submit({"how": "good"}).id for _ in range(GOOD)]
    launcher = Launcher(group)
    end_s = time.monotonic() + 20.0 + 5.0 * KILLS
    while True:
        views = {view.id: view for view in group.ask(ListJobs(limit=500)).jobs}
        states = Counter(views[job_id].state for job_id in good)
        if states[JobState.SUCCEEDED] == len(good):
            if launcher.deaths[-signal.SIGKILL] >= KILLS and all(
                views[job_id].state is JobState.DEAD for job_id in poison.values()
            ):
                break
            good += [group.submit({"how": "good"}).id for _ in range(3 if len(views) < 480 else 0)]
        is_at_work = any(view.state is JobState.RUNNING for view in views.values())
        if is_at_work and launcher.deaths[-signal.SIGKILL] < KILLS and rng.random() < 0.5:
            launcher.process.kill()
            launcher.process.wait()
        launcher.look()
        threading.Event().wait(rng.uniform(0.0, 0.1))
        assert time.monotonic() < end_s, (
            {how: views[job_id] for how, job_id in poison.items()},
            states,
            launcher.deaths,
            group.log[-2_000:],
        )
    launcher.process.terminate()
    launcher.process.wait()

    print(f"{dict(launcher.deaths)} deaths by code, {len(good)} good jobs, {dict(states)}")
    assert states == {JobState.SUCCEEDED: len(good)}
    stories = {how: group.ask(GetStory(id=job_id)) for how, job_id in poison.items()}
    # The first death may have come while both were in hand, and then counts for both; from then on each works alone.
    blamed = {how: [move.detail for move in story.moves if "died" in move.detail] for how, story in stories.items()}
    assert {how: sum("SIGKILL" not in detail for detail in details) for how, details in blamed.items()} == {
        "segv": 3,
        "exit": 3,
    }
    assert {how: story.evidence for how, story in stories.items()} == {
        "segv": ["signal 11 (SIGSEGV)", "its last words"],
        "exit": ["exit code 3", "its last words"],
    }
