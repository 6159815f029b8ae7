"""The ledger against a plain model in memory: whatever happens in whatever order, both say the same of every job."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import ACTIVE, FINAL, MAX_CRASHES, MAX_KILLS, JobEvent
from framebus.messages import JobState, JobView
from framebus.requests import BatchAccepted, BatchItem, FailKind, JobDone, LeasedJob, SubmitBatch, SubmitJob
from framebus.settings import QueuePolicy
from services.dispatcher.ledgers import MEMORY, World, raw, result_of
from system.rig import size

T = TypeVar("T")

# No sum of the steps in which time passes is the end of a rest or pause: a rounding error decides nothing.
POLICY = QueuePolicy(
    max_queued=4, max_running=2, max_failures=3, expires_s=1_000.0, pause_s=0.113, rest_s=2.013, rest_limit_s=3.513
)
RATE_LIMIT_S = 7.713
WORKERS = ("left", "right")
IDS = tuple(f"{number:032x}" for number in range(24))
WHAT = ("done", "stopped", "release", "killed", "asked to rest", *FailKind)
QUEUED, RUNNING, PUBLISHING, RETRYING = JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING, JobState.RETRYING
SUCCEEDED, FAILED, CANCELLED, DEAD = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.DEAD
RETRIED = (FailKind.TRANSIENT, FailKind.NO_SPACE, FailKind.RATE_LIMITED)
END = float("-inf")


CAMERAS = ("front", "back")
SAID = {"asked to rest": "rate_limited"}


def params_of(content: int) -> dict[str, object]:
    return {"content": content, "camera": CAMERAS[content]}


class DiedError(Exception):
    """The dispatcher dies before it commits."""


def tried(work: Callable[[], T]) -> T | RefusedError:
    try:
        return work()
    except RefusedError as error:
        return error


@dataclass
class ModelQueue:
    """What a type remembers."""

    streak: int = 0
    rest_until_s: float = END
    last_end_s: float = END
    processed: int = 0
    failed: int = 0
    lines: dict[int, list[str]] = field(default_factory=lambda: {0: [], 1: []})
    """by priority: the cameras that have queued jobs, in the order of their turns"""

    def fail(self, now_s: float, retry_after_s: float | None) -> None:
        self.streak += 1
        rest_s = min(3.513, 2.013 * 2 ** (self.streak - 2)) if self.streak > 1 else 0.0
        rest_s = rest_s if retry_after_s is None else retry_after_s
        if rest_s:
            self.rest_until_s = max(self.rest_until_s, now_s + rest_s)


@dataclass
class Modelled:
    """A job as the design's table has it."""

    content: int
    priority: int
    order: int
    expires_s: float
    machine: "LedgerMachine"
    state: JobState = QUEUED
    fence: int = 0
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    kills: int = 0
    is_suspect: bool = False
    is_flagged: bool = False
    holder: tuple[str, int, int] | None = None
    leased_s: float = 0.0
    retry_s: float = 0.0
    is_broken: bool = False
    """its finished file is gone before it has its name"""
    has_file: bool = False

    @property
    def camera(self) -> str:
        return CAMERAS[self.content]

    def to(self, state: JobState) -> None:
        """What every move does to the queue and its line of cameras."""
        queue, was, self.state = self.machine.queue, self.state, state
        if was in (RUNNING, PUBLISHING) and state is not RUNNING:
            queue.last_end_s = self.machine.now_s
        if state is SUCCEEDED:
            queue.processed, queue.streak = queue.processed + 1, 0
        elif state in (FAILED, DEAD):
            queue.failed += 1
        line = queue.lines[self.priority]
        if was is QUEUED and not any(one.camera == self.camera for one in self.machine.line(self.priority)):
            line.remove(self.camera)
        elif was is QUEUED and state is RUNNING:
            line.remove(self.camera)
            line.append(self.camera)
        elif state is QUEUED and self.camera not in line:
            line.append(self.camera)

    def end(self, state: JobState) -> None:
        self.holder = None
        self.to(state)

    def take_away(self, state: JobState, attempt: int = 0) -> None:
        """The worker did not ask for it: what it says from now on is lost."""
        self.fence += 1
        self.attempt = max(0, self.attempt + attempt) if not self.is_flagged else self.attempt
        self.end(CANCELLED if self.is_flagged else state)


