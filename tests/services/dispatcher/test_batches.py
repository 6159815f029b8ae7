"""Many jobs at once: batches, each item with its own answer, and cases that are cancelled together."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from framebus.errors import ErrorCode, RefusedError
from framebus.jobs import CheckContext, JobType
from framebus.messages import JobState
from framebus.requests import MAX_ROWS, BatchAccepted, BatchItem, SubmitBatch, SubmitJob
from framebus.settings import QueuePolicy
from services.dispatcher.ledgers import ClipParams, World, code_of, raw

REQUEST_ID = bytes(range(16))
ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, QueuePolicy(max_queued=10, max_running=3))
    yield made
    made.close()


def item(n: int = 0, job_id: str | None = None, kind: str = "mine", **params: object) -> BatchItem:
    job = SubmitJob(type=kind, params=raw(params or {"n": n}), id=job_id)
    return BatchItem(client_item_id=f"item {n}", job=job)


def submit(world: World, *items: BatchItem) -> BatchAccepted:
    return world.commit(lambda: world.users.submit_batch(SubmitBatch(items=list(items)), REQUEST_ID))


def test_each_item_has_its_own_answer_in_the_order_of_the_batch(world: World) -> None:
    answers = submit(
        world,
        item(0),
        item(1, kind="clip", camera="front"),
        item(2),
        item(3, kind="other"),
        item(4, kind="clip", camera="cellar", seconds=1.0),
    ).items

    assert [(one.item_index, one.client_item_id) for one in answers] == [(n, f"item {n}") for n in range(5)]
    assert [one.error.code if one.error else None for one in answers] == [
        None,
        ErrorCode.BAD_REQUEST,
        None,
        ErrorCode.UNKNOWN_TYPE,
        ErrorCode.NO_SOURCE,
    ]
    assert [one.job.position for one in answers if one.job] == [1, 2]
    assert world.ledger.counts == {"mine": {JobState.QUEUED: 2}}


def test_a_batch_that_is_sent_again_is_the_same_jobs(world: World) -> None:
    first = submit(world, item(0), item(1))

    again = submit(world, item(0), item(1))

    ids = [hashlib.sha256(REQUEST_ID + n.to_bytes(4, "little")).hexdigest()[:32] for n in range(2)]
    assert [one.job.id for one in first.items if one.job] == [one.job.id for one in again.items if one.job] == ids
    assert [one.job.created for one in again.items if one.job] == [False, False]


def test_an_id_twice_in_one_batch_is_one_job_or_a_conflict(world: World) -> None:
    answers = submit(world, item(1, ID), item(1, ID), item(2, ID)).items

    assert [one.job.created if one.job else None for one in answers] == [True, False, None]
    assert answers[2].error is not None
    assert answers[2].error.code == ErrorCode.CONFLICT
    assert world.ledger.counts == {"mine": {JobState.QUEUED: 1}}


def test_a_batch_that_does_not_fit_is_refused_whole_and_leaves_nothing_on_disk(world: World) -> None:
    for _ in range(5):
        world.submit()
    events = world.ledger.store._number("SELECT count(*) FROM event")

    with pytest.raises(RefusedError, match="the batch has 6, 5 fit; none was taken") as caught:
        submit(world, *map(item, range(6)))

    assert code_of(caught) is ErrorCode.QUEUE_FULL
    assert (caught.value.retry_after_s or 0.0) > 0.0
    world.restart()
    assert world.ledger.counts == {"mine": {JobState.QUEUED: 5}}
    assert world.ledger.store._number("SELECT count(*) FROM event") == events
    assert len(submit(world, *map(item, range(5))).items) == 5


def test_what_is_known_or_refused_takes_no_place_of_a_batch(world: World) -> None:
    for _ in range(8):
        world.submit()
    world.submit(ID, params={"n": 0})

    answers = submit(world, item(0, ID), item(1), *[item(n, kind="other") for n in range(2, 9)]).items

    assert [one.job.created for one in answers if one.job] == [False, True]


def test_a_batch_that_can_never_fit_is_too_large(world: World) -> None:
    with pytest.raises(RefusedError, match="11 new mine jobs can never fit into a queue of 10") as caught:
        submit(world, *map(item, range(11)))

    assert (code_of(caught), caught.value.retry_after_s) == (ErrorCode.TOO_LARGE, None)


def test_a_job_type_whose_check_fails_of_itself_hinders_no_other_item(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    answers = submit(world, item(0, kind="clip", camera="front", seconds=-1.0), item(1)).items

    assert answers[0].error is not None
    assert answers[0].error.code == ErrorCode.INTERNAL
    assert answers[1].job is not None
    assert "ZeroDivisionError" in caplog.text


def test_cancelling_a_case_cancels_what_waits_and_runs_and_keeps_the_order_of_the_others(world: World) -> None:
    running = world.running(case="7")
    publishing = world.running(case="7")
    world.prepared(world.write(publishing, "clip.mp4"))
    done = world.running(case="7")
    world.done(done)
    ids = [world.submit(case="7" if n % 2 else None).id for n in range(6)]

    answer = world.commit(lambda: world.users.cancel_case("7"))

    assert [view.id for view in answer.jobs] == [running.id, ids[1], ids[3], ids[5]]
    assert answer.next is None
    assert (world.users.get(running.id).cancelling, world.state(publishing.id)) == (True, JobState.PUBLISHING)
    assert world.state(done.id) is JobState.SUCCEEDED
    line = [job.id for slot in (1, 2) if (job := world.lease("other", slot=slot)) is not None]
    assert line == [ids[0], ids[2]]


def test_a_batch_that_takes_too_long_to_check_is_refused_whole_before_others_wait_long(world: World) -> None:
    def check(_: ClipParams, __: CheckContext) -> None:
        world.clock.advance(0.05)

    world.admission._types["slow"] = JobType(name="slow", params=ClipParams, check=check)
    begun_s = world.clock.boot_s()

    with pytest.raises(RefusedError, match="within 3 s 61 of these 500 jobs could be checked") as caught:
        submit(world, *[item(kind="slow", camera="front", seconds=1.0) for _ in range(MAX_ROWS)])

    assert code_of(caught) is ErrorCode.TOO_LARGE
    assert world.clock.boot_s() - begun_s < 3.1
    assert world.ledger.active_jobs() == []
    assert len(submit(world, *[item(kind="slow", camera="front", seconds=1.0) for _ in range(10)]).items) == 10


def test_a_case_that_is_cancelled_again_changes_nothing(world: World) -> None:
    world.submit(case="7")
    world.commit(lambda: world.users.cancel_case("7"))

    assert world.commit(lambda: world.users.cancel_case("7")).jobs == []


def test_a_large_case_is_cancelled_page_by_page(tmp_path: Path) -> None:
    world = World(tmp_path, QueuePolicy(max_queued=1_000))

    def fill() -> None:
        for n in range(MAX_ROWS + 3):
            request = SubmitJob(type="mine", params=raw({}), id=f"{n:032x}", case="7")
            world.users.submit(request, REQUEST_ID)

    world.commit(fill)
    first = world.commit(lambda: world.users.cancel_case("7"))
    second = world.commit(lambda: world.users.cancel_case("7"))

    assert (len(first.jobs), first.next is not None) == (MAX_ROWS, True)
    assert (len(second.jobs), second.next) == (3, None)
    world.close()
