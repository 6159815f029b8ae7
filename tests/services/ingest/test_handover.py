"""Claims become jobs, each once, however the dispatcher answers and whoever dies in between."""

from pathlib import Path

import pytest
from uploading import Uploads, jpeg

from framebus.errors import ErrorCode, RefusedError
from framebus.messages import JobError
from framebus.requests import BatchAccepted, SubmitBatch
from framebus.worker import WorkerProcess
from framebus_services.ingest.handover import Handover


def taken(uploads: Uploads, number: int) -> None:
    for index in range(number):
        uploads.put(f"front/{index}.jpg", jpeg(index))
    uploads.settle()


def test_a_full_queue_loses_nothing_and_rejects_nothing(uploads: Uploads) -> None:
    taken(uploads, 25)
    uploads.refusal = RefusedError(ErrorCode.QUEUE_FULL, "queue is full", retry_after_s=5.0)
    uploads.hand_over(20)
    assert uploads.jobs == {}

    uploads.refusal = None
    uploads.clock.advance(30.0)
    uploads.hand_over(20)

    assert len(uploads.jobs) == 25
    assert set(uploads.states().values()) == {"done"}
    assert uploads.quarantined() == []


def test_a_queue_with_one_place_is_filled_one_by_one(uploads: Uploads) -> None:
    taken(uploads, 12)
    places = [3]

    def ask_as_a_queue_with_few_places() -> None:
        before = uploads.handover._ask

        def ask(batch):  # type: ignore[no-untyped-def]
            if len(batch.items) > places[0]:
                raise RefusedError(ErrorCode.QUEUE_FULL, "queue is full", retry_after_s=1.0)
            places[0] -= len(batch.items)
            return before(batch)

        uploads.handover._ask = ask

    ask_as_a_queue_with_few_places()
    uploads.hand_over(20)

    assert len(uploads.jobs) == 3


@pytest.mark.parametrize(
    "code", [ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE, ErrorCode.NO_SPACE, ErrorCode.UNKNOWN_TYPE]
)
def test_who_cannot_take_now_is_asked_again(uploads: Uploads, code: ErrorCode) -> None:
    taken(uploads, 1)
    uploads.refusal = RefusedError(code, "not now")
    uploads.hand_over(50)
    assert uploads.asked < 8
    assert "not now" in uploads.handover.trouble

    uploads.refusal = None
    uploads.clock.advance(40.0)
    uploads.hand_over()

    assert len(uploads.jobs) == 1
    assert uploads.handover.trouble == ""


def test_a_job_that_is_refused_for_good_is_told_and_the_others_go_on(uploads: Uploads) -> None:
    taken(uploads, 3)
    uploads.refuse = lambda job: (
        JobError(code="bad_request", message="not this one") if (job.name or "").endswith("/1.jpg") else None
    )

    uploads.hand_over()

    assert uploads.states() == {"front/0.jpg": "done", "front/1.jpg": "refused", "front/2.jpg": "done"}
    assert ("front/1.jpg", "rejected") in uploads.outcomes()


def test_a_file_that_was_removed_before_its_turn_is_no_job(uploads: Uploads) -> None:
    taken(uploads, 1)
    (uploads.root / "front/0.jpg").unlink()

    uploads.hand_over()

    assert uploads.jobs == {}
    assert uploads.states() == {"front/0.jpg": "gone"}


@pytest.mark.parametrize("has_heard", [False, True])
@pytest.mark.parametrize("deadly", range(1, 5))
def test_a_dispatcher_that_dies_at_any_request_before_or_after_its_commit_has_each_job_once(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, deadly: int, has_heard: bool
) -> None:
    monkeypatch.setattr("framebus_services.ingest.handover.AT_ONCE", 2)
    taken(uploads, 8)
    uploads.handover = Handover(uploads.root, uploads.journal, uploads.clock, uploads._ask, uploads.told.append)
    asked = [0]

    def ask(batch: SubmitBatch) -> BatchAccepted:
        asked[0] += 1
        if asked[0] != deadly:
            return uploads._ask(batch)
        if has_heard:  # committed, and dead before the answer
            uploads._ask(batch)
        raise RefusedError(ErrorCode.UNAVAILABLE, "the dispatcher is away")

    uploads.handover._ask = ask
    for _ in range(20):
        uploads.clock.advance(1.0)
        uploads.hand_over(1)

    assert set(uploads.states().values()) == {"done"}
    assert len(uploads.jobs) == 8
    assert [outcome for _, outcome in uploads.outcomes()] == ["accepted"] * 8


def test_while_the_dispatcher_is_away_for_an_hour_nothing_is_lost_and_it_is_asked_now_and_then(
    uploads: Uploads,
) -> None:
    taken(uploads, 5)
    uploads.refusal = RefusedError(ErrorCode.UNAVAILABLE, "nobody answers")
    for _ in range(3_600):
        uploads.clock.advance(1.0)
        uploads.handover.step()
    assert 60 < uploads.asked < 200

    uploads.refusal = None
    uploads.clock.advance(40.0)
    uploads.hand_over()

    assert len(uploads.jobs) == 5


def test_a_wall_clock_that_jumps_neither_loses_nor_doubles_an_upload(uploads: Uploads) -> None:
    taken(uploads, 3)
    uploads.clock.jump_wall(-86_400.0)
    uploads.hand_over()
    uploads.put("front/copy.jpg", jpeg(0))
    uploads.settle()
    uploads.clock.jump_wall(2 * 86_400.0)
    uploads.put("front/another.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()

    assert len(uploads.jobs) == 3
    assert uploads.states()["front/copy.jpg"] == uploads.states()["front/another.jpg"] == "duplicate"


def test_a_death_at_any_step_leaves_each_file_exactly_once(tmp_path: Path, worker: WorkerProcess) -> None:
    uploads = Uploads(tmp_path, worker)
    uploads.put("front/a.jpg", jpeg(1))

    # Dead before anything was decided.
    uploads.close()
    uploads.open()
    uploads.intake.scan()
    uploads.settle()
    assert uploads.states() == {"front/a.jpg": "claimed"}

    # Dead after the claim, before the dispatcher heard of it.
    uploads.close()
    uploads.open()
    uploads.intake.scan()
    uploads.settle()

    # Dead after the dispatcher had it, before that was written down.
    uploads.hand_over()
    with uploads.journal.transaction():
        uploads.journal._database.execute("UPDATE upload SET state = 'claimed'")
    uploads.close()
    uploads.open()
    uploads.intake.scan()
    uploads.settle()
    uploads.hand_over()

    assert len(uploads.jobs) == 1
    assert uploads.states() == {"front/a.jpg": "done"}
    assert uploads.asked == 2
    uploads.close()
