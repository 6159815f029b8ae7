"""The upload folder fills no disk: beyond its bound the oldest that are done with go, and what waits stays."""

import pytest
from uploading import Uploads, jpeg

from framebus.errors import ErrorCode, RefusedError


def came(uploads: Uploads, number: int, folder: str = "yard") -> None:
    for index in range(number):
        uploads.put(f"{folder}/{index}.jpg", jpeg(index))
    uploads.settle()


def names(uploads: Uploads, folder: str = "yard") -> list[str]:
    return sorted(path.name for path in (uploads.root / folder).iterdir())


def test_beyond_the_number_of_files_the_oldest_that_are_done_with_are_deleted(uploads: Uploads) -> None:
    came(uploads, 8)
    uploads.hand_over()
    retention = uploads.retention(max_files=6)  # .cameras.json is one of them

    retention.step()

    assert names(uploads) == [f"{number}.jpg" for number in range(3, 8)]
    assert retention.deleted == 3
    assert retention.trouble == ""


def test_beyond_the_bytes_of_all_files_the_oldest_go(uploads: Uploads) -> None:
    came(uploads, 6)
    uploads.hand_over()
    used_bytes = sum(path.stat().st_blocks * 512 for path in (uploads.root / "yard").iterdir())
    retention = uploads.retention(max_total_bytes=used_bytes * 2 // 3)

    retention.step()

    assert 1 <= len(names(uploads)) <= 4
    assert "5.jpg" in names(uploads)


def test_what_was_rejected_goes_before_what_was_handed_in(uploads: Uploads) -> None:
    came(uploads, 3)
    uploads.hand_over()
    uploads.put("yard/bad.jpg", b"no picture" * 200)
    uploads.settle()

    uploads.retention(max_files=5).step()

    assert uploads.quarantined() == []
    assert len(names(uploads)) == 3


def test_any_number_of_rejected_ones_keeps_none_that_are_done_with_from_going(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framebus_services.ingest.retention.AT_ONCE", 1)
    monkeypatch.setattr("framebus_services.ingest.retention.ROUNDS", 3)
    for number in range(4):
        uploads.put(f"yard/bad{number}.jpg", b"no picture" * 200)
    uploads.settle()
    came(uploads, 5)
    uploads.hand_over()

    retention = uploads.retention(max_files=4)
    retention.step()

    assert uploads.quarantined() == []
    assert names(uploads) == ["2.jpg", "3.jpg", "4.jpg"]
    assert retention.trouble == ""


def test_what_waits_is_kept_and_complained_of_when_it_alone_is_too_much(uploads: Uploads) -> None:
    uploads.refusal = RefusedError(ErrorCode.QUEUE_FULL, "queue is full")
    came(uploads, 5)
    retention = uploads.retention(max_files=3)

    retention.step()

    assert len(names(uploads)) == 5
    assert "6 files" in retention.trouble
    assert "max_total_bytes" in retention.trouble

    uploads.refusal = None
    uploads.clock.advance(40.0)
    uploads.hand_over()
    uploads.clock.advance(61.0)
    retention.step()

    assert len(names(uploads)) == 2
    assert retention.trouble == ""


def test_files_that_are_no_uploads_cost_none_its_place_and_are_complained_of_when_they_are_too_many(
    uploads: Uploads,
) -> None:
    came(uploads, 4)
    uploads.hand_over()
    for number in range(10):
        uploads.put(f"yard/archive/{number}.zip", b"z" * 5_000)
    retention = uploads.retention(max_files=8)

    retention.step()

    assert len(names(uploads)) == 5  # the folder is one of them
    assert retention.deleted == 0
    assert "10 files in " in retention.trouble
    assert "are no uploads" in retention.trouble

    for path in (uploads.root / "yard" / "archive").iterdir():
        path.unlink()
    uploads.clock.advance(61.0)
    retention.step()

    assert retention.trouble == ""


def test_a_file_whose_analysis_has_not_ended_is_never_deleted(uploads: Uploads) -> None:
    came(uploads, 4)
    uploads.hand_over()
    uploads.open_jobs = {job for job, one in uploads.jobs.items() if (one.name or "").endswith(("/0.jpg", "/1.jpg"))}

    uploads.retention(max_files=1).step()
    assert names(uploads) == ["0.jpg", "1.jpg"]

    uploads.clock.advance(40 * 86_400.0)
    uploads.retention(keep="1d").step()
    assert names(uploads) == ["0.jpg", "1.jpg"]


def test_while_nobody_says_which_analyses_wait_nothing_is_deleted(uploads: Uploads) -> None:
    came(uploads, 4)
    uploads.hand_over()
    retention = uploads.retention(max_files=1)

    def away() -> set[str]:
        raise RefusedError(ErrorCode.UNAVAILABLE, "the dispatcher is away")

    retention._open_jobs = away
    retention.step()

    assert len(names(uploads)) == 4


def test_what_is_deleted_is_not_taken_for_new_when_it_comes_again(uploads: Uploads) -> None:
    came(uploads, 3)
    uploads.hand_over()
    uploads.retention(max_files=1).step()
    assert names(uploads) == []

    came(uploads, 3)
    uploads.hand_over()

    assert len(uploads.jobs) == 3
    assert set(uploads.states().values()) == {"duplicate"}
