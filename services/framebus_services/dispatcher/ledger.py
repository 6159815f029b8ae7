"""The ledger: makes the moves of jobs. Reads the table, writes rows, and remembers who must be told.

What users and workers ask of it is in `users` and `workers`; files get their names in `publisher`. All of it is used by
one thread, inside the transactions that `clerk` opens.
"""

from collections.abc import Callable
from dataclasses import dataclass

from framebus.clock import Clock
from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import ACTIVE, FINAL, MAX_ERROR_CHARACTERS, NO_SPACE_RETRY_S, JobEvent, find_move
from framebus.messages import JobState, JobView
from framebus.redact import redact
from framebus.settings import QueuePolicy
from framebus.throttle import backoff_s
from framebus_services.dispatcher.alarms import Alarms
from framebus_services.dispatcher.forecast import Facts
from framebus_services.dispatcher.job import Job
from framebus_services.dispatcher.moved import Moved
from framebus_services.dispatcher.queues import AT_WORK, Queue, Queues
from framebus_services.dispatcher.store import Store

MAX_TURNS = 500
"""cameras whose turns are told: more than boards show jobs"""
Progress = tuple[str, float]
"""step and percent"""


@dataclass(frozen=True)
class Mark:
    """A point of a transaction that can be gone back to."""

    moves: int
    to_publish: int
    queues: dict[str, Queue]


