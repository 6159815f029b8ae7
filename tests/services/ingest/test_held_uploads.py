"""What waits for somebody keeps nobody else waiting, and is tried again by itself."""

from pathlib import Path

import pytest
from uploading import Uploads, jpeg

from framebus.task import TaskEnd, TaskOutcome
from framebus_services.ingest.intake import TIMED_OUT_AT_MOST
from framebus_services.ingest.look import Look, Looked
from framebus_services.ingest.quarantine import Quarantine
from framebus_services.ingest.reason import Reason


class Stub:
    """Looks into nothing: its outcomes are told."""

    def __init__(self, end: TaskEnd, result: Looked | None = None) -> None:
        self.end = end
        self.result = result
        self.limits_s: list[float] = []
        self._outcomes: list[TaskOutcome] = []

    def submit(self, key: str, task: Look, limit_s: float) -> None:
        self.limits_s.append(limit_s)
        self._outcomes.append(TaskOutcome(key=key, task=task, end=self.end, result=self.result))

    def results(self) -> list[TaskOutcome]:
        outcomes, self._outcomes = self._outcomes, []
        return outcomes


def stubbed(data: Path, stub: Stub) -> Uploads:
    return Uploads(data, stub)  # type: ignore[arg-type]


def test_the_files_of_a_held_folder_take_no_place_of_others(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framebus_services.ingest.intake.MAX_WATCHED", 10)
    uploads.put("Front Door/a.jpg", jpeg(1))
    uploads.settle()
    for number in range(30):
        uploads.put(f"front_door/{number}.jpg", jpeg(100 + number), closed=False)
    uploads.put("yard/a.jpg", jpeg(2), closed=False)

    for _ in range(3):
        uploads.intake.scan()
        uploads.settle()
    assert uploads.states() == {"Front Door/a.jpg": "claimed", "yard/a.jpg": "claimed"}
    assert len(uploads.intake) == 0

    (uploads.root / "front_door").rename(uploads.root / "gate")
    for _ in range(6):
        uploads.intake.scan()
        uploads.settle(31.0)

    assert sum(path.startswith("gate/") for path in uploads.states()) == 30
    assert uploads.intake.held == {}


def test_a_folder_is_taken_up_by_itself_when_the_other_of_its_name_has_made_room(uploads: Uploads) -> None:
    uploads.close()
    uploads._settings = type(uploads._settings)(max_cameras=1)
    uploads.open()
    uploads.put("one/a.jpg", jpeg(1))
    uploads.put("two/b.jpg", jpeg(2))
    uploads.settle()
    assert "max_cameras is 1" in uploads.intake.held["two"]

    uploads.registry.configure(["two"])
    uploads.settle(31.0)
    uploads.settle(3.0)

    assert uploads.states() == {"one/a.jpg": "claimed", "two/b.jpg": "claimed"}


def test_files_that_cannot_be_read_are_tried_again_later_and_later(tmp_path: Path) -> None:
    unread = Stub(TaskEnd.DONE, Looked(reason=Reason.UNREAD, text="it can't be read: Permission denied"))
    uploads = stubbed(tmp_path, unread)
    uploads.put("yard/a.jpg", jpeg(1))

    for _ in range(400):
        uploads.settle(10.0)

    assert 5 < len(unread.limits_s) < 15
    assert uploads.quarantined() == []
    assert list(uploads.intake.held.values()) == ["yard/a.jpg: it can't be read: Permission denied"]
    uploads.close()


def test_a_look_that_takes_too_long_is_tried_again_before_the_file_is_blamed(tmp_path: Path) -> None:
    slow = Stub(TaskEnd.TIMED_OUT)
    uploads = stubbed(tmp_path, slow)
    uploads.put("yard/a.jpg", jpeg(1))

    for _ in range(30):
        uploads.settle(10.0)

    assert len(slow.limits_s) == TIMED_OUT_AT_MOST
    assert uploads.quarantined() == ["undecodable/yard__a.jpg"]
    uploads.close()


def test_a_large_file_gets_more_time_than_a_small_one_that_does_not_end(tmp_path: Path) -> None:
    stub = Stub(TaskEnd.CANCELLED)
    uploads = stubbed(tmp_path, stub)
    uploads.put("yard/a.mp4", b"x" * 2_000)
    uploads.settle()
    uploads.put("yard/b.mp4", b"x" * 20_000_000)
    uploads.settle()

    assert stub.limits_s[0] == pytest.approx(10.0, abs=0.01)
    assert stub.limits_s[1] == pytest.approx(11.0)
    uploads.close()


def test_what_cannot_be_moved_to_the_quarantine_stays_and_is_moved_when_it_can_be(uploads: Uploads) -> None:
    (uploads.data / "quarantine").write_text("in the way")
    uploads.put("yard/a.jpg", b"no picture" * 200)
    uploads.put("yard/b.jpg", jpeg(1))
    uploads.settle()
    assert uploads.states() == {"yard/b.jpg": "claimed"}
    assert "can't be moved to the quarantine" in uploads.intake.held["yard/a.jpg"]

    (uploads.data / "quarantine").unlink()
    uploads.settle(40.0)

    assert uploads.quarantined() == ["broken/yard__a.jpg"]
    assert uploads.intake.held == {}


def test_a_thousand_bad_files_of_one_name_have_a_place_each(tmp_path: Path) -> None:
    root = tmp_path / "uploads"
    (root / "yard").mkdir(parents=True)
    quarantine = Quarantine(root, tmp_path / "quarantine")

    for _ in range(1_000):
        (root / "yard/a.jpg").write_bytes(b"bad")
        quarantine.take("yard/a.jpg", "broken", "it does not decode", 1.0)

    names = [path.name for path in (tmp_path / "quarantine/broken").iterdir()]
    assert len(names) == 2_000
    assert all(name.startswith("yard__a") and name.endswith((".jpg", ".jpg.txt")) for name in names)
