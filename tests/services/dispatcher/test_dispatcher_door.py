"""What is asked of the real dispatcher through its real door: queues that are full, batches, cases, stories."""

import threading

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobState
from framebus.requests import (
    BatchItem,
    CancelCase,
    FailKind,
    GetQueue,
    GetStory,
    JobDone,
    JobFailed,
    LeasedJob,
    LeaseJob,
    ListJobs,
    SubmitBatch,
    SubmitJob,
    WorkerLost,
)
from services.dispatcher.ledgers import raw
from services.dispatcher.processes import LIMIT_S, Group, wait_until

CAPACITY, CLIENTS = 50, 20


@pytest.fixture
def full() -> Group:
    return Group({"mine": {"max_running": 1, "max_queued": CAPACITY}})


def leased(group: Group, incarnation: int = 1) -> LeasedJob:
    job = group.ask(LeaseJob(types=["mine"], worker="hands", incarnation=incarnation)).job
    assert job is not None
    return job


def test_of_10_times_what_fits_from_20_clients_exactly_what_fits_is_accepted(full: Group) -> None:
    full.start()
    full.wait_ready()
    accepted: list[str] = []
    refused: list[RefusedError] = []

    def client() -> None:
        for _ in range(10 * CAPACITY // CLIENTS):
            try:
                accepted.append(full.submit().id)
            except RefusedError as error:
                refused.append(error)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=LIMIT_S)
    in_ledger = [view.id for view in full.ask(ListJobs(limit=500)).jobs]
    status = full.ask(GetQueue(type="mine"))
    full.close()

    assert sorted(accepted) == sorted(in_ledger)
    assert len(accepted) == CAPACITY
    assert len(refused) == 9 * CAPACITY
    assert {error.code for error in refused} == {ErrorCode.QUEUE_FULL}
    assert all((error.retry_after_s or 0.0) > 0.0 for error in refused)
    assert (status.waiting, status.free) == (CAPACITY, 0)


def test_a_batch_and_its_case_go_in_and_out_together(group: Group) -> None:
    group.start()
    items = [
        BatchItem(job=SubmitJob(type=kind, params=raw({}), case="7"), client_item_id=str(n))
        for n, kind in enumerate(["mine", "other", "mine"])
    ]

    answers = group.ask(SubmitBatch(items=items)).items
    cancelled = group.ask(CancelCase(case="7")).jobs

    assert [answer.error.code if answer.error else None for answer in answers] == [None, ErrorCode.UNKNOWN_TYPE, None]
    assert [view.id for view in cancelled] == [answer.job.id for answer in answers if answer.job]
    assert {view.state for view in cancelled} == {JobState.CANCELLED}


def test_a_job_that_has_killed_three_workers_tells_its_story_also_after_a_restart(group: Group) -> None:
    group.start()
    job_id = group.submit().id
    for incarnation in (1, 2, 3):
        leased(group, incarnation)
        group.ask(
            WorkerLost(worker="hands", incarnation=incarnation, signal=11, log_tail=[f"last words {incarnation}"])
        )
    group.kill()
    group.start()

    story = group.ask(GetStory(id=job_id))

    assert story.job.state is JobState.DEAD
    assert story.evidence == ["signal 11 (SIGSEGV)", "last words 3"]
    assert [move.state for move in story.moves].count(JobState.RUNNING) == 3


def test_a_rest_lasts_through_the_death_of_the_dispatcher_and_ends_by_itself(group: Group) -> None:
    group.start()
    group.submit()
    job = leased(group)
    group.submit()
    group.ask(JobFailed(id=job.id, fence=job.fence, kind=FailKind.RATE_LIMITED, message="429", retry_after_s=2.5))
    group.kill()
    group.start()

    early = group.ask(LeaseJob(types=["mine"], worker="hands", incarnation=1, wait_s=0.3))
    told = group.ask(GetQueue(type="mine"))
    late = group.ask(LeaseJob(types=["mine"], worker="hands", incarnation=1, wait_s=5.0), is_long=True)

    assert early.job is None
    assert told.resting_until_at_s is not None
    assert late.job is not None


def test_the_board_tells_the_queue_and_when_its_workers_have_gone(group: Group) -> None:
    group.start()
    ear = group.hear("job_state/mine/")
    group.submit()
    job = leased(group)
    ear.hear_until(lambda: ear.boards and ear.boards[-1].queue.worker_running)

    group.ask(JobDone(id=job.id, fence=job.fence))
    group.ask(WorkerLost(worker="hands", incarnation=1, exit_code=0))
    ear.hear_until(lambda: not ear.boards[-1].queue.worker_running)

    queue = ear.boards[-1].queue
    assert (queue.processed_total, queue.waiting, queue.running) == (1, 0, 0)
    assert 0.0 < queue.avg_duration_s < 10.0


def test_what_a_dead_worker_left_behind_is_swept_while_the_dispatcher_runs(group: Group) -> None:
    group.start()
    group.submit()
    job = leased(group)
    temp = group.exports / f".{job.id}.{job.fence}.0.part"
    temp.write_text("half a clip")

    group.ask(WorkerLost(worker="hands", incarnation=1, signal=15))

    wait_until(lambda: not temp.exists(), lambda: group.log)