@dataclass
class Facts:
    """What must never go back, as it was seen last."""

    fence: int = 0
    final: JobView | None = None
    seen: set[tuple[str, int]] = field(default_factory=set)


class LedgerMachine(RuleBasedStateMachine):
    leases = Bundle("leases")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fb", dir=MEMORY))
        self.world = World(self.folder, POLICY)
        self.model: dict[str, Modelled] = {}
        self.facts: dict[str, Facts] = {}
        self.boots = 1
        self.incarnations = dict.fromkeys(WORKERS, 1)
        self.given: set[tuple[str, int]] = set()
        self.queue = ModelQueue()
        self.is_low = False
        self.seen: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            shutil.rmtree(self.folder)

    @property
    def now_s(self) -> float:
        return self.world.clock.boot_s()

    def line(self, priority: int) -> list[Modelled]:
        return [job for job in self.model.values() if job.state is QUEUED and job.priority == priority]

    @property
    def next_in_line(self) -> str | None:
        for priority in (1, 0):
            if self.line(priority):
                camera = self.queue.lines[priority][0]
                of_camera = [job for job in self.line(priority) if job.camera == camera]
                first = min(of_camera, key=lambda job: job.order)
                return next(job_id for job_id, job in self.model.items() if job is first)
        return None

    def add(self, job_id: str, content: int, priority: int) -> None:
        job = Modelled(content, priority, len(self.model), self.now_s + POLICY.expires_s, self)
        self.model[job_id] = job
        self.facts[job_id] = Facts()
        if job.camera not in self.queue.lines[priority]:
            self.queue.lines[priority].append(job.camera)

    def in_state(self, *states: JobState) -> list[str]:
        return [job_id for job_id, job in self.model.items() if job.state in states]

    # Users ------------------------------------------------------------------------------------------------------------

    @rule(job_id=st.sampled_from(IDS[:6]), content=st.integers(0, 1), priority=st.integers(0, 1))
    def submit_or_submit_again(self, job_id: str, content: int, priority: int) -> None:
        known = self.model.get(job_id)
        is_full = len(self.in_state(QUEUED, RETRYING)) >= POLICY.max_queued

        accepted = tried(lambda: self.world.submit(job_id, params=params_of(content), priority=priority))

        if isinstance(accepted, RefusedError):
            if known is not None:
                assert (accepted.code, content != known.content) == (ErrorCode.CONFLICT, True)
            elif self.is_low:
                assert accepted.code is ErrorCode.NO_SPACE
            else:
                assert (accepted.code, is_full) == (ErrorCode.QUEUE_FULL, True)
                assert (accepted.retry_after_s or 0.0) > 0.0
            return
        assert accepted.created is (known is None)
        if known is None:
            assert not is_full
            assert not self.is_low
            self.add(job_id, content, priority)
            if job_id == self.next_in_line:
                assert accepted.position == 1
        else:
            assert (known.content, known.state) == (content, accepted.state)

    @rule(wanted=st.lists(st.tuples(st.sampled_from(IDS[:6]), st.integers(0, 1)), min_size=1, max_size=3))
    def submit_a_batch(self, wanted: list[tuple[str, int]]) -> None:
        new = {job_id for job_id, _ in wanted if job_id not in self.model}
        fits = len(self.in_state(QUEUED, RETRYING)) + len(new) <= POLICY.max_queued
        items = [
            BatchItem(job=SubmitJob(type="mine", id=one, params=raw(params_of(content)))) for one, content in wanted
        ]
        before = len(self.world.moves)

        outcome = tried(
            lambda: self.world.commit(lambda: self.world.users.submit_batch(SubmitBatch(items=items), bytes(16)))
        )

        if new and (not fits or self.is_low):
            assert isinstance(outcome, RefusedError)
            assert outcome.code is (ErrorCode.QUEUE_FULL if not fits else ErrorCode.NO_SPACE)
            assert len(self.world.moves) == before
            return
        assert isinstance(outcome, BatchAccepted)
        for (job_id, content), answer in zip(wanted, outcome.items, strict=True):
            known = self.model.get(job_id)
            if known is not None and known.content != content:
                assert answer.error is not None
                assert answer.error.code == ErrorCode.CONFLICT
                continue
            assert answer.job is not None
            assert answer.job.created is (known is None)
            if known is None:
                self.add(job_id, content, 0)

    @rule(job_id=st.sampled_from(IDS[:6]))
    def read_the_story(self, job_id: str) -> None:
        if job_id in self.model:
            story = self.world.users.story(job_id)
            self.world.commit(lambda: self.world.users.note_seen(job_id))
            assert story.moves[-1].state is self.model[job_id].state
            if self.model[job_id].state is DEAD:
                assert story.evidence
                self.seen.add(job_id)

    @rule(job_id=st.sampled_from(IDS), worker=st.sampled_from(WORKERS))
    def disk_fills_and_is_tidied_up(self, job_id: str, worker: str) -> None:
        self.is_low = True
        floor_bytes, self.world.room._floor_bytes = self.world.room._floor_bytes, 2**60
        self.submit_or_submit_again(job_id, 0, 0)
        self._lease(worker, 0)
        self.is_low = False
        self.world.room._floor_bytes = floor_bytes

    @rule(job_id=st.sampled_from(IDS[:6]))
    def cancel(self, job_id: str) -> None:
        job = self.model.get(job_id)

        outcome = tried(lambda: self.world.cancel(job_id))

        if job is None or job.state is PUBLISHING:
            assert isinstance(outcome, RefusedError)
            assert outcome.code is (ErrorCode.NOT_FOUND if job is None else ErrorCode.TOO_LATE)
            return
        assert isinstance(outcome, JobView)
        if job.state in (QUEUED, RETRYING):
            job.end(CANCELLED)
        elif job.state is RUNNING:
            job.is_flagged = True

    # Workers ----------------------------------------------------------------------------------------------------------

    @rule(target=leases, worker=st.sampled_from(WORKERS), slot=st.integers(0, 1))
    def lease(self, worker: str, slot: int) -> object:
        return self._lease(worker, slot)

    @rule(target=leases, worker=st.sampled_from(WORKERS), slot=st.integers(0, 1), seconds=st.sampled_from([0.2, 10.0]))
    def wait_and_lease(self, worker: str, slot: int, seconds: float) -> object:
        self.time_passes(seconds)
        return self._lease(worker, slot)

    @rule(target=leases, worker=st.sampled_from(WORKERS), slot=st.integers(0, 1), content=st.integers(0, 1))
    def submit_rest_and_lease(self, worker: str, slot: int, content: int) -> object:
        """Most of what can happen happens to a job that has been leased: get there soon."""
        self.submit_or_submit_again(IDS[min(len(self.model), len(IDS) - 1)], content, 0)
        self.time_passes(
            max(self.queue.rest_until_s, self.queue.last_end_s + POLICY.pause_s, self.now_s) - self.now_s + 0.01
        )
        return self._lease(worker, slot)

    @rule(worker=st.sampled_from(WORKERS), slot=st.integers(0, 1), what=st.sampled_from(WHAT))
    def rest_and_work(self, worker: str, slot: int, what: str) -> None:
        leased = self.submit_rest_and_lease(worker, slot, 0)
        if isinstance(leased, LeasedJob):
            self.worker_says(leased, what)

    @rule(target=leases, worker=st.sampled_from(WORKERS), slot=st.integers(0, 1))
    def start_anew_and_lease(self, worker: str, slot: int) -> object:
        self.incarnations[worker] += 1
        return self._lease(worker, slot)

    def _lease(self, worker: str, slot: int) -> object:
        incarnation = self.incarnations[worker]
        for job in self.model.values():
            if job.holder is not None and job.holder[0] == worker and job.holder[1] < incarnation:
                job.take_away(QUEUED, attempt=-1)
        held = [one for one in self.model if self.model[one].holder == (worker, incarnation, slot)]
        first = self.next_in_line
        has_room = len(self.in_state(RUNNING)) < POLICY.max_running and not self.is_low
        is_resting = max(self.queue.rest_until_s, self.queue.last_end_s + POLICY.pause_s) > self.now_s
        in_hand = [job for job in self.model.values() if job.holder is not None and job.holder[0] == worker]
        is_kept_apart = bool(in_hand) and first is not None
        is_kept_apart &= any(job.is_suspect for job in [*in_hand, *([self.model[first]] if first else [])])

        leased = self.world.lease(worker, incarnation, slot)

        if held:
            assert leased is not None
            assert (leased.id, leased.fence) == (held[0], self.model[held[0]].fence)
            return leased
        if first is None or not has_room or is_resting or is_kept_apart:
            assert leased is None
            return multiple()
        assert leased is not None
        assert leased.id == first
        job = self.model[leased.id]
        job.to(RUNNING)
        job.holder, job.leased_s = (worker, incarnation, slot), self.now_s
        job.fence, job.attempt = job.fence + 1, job.attempt + 1
        assert (leased.fence, leased.attempt) == (job.fence, job.attempt)
        assert (leased.id, leased.fence) not in self.given
        self.given.add((leased.id, leased.fence))
        return leased

    @rule(leased=leases, what=st.sampled_from(WHAT))
    def worker_says(self, leased: LeasedJob, what: str) -> None:
        """Also zombies: a lease may have been over for long."""
        job = self.model[leased.id]

        outcome = tried(lambda: self._say(leased, what))

        if job.fence > leased.fence:
            assert isinstance(outcome, RefusedError)
            assert outcome.code is ErrorCode.LOST
            return
        if job.state is RUNNING:
            self._hear(job, leased, what)
        if what == "done":
            self._check_outcome(job, outcome)
        else:
            assert isinstance(outcome, JobView)
            assert outcome.state is job.state

    def _say(self, leased: LeasedJob, what: str) -> object:
        if what == "done":
            return self.world.done(leased, {"fence": leased.fence})
        if what == "stopped":
            return self.world.stopped(leased)
        if what == "release":
            return self.world.release(leased)
        if what == "killed":
            return self.world.fail(leased, FailKind.CRASH, signal=9)
        more = {"retry_after_s": RATE_LIMIT_S} if what == "asked to rest" else {}
        return self.world.fail(leased, FailKind(SAID.get(what, what)), **more)

    def _hear(self, job: Modelled, leased: LeasedJob, what: str) -> None:
        rest_s = RATE_LIMIT_S if what == "asked to rest" else None
        what = SAID.get(what, what)
        if what in (FailKind.CRASH, "killed"):
            self._die(leased.id, job, 9 if what == "killed" else 11, is_alone=True, was_oom=False)
        elif job.is_flagged:
            job.end(CANCELLED)
        elif what == "done":
            job.end(SUCCEEDED)
        elif what == "release":
            job.attempt -= 1
            job.end(QUEUED)
        elif what in RETRIED:
            if what == FailKind.RATE_LIMITED and rest_s is None:
                rest_s = min(3.513, 2.013 * 2 ** max(0, self.queue.streak - 1))
            if what != FailKind.NO_SPACE:
                self.queue.fail(self.now_s, rest_s)
            self._retry(leased.id, job, 1 if what == FailKind.TRANSIENT else 0, rests=rest_s is not None)
        elif what != "stopped":
            job.failures += 1
            job.end(FAILED)

    def _die(self, job_id: str, job: Modelled, signal: int, *, is_alone: bool, was_oom: bool) -> None:
        """The death of a process, as the specification has it, for each job in its hands."""
        if signal == 15 or job.is_flagged:
            job.take_away(QUEUED, attempt=-1)
            return
        job.is_suspect = True
        if signal == 11 or was_oom:
            job.crashes += 1
            job.take_away(DEAD if job.crashes == MAX_CRASHES else QUEUED)
        elif not is_alone:
            job.take_away(QUEUED, attempt=-1)
        elif job.kills + 1 == MAX_KILLS:
            job.kills += 1
            job.take_away(DEAD)
        else:
            job.kills += 1
            job.take_away(RETRYING, attempt=-1)
            wait_s = (self.world.row(job_id).not_before or 0.0) - self.world.clock.wall_s()
            base_s = min(POLICY.backoff_limit_s, POLICY.backoff_s * 2 ** (job.kills - 1))
            assert 0.79 * base_s <= wait_s <= 1.21 * base_s
            job.retry_s = self.now_s + wait_s

    def _retry(self, job_id: str, job: Modelled, failures: int, *, rests: bool = False) -> None:
        job.failures += failures
        if failures and job.failures >= POLICY.max_failures:
            job.end(FAILED)
            return
        job.end(RETRYING)
        wait_s = (self.world.row(job_id).not_before or 0.0) - self.world.clock.wall_s()
        base_s = POLICY.backoff_s * 2 ** (job.failures - 1)
        if rests:
            assert abs(wait_s - (self.queue.rest_until_s - self.now_s)) < 1e-3
        else:
            assert abs(wait_s - 30.0) < 1e-3 if failures == 0 else 0.79 * base_s <= wait_s <= 1.21 * base_s
        job.retry_s = self.now_s + wait_s

    def _check_outcome(self, job: Modelled, outcome: object) -> None:
        if job.state is SUCCEEDED:
            assert isinstance(outcome, JobView)
            assert outcome.state is SUCCEEDED
        else:
            assert isinstance(outcome, RefusedError)
            assert outcome.code is (ErrorCode.CANCELLED if job.state is CANCELLED else ErrorCode.LOST)

    @rule(leased=leases, is_broken=st.booleans())
    def worker_has_files(self, leased: LeasedJob, is_broken: bool) -> None:
        job = self.model[leased.id]
        if (leased.id, leased.fence) in self.facts[leased.id].seen and job.state is PUBLISHING:
            return  # the same files said again: the first ones are on their way
        request = self.world.write(leased, "clip.mp4", result={"fence": leased.fence})
        temp = self.world.exports / request.files[0].temp

        outcome = tried(lambda: self.world.prepared(request))

        if job.fence > leased.fence:
            assert isinstance(outcome, RefusedError)
            assert outcome.code is ErrorCode.LOST
            temp.unlink()
            return
        if job.state is RUNNING and not job.is_flagged:
            self.facts[leased.id].seen.add((leased.id, leased.fence))
            job.is_broken, job.holder = is_broken, None
            job.to(PUBLISHING)
            assert outcome is None
            if is_broken:
                temp.unlink()
            return
        temp.unlink()
        if job.state is RUNNING:
            job.end(CANCELLED)
        self._check_outcome(job, outcome)

    @rule(
        worker=st.sampled_from(WORKERS),
        how=st.sampled_from(
            [
                {"by_us": True, "signal": 9},
                {"exit_code": 0},
                {"signal": 15},
                {"signal": 9},
                {"signal": 11},
                {"hung": True},
            ]
        ),
        is_oom=st.booleans(),
    )
    def worker_dies(self, worker: str, how: dict[str, object], is_oom: bool) -> None:
        incarnation = self.incarnations[worker]
        is_oom &= how == {"signal": 9}
        self.world.oom_kills += is_oom
        self.world.clock.advance(0.01)
        is_alone = sum(job.holder is not None and job.holder[0] == worker for job in self.model.values()) == 1
        self.world.lose(worker, incarnation, **how)
        for job_id, job in self.model.items():
            if job.holder is None or job.holder[0] != worker:
                continue
            if "hung" in how and not job.is_flagged:
                job.fence += 1
                self.queue.fail(self.now_s, None)
                self._retry(job_id, job, 1)
            elif "signal" in how and "by_us" not in how:
                self._die(job_id, job, int(str(how["signal"])), is_alone=is_alone, was_oom=is_oom)
            else:
                job.take_away(QUEUED, attempt=-1)
        self.incarnations[worker] += 1

    # The dispatcher itself --------------------------------------------------------------------------------------------

    @rule(leased=leases, event=st.sampled_from([JobEvent.VOID, JobEvent.STALLED]))
    def lease_ends(self, leased: LeasedJob, event: JobEvent) -> None:
        job = self.model[leased.id]
        self.world.commit(lambda: self.world.workers.end_lease(leased.id, leased.fence, event, "over"))
        if job.fence != leased.fence or job.state is not RUNNING:
            return
        if event is JobEvent.VOID or job.is_flagged:
            job.take_away(QUEUED, attempt=-1)
        else:
            job.fence += 1
            self.queue.fail(self.now_s, None)
            self._retry(leased.id, job, 1)

    @rule()
    def files_get_their_names(self) -> None:
        for job_id in self.in_state(PUBLISHING):
            job = self.model[job_id]
            self.world.publish(job_id)
            if job.is_broken:
                self._retry(job_id, job, 1)
            else:
                job.end(SUCCEEDED)
                job.has_file = True

    @rule(same_boot=st.booleans())
    def dispatcher_starts_again(self, same_boot: bool) -> None:
        self.boots += 0 if same_boot else 1
        self.world.restart(f"boot-{self.boots}")
        for job in self.model.values():
            if job.state is RUNNING and not same_boot:
                job.take_away(QUEUED, attempt=-1)
            elif job.state is PUBLISHING and job.is_broken:
                job.fence += 1
                job.end(QUEUED)
            elif job.state is PUBLISHING:
                job.end(SUCCEEDED)
                job.has_file = True

    @rule(worker=st.sampled_from(WORKERS), job_id=st.sampled_from(IDS))
    def dispatcher_dies_before_it_commits(self, worker: str, job_id: str) -> None:
        def work() -> None:
            users, workers = self.world.users, self.world.workers
            if job_id in self.model:
                if self.model[job_id].state is not PUBLISHING:
                    users.cancel(job_id)
                if self.model[job_id].state is RUNNING:
                    workers.done(JobDone(id=job_id, fence=self.model[job_id].fence, result=raw({})))
            raise DiedError

        with contextlib.suppress(DiedError):
            self.world.commit(work)

    # Time -------------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.05, 1.0, 5.0, 40.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.alarms = list(self.world.ledger._alarms._alarms)  # those of one moment come in this order
        self.world.advance(seconds)
        for job_id in self.alarms:
            job = self.model[job_id]
            if job.state in (QUEUED, RUNNING, RETRYING) and job.expires_s <= self.now_s:
                job.fence += job.state is RUNNING
                job.end(FAILED)
            elif job.state is RETRYING and job.retry_s <= self.now_s:
                job.to(QUEUED)

    @rule(seconds=st.sampled_from([3_600.0, -3_600.0, 86_400.0, -86_400.0]))
    def the_wall_clock_jumps_and_jumps_back(self, seconds: float) -> None:
        """Back before a restart could see it: then a job's times on the wall are all that is left."""
        self.world.clock.jump_wall(seconds)
        self.time_passes(0.05)
        self.world.clock.jump_wall(-seconds)

    # What always holds ------------------------------------------------------------------------------------------------

    @invariant()
    def both_say_the_same(self) -> None:
        for job_id, job in self.model.items():
            row = self.world.row(job_id)
            told = (row.state, row.fence, row.attempt, row.failures, row.crashes, row.kills)
            assert told == (job.state, job.fence, job.attempt, job.failures, job.crashes, job.kills), job_id
            assert (row.owner, row.incarnation, row.slot) == job.holder or job.holder is None

    @invariant()
    def queues_are_as_modelled(self) -> None:
        told, queue = self.world.ledger.queues.of("mine"), self.queue
        assert (told.streak, told.processed, told.failed) == (queue.streak, queue.processed, queue.failed)
        for one, other in ((told.last_end_s, queue.last_end_s), (told.rest_until_s, queue.rest_until_s)):
            assert max(one, self.now_s) == pytest.approx(max(other, self.now_s), abs=1e-3)
        status = self.world.users.queue("mine")
        assert (status.waiting, status.running) == (len(self.in_state(QUEUED, RETRYING)), len(self.in_state(RUNNING)))
        assert 0.0 <= status.estimated_wait_s < 1e6

    @invariant()
    def the_line_holds_the_cameras_that_have_queued_jobs(self) -> None:
        turns = list(self.world.ledger.store.turns("mine", 100))
        assert turns == [(priority, camera) for priority in (1, 0) for camera in self.queue.lines[priority]]
        line = [self.world.row(job_id) for job_id in self.in_state(QUEUED)]
        ahead = [self.world.ledger.store.ahead_of(row) for row in line]
        assert sorted(ahead) == list(range(len(line)))
        assert [row.id for row, count in zip(line, ahead, strict=True) if count == 0] == [self.next_in_line][
            : len(line)
        ]

    @invariant()
    def no_accepted_job_is_lost_and_every_active_one_will_be_looked_at(self) -> None:
        store = self.world.ledger.store
        assert {job.id for job in store.in_states(*ACTIVE, *FINAL)} == set(self.model)
        looked_at = {one for one, alarm in self.world.ledger._alarms._alarms.items() if alarm.due_s is not None}
        assert looked_at == set(self.in_state(QUEUED, RUNNING, RETRYING))

    @invariant()
    def fences_never_decrease_and_ends_never_change(self) -> None:
        for job_id, facts in self.facts.items():
            row = self.world.row(job_id)
            assert row.fence >= facts.fence
            facts.fence = row.fence
            if facts.final is not None:
                assert row.view() == facts.final
            facts.final = row.view() if row.state in FINAL else None

    @invariant()
    def a_running_job_has_one_owner_and_a_slot_one_job(self) -> None:
        holders = [job.holder for job in self.model.values() if job.holder is not None]
        assert len(holders) == len(set(holders)) == len(self.in_state(RUNNING))
        assert len(holders) <= POLICY.max_running

    @invariant()
    def counts_are_those_of_the_table(self) -> None:
        told = {state: number for state, number in self.world.ledger.counts.get("mine", {}).items() if number}
        assert told == self.world.ledger.store.counts().get("mine", {})

    @invariant()
    def each_job_that_succeeded_has_its_own_file_whole(self) -> None:
        seen = {name for name in self.world.files() if not name.startswith(".")}
        named = set()
        for job_id in [job_id for job_id, job in self.model.items() if job.has_file]:
            result = result_of(self.world.users.get(job_id))
            assert isinstance(result, dict)
            (name,) = result["files"]
            assert (self.world.exports / name).read_text() == f"clip.mp4 of {job_id}"
            named.add(name)
        assert seen == named
        assert len(named) == sum(job.has_file for job in self.model.values())


LedgerMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("FRAMEBUS_EXAMPLES", size(100, 1_000))),
    stateful_step_count=int(os.environ.get("FRAMEBUS_STEPS", "50")),
    derandomize="FRAMEBUS_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestLedgerMachine = LedgerMachine.TestCase