class Ledger:
    """All jobs. Methods raise RefusedError for what is refused; `moves` tells what they changed."""

    def __init__(
        self,
        store: Store,
        policy_of: Callable[[str], QueuePolicy],
        *,
        clock: Clock,
        boot_id: str,
        progress_of: Callable[[str], Progress | None],
    ) -> None:
        self.store = store
        self.policy_of = policy_of
        self.clock = clock
        self.boot_id = boot_id
        self.queues = Queues(store, clock, policy_of)
        self.moves: list[Moved] = []
        self.to_publish: list[str] = []
        self.counts: dict[str, dict[JobState, int]] = {}
        self.has_leftovers = False
        """a worker lost its job, and may have left temporary files"""
        self._progress_of = progress_of
        self._alarms = Alarms(clock, policy_of, lambda kind: self.queues.of(kind).rest_until_s)
        self._committed = self.queues.mark()
        self._waiting_since_s: dict[str, float] = {}
        self.reload_counts()

    def reload_counts(self) -> None:
        """Count anew what is on disk: at the start, and after something was undone."""
        self.counts = self.store.counts()
        for kind in self.counts:
            self._note_waiting(kind)

    def take_moves(self) -> list[Moved]:
        """What the last commit changed: it is true from now on."""
        moves, self.moves = self.moves, []
        for moved in moves:
            self._alarms.set(moved.view.id, moved.alarm)
        self._committed = self.queues.mark()
        return moves

    def mark(self) -> Mark:
        return Mark(len(self.moves), len(self.to_publish), self.queues.mark())

    def undo(self, mark: Mark | None = None) -> None:
        """Forget what was done since the mark, or since the last commit."""
        is_all = mark is None
        mark = mark or Mark(0, 0, self._committed)
        self.queues.undo(mark.queues)
        if is_all or len(self.moves) > mark.moves:
            del self.moves[mark.moves :]
            del self.to_publish[mark.to_publish :]
            self.reload_counts()

    # Moves ------------------------------------------------------------------------------------------------------------

    def move(self, job: Job, event: JobEvent, detail: str, *, rest_s: float | None = None) -> bool:
        """Let something happen to a job; False when it changes nothing. `rest_s`: what its worker asks the type for."""
        policy = self.policy_of(job.type)
        move = find_move(
            job.state,
            event,
            is_flagged=job.cancel_requested,
            failures=job.failures,
            max_failures=policy.max_failures,
            crashes=job.crashes,
            kills=job.kills,
        )
        if move is None:
            return False
        was, job.state = job.state, move.to
        job.fence += move.fence
        job.attempt = max(0, job.attempt + move.attempt)
        job.failures += move.failures
        job.crashes += move.crashes
        job.kills += move.kills
        if move.is_flag:
            job.cancel_requested = True
        self.queues.note(job.type, was, event, move.to, self._worked_s(job), rest_s)
        if was is JobState.RUNNING:
            job.step, job.percent = self._progress_of(job.id) or (job.step, job.percent)
            self.has_leftovers |= move.fence > 0
        if move.to is JobState.RUNNING and was is JobState.QUEUED:
            job.step, job.percent = "", 0.0
        elif move.to is JobState.RETRYING:
            job.not_before = self.clock.wall_s() + self._retry_wait_s(job, event)
        elif move.to in FINAL:
            self._end(job)
        if move.to not in AT_WORK:
            job.owner = None
        if move.to not in (JobState.PUBLISHING, JobState.SUCCEEDED):
            job.files = job.result = None  # only what was published has a result
        job.rev += 1
        self.store.update(job)
        self.tell(job, was, detail)
        return True

    def _end(self, job: Job) -> None:
        job.ended_at = max(job.started_at or job.created_at, self.clock.wall_s())
        if job.state is JobState.SUCCEEDED:
            job.step, job.percent, job.error_code, job.error_message = "done", 100.0, None, None
        elif job.state is JobState.CANCELLED:
            self.set_error(job, ErrorCode.CANCELLED, "cancelled")

    def _worked_s(self, job: Job) -> float | None:
        if job.leased_up_s is None or job.boot_id != self.boot_id:
            return None  # leased in another boot: nobody knows
        return max(0.0, self.clock.boot_s() - job.leased_up_s)

    def _retry_wait_s(self, job: Job, event: JobEvent) -> float:
        if event is JobEvent.FAIL_NO_SPACE:
            return NO_SPACE_RETRY_S
        if event is JobEvent.FAIL_RATE_LIMITED:
            return max(0.0, self.queues.of(job.type).rest_until_s - self.clock.boot_s())
        policy = self.policy_of(job.type)
        tries = job.kills if event is JobEvent.KILLED else job.failures
        return backoff_s(max(tries, 1), base_s=policy.backoff_s, limit_s=policy.backoff_limit_s)

    def tell(self, job: Job, was: JobState | None, detail: str) -> None:
        """Write a move down, for the story of the job and for those who must know."""
        self.store.note(job, self.clock.wall_s(), detail)
        counts = self.counts.setdefault(job.type, {})
        if was is not None:
            counts[was] = counts.get(was, 0) - 1
        counts[job.state] = counts.get(job.state, 0) + 1
        self._note_waiting(job.type)
        self.moves.append(Moved.of(job, was, self._alarms.alarm_of(job)))

    def set_error(self, job: Job, code: str, text: str) -> None:
        job.error_code, job.error_message = str(code), redact(text)[:MAX_ERROR_CHARACTERS]

    # Time -------------------------------------------------------------------------------------------------------------

    def watch_all(self) -> None:
        """After a start: every active job has an alarm."""
        for job in self.active_jobs():
            self._alarms.set(job.id, self._alarms.alarm_of(job))

    def run_due(self) -> None:
        """Bring back jobs whose retry is due, and end those that expired."""
        for job_id, has_expired in self._alarms.due():
            job = self.known(job_id)
            if not has_expired:
                self.move(job, JobEvent.DUE, "tried again")
                continue
            if job.error_code is None:
                self.set_error(job, ErrorCode.DEADLINE, "it did not end in time")
            self.move(job, JobEvent.EXPIRE, "expired")

    def next_due_s(self) -> float | None:
        """Boot time at which `run_due` has something to do."""
        return self._alarms.next_due_s()

    def next_ready_s(self) -> float | None:
        """Boot time at which the first type has rested enough whose jobs wait."""
        now_s = self.clock.boot_s()
        readies = [self.queues.ready_s(kind) for kind in self.counts if self.count(kind, JobState.QUEUED)]
        return min((ready_s for ready_s in readies if ready_s > now_s), default=None)

    # Looking ----------------------------------------------------------------------------------------------------------

    def view(self, job: Job) -> JobView:
        if job.state is JobState.RUNNING:
            job.step, job.percent = self._progress_of(job.id) or (job.step, job.percent)
        return job.view()

    def count(self, kind: str, state: JobState) -> int:
        return self.counts.get(kind, {}).get(state, 0)

    def waiting(self, kind: str) -> int:
        """Jobs that take places in the queue."""
        return self.count(kind, JobState.QUEUED) + self.count(kind, JobState.RETRYING)

    def facts(self, kind: str) -> Facts:
        """All that is told of a queue."""
        queue = self.queues.of(kind)
        return Facts(
            policy=self.policy_of(kind),
            waiting=self.waiting(kind),
            at_work=tuple(self.store.at_work(kind)) if self.count(kind, JobState.RUNNING) else (),
            ready_s=self.queues.ready_s(kind),
            rest_until_s=queue.rest_until_s,
            turns=self.store.turns(kind, MAX_TURNS) if self.count(kind, JobState.QUEUED) else {},
            waiting_since_s=self._waiting_since_s.get(kind),
            avg_duration_s=queue.avg_duration_s,
            processed=queue.processed,
            failed=queue.failed,
        )

    def active_jobs(self) -> list[Job]:
        return self.store.in_states(*ACTIVE)

    def known(self, job_id: str) -> Job:
        job = self.store.get(job_id)
        if job is None:
            raise RefusedError(ErrorCode.NOT_FOUND, f"there is no job {job_id}")
        return job

    def held(self, job_id: str, fence: int) -> Job:
        job = self.known(job_id)
        if job.fence != fence:
            raise RefusedError(ErrorCode.LOST, f"job {job_id} was given to another worker")
        return job

    def _note_waiting(self, kind: str) -> None:
        if not self.count(kind, JobState.QUEUED):
            self._waiting_since_s.pop(kind, None)
        else:
            self._waiting_since_s.setdefault(kind, self.clock.boot_s())
