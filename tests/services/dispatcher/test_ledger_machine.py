"""The ledger against a plain model in memory: whatever happens in whatever order, both say the same of every job."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import ACTIVE, FINAL, JobEvent
from framebus.messages import JobState, JobView
from framebus.requests import FailKind, LeasedJob
from framebus.settings import QueuePolicy
from services.dispatcher.ledgers import World, raw, result_of

T = TypeVar("T")

POLICY = QueuePolicy(max_queued=4, max_running=2, max_failures=3, expires_s=1_000.0)
WORKERS = ("left", "right")
IDS = tuple(f"{number:032x}" for number in range(6))
QUEUED, RUNNING, PUBLISHING, RETRYING = JobState.QUEUED, JobState.RUNNING, JobState.PUBLISHING, JobState.RETRYING
SUCCEEDED, FAILED, CANCELLED = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED
RETRIED = (FailKind.TRANSIENT, FailKind.NO_SPACE)


class DiedError(Exception):
    """The dispatcher dies before it commits."""


def tried(work: Callable[[], T]) -> T | RefusedError:
    try:
        return work()
    except RefusedError as error:
        return error


@dataclass
class Modelled:
    """A job as the design's table has it."""

    content: int
    priority: int
    order: int
    expires_s: float
    state: JobState = QUEUED
    fence: int = 0
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    is_flagged: bool = False
    holder: tuple[str, int, int] | None = None
    retry_s: float = 0.0
    is_broken: bool = False
    """its finished file is gone before it has its name"""
    has_file: bool = False

    def end(self, state: JobState) -> None:
        self.state, self.holder = state, None

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
        self.folder = Path(tempfile.mkdtemp(prefix="fb"))
        self.world = World(self.folder, POLICY)
        self.model: dict[str, Modelled] = {}
        self.facts: dict[str, Facts] = {}
        self.boots = 1
        self.incarnations = dict.fromkeys(WORKERS, 1)
        self.given: set[tuple[str, int]] = set()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            shutil.rmtree(self.folder)

    @property
    def now_s(self) -> float:
        return self.world.clock.boot_s()

    def in_state(self, *states: JobState) -> list[str]:
        return [job_id for job_id, job in self.model.items() if job.state in states]

    # Users ------------------------------------------------------------------------------------------------------------

    @rule(job_id=st.sampled_from(IDS), content=st.integers(0, 1), priority=st.integers(0, 1))
    def submit_or_submit_again(self, job_id: str, content: int, priority: int) -> None:
        known = self.model.get(job_id)
        is_full = len(self.in_state(QUEUED, RETRYING)) >= POLICY.max_queued

        accepted = tried(lambda: self.world.submit(job_id, params={"content": content}, priority=priority))

        if isinstance(accepted, RefusedError):
            expected = is_full if known is None else content != known.content
            assert (accepted.code, expected) == (ErrorCode.QUEUE_FULL if known is None else ErrorCode.CONFLICT, True)
            return
        assert accepted.created is (known is None)
        if known is None:
            assert not is_full
            self.model[job_id] = Modelled(content, priority, len(self.model), self.now_s + POLICY.expires_s)
            self.facts[job_id] = Facts()
        else:
            assert (known.content, known.state) == (content, accepted.state)

    @rule(job_id=st.sampled_from(IDS))
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
        line = sorted(self.in_state(QUEUED), key=lambda one: (-self.model[one].priority, self.model[one].order))
        has_room = len(self.in_state(RUNNING)) < POLICY.max_running

        leased = self.world.lease(worker, incarnation, slot)

        if held:
            assert leased is not None
            assert (leased.id, leased.fence) == (held[0], self.model[held[0]].fence)
            return leased
        if not line or not has_room:
            assert leased is None
            return multiple()
        assert leased is not None
        assert leased.id == line[0]
        job = self.model[leased.id]
        job.state, job.holder = RUNNING, (worker, incarnation, slot)
        job.fence, job.attempt = job.fence + 1, job.attempt + 1
        assert (leased.fence, leased.attempt) == (job.fence, job.attempt)
        assert (leased.id, leased.fence) not in self.given
        self.given.add((leased.id, leased.fence))
        return leased

    @rule(leased=leases, what=st.sampled_from(["done", "stopped", "release", *FailKind]))
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
        return self.world.release(leased) if what == "release" else self.world.fail(leased, FailKind(what))

    def _hear(self, job: Modelled, leased: LeasedJob, what: str) -> None:
        if what == FailKind.CRASH:
            job.crashes += 0 if job.is_flagged else 1
            job.take_away(QUEUED)
        elif job.is_flagged:
            job.end(CANCELLED)
        elif what == "done":
            job.end(SUCCEEDED)
        elif what == "release":
            job.attempt -= 1
            job.end(QUEUED)
        elif what in RETRIED:
            self._retry(leased.id, job, 0 if what == FailKind.NO_SPACE else 1)
        elif what != "stopped":
            job.failures += 1
            job.end(FAILED)

    def _retry(self, job_id: str, job: Modelled, failures: int) -> None:
        job.failures += failures
        if failures and job.failures >= POLICY.max_failures:
            job.end(FAILED)
            return
        job.end(RETRYING)
        wait_s = (self.world.row(job_id).not_before or 0.0) - self.world.clock.wall_s()
        base_s = POLICY.backoff_s * 2 ** (job.failures - 1)
        assert wait_s == 30.0 if failures == 0 else 0.79 * base_s <= wait_s <= 1.21 * base_s
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
            job.state, job.is_broken, job.holder = PUBLISHING, is_broken, None
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
        how=st.sampled_from([{"by_us": True, "signal": 15}, {"exit_code": 0}, {"signal": 11}, {"hung": True}]),
    )
    def worker_dies(self, worker: str, how: dict[str, object]) -> None:
        incarnation = self.incarnations[worker]
        self.world.lose(worker, incarnation, **how)
        for job_id, job in self.model.items():
            if job.holder is None or job.holder[0] != worker:
                continue
            if "hung" in how and not job.is_flagged:
                job.fence += 1
                self._retry(job_id, job, 1)
            elif how.get("signal") == 11 and not job.is_flagged:
                job.crashes += 1
                job.take_away(QUEUED)
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
                    workers.done(job_id, self.model[job_id].fence, raw({}))
            raise DiedError

        with contextlib.suppress(DiedError):
            self.world.commit(work)

    # Time -------------------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.05, 1.0, 1.0, 5.0, 40.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)
        for job in self.model.values():
            if job.state in (QUEUED, RUNNING, RETRYING) and job.expires_s <= self.now_s:
                job.fence += job.state is RUNNING
                job.end(FAILED)
            elif job.state is RETRYING and job.retry_s <= self.now_s:
                job.state = QUEUED

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
            told = (row.state, row.fence, row.attempt, row.failures, row.crashes)
            assert told == (job.state, job.fence, job.attempt, job.failures, job.crashes), job_id
            assert (row.owner, row.incarnation, row.slot) == job.holder or job.holder is None

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
    max_examples=100,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestLedgerMachine = LedgerMachine.TestCase
