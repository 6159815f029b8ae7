"""Names, files and disks that mean harm or are broken: the others still get their turn, and nothing is lost."""

import logging
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uploading import Uploads, jpeg

from framebus.messages import UploadOutcome
from framebus_services.ingest.journal import Journal, Upload, open_journal
from framebus_services.ingest.look import Look
from framebus_services.ingest.look_process import look
from framebus_services.ingest.names import Kind, path_problem, shown
from framebus_services.ingest.registry import FILE, Registry
from framebus_services.ingest.sighting import Stamp
from media import make_video

MEMORY = Path("/dev/shm")


def test_a_name_that_is_not_utf8_is_set_aside_and_the_others_are_taken(uploads: Uploads) -> None:
    folder = os.fsencode(uploads.root) + b"/caf\xe9"
    os.makedirs(folder)
    Path(os.fsdecode(folder + b"/a.jpg")).write_bytes(jpeg(1))
    Path(os.fsdecode(folder + b"/b\xff.jpg")).write_bytes(jpeg(2))
    uploads.put("yard/a.jpg", jpeg(3), closed=False)

    uploads.intake.scan()
    uploads.settle()

    assert uploads.states()["yard/a.jpg"] == "claimed"
    assert len(uploads.quarantined()) == 2
    assert set(uploads.registry.own) == {"yard"}


def test_a_name_with_a_line_break_writes_no_line_of_its_own(uploads: Uploads, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        uploads.put("yard/a\nERROR all is lost\x1b[31m.jpg", jpeg(1))
        uploads.settle()

    assert uploads.quarantined() == ["name/yard__a\\x0aERROR all is lost\\x1b[31m.jpg"]
    assert caplog.messages
    assert not any("\n" in text or "\x1b" in text for text in caplog.messages)


@settings(max_examples=1_000, deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_any_name_can_be_shown_on_one_line(name: bytes) -> None:
    path = os.fsdecode(name)

    text = shown(path)

    assert len(text.splitlines()) <= 1
    text.encode()
    if path_problem(path) is None:
        assert text == path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=20, unique=True))
def test_folders_and_files_of_any_name_stop_nobody(uploads: Uploads, names: list[bytes]) -> None:
    for name in names:
        clean = name.replace(b"/", b"_").replace(b"\0", b"_").strip(b".") or b"x"
        folder = os.fsencode(uploads.root) + b"/" + clean
        os.makedirs(folder, exist_ok=True)
        Path(os.fsdecode(folder + b"/" + clean + b".jpg")).write_bytes(b"")  # too small, if its name is good
    good = uploads.put(f"yard/{len(uploads.states())}.jpg", jpeg(len(uploads.states())), closed=False)

    uploads.intake.scan()
    uploads.settle()

    assert uploads.states()[str(good.relative_to(uploads.root))] == "claimed"


def test_a_file_stands_in_the_line_once_however_long_nobody_takes_jobs(uploads: Uploads) -> None:
    for number in range(20):
        uploads.put(f"yard/{number}.jpg", jpeg(number))

    for _ in range(300):
        uploads.clock.advance(300.0)
        uploads.intake.scan()
        uploads.intake.look(may_claim=False)

    assert len(uploads.intake._watched._line) < 100
    uploads.settle()
    assert len(uploads.states()) == 20


def test_a_folder_that_was_renamed_is_no_trouble_any_more(uploads: Uploads) -> None:
    uploads.put("front_door/a.jpg", jpeg(1))
    uploads.settle()
    uploads.put("Front Door/b.jpg", jpeg(2))
    uploads.settle()
    assert "rename one" in uploads.intake.held["Front Door"]

    (uploads.root / "Front Door").rename(uploads.root / "yard")
    uploads.intake.scan()
    uploads.settle(40.0)

    assert uploads.intake.held == {}
    assert uploads.states()["yard/b.jpg"] == "claimed"


def test_a_quarantine_on_another_disk_takes_files_and_lets_go_of_links(uploads: Uploads, tmp_path: Path) -> None:
    if os.stat(MEMORY).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is one disk only")
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="fb") as disk:
        (uploads.data / "quarantine").symlink_to(disk)
        uploads.put("yard/a.jpg", b"no picture" * 300)
        (uploads.root / "yard/b.jpg").symlink_to("/etc/passwd")
        uploads.intake.note("yard/b.jpg", is_closed=True)

        uploads.settle()

        assert (Path(disk) / "broken/yard__a.jpg").read_bytes() == b"no picture" * 300
        assert not (Path(disk) / "link/yard__b.jpg").exists()
        assert "is a link" in (Path(disk) / "link/yard__b.jpg.txt").read_text()
        assert list((uploads.root / "yard").iterdir()) == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[]", b"", b'{"a": 3}'])
def test_a_broken_list_of_cameras_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    registry = Registry(tmp_path, [], max_cameras=4, auto_create=True)

    assert registry.camera_for("Front Door") == "front_door"
    assert [path.read_bytes() for path in tmp_path.glob(f"{FILE}.broken-*")] == [content]
    assert Registry(tmp_path, [], max_cameras=4, auto_create=True).own == {"front_door": "Front Door"}


def test_cameras_of_names_that_no_folder_makes_are_left_out(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"../../etc": "yard", "yard": "Yard"}')

    assert Registry(tmp_path, [], max_cameras=4, auto_create=True).own == {"yard": "Yard"}


def test_the_list_of_cameras_is_not_written_through_a_link(tmp_path: Path) -> None:
    root, mine = tmp_path / "uploads", tmp_path / "mine"
    root.mkdir()
    mine.write_text("precious")
    (root / f"{FILE}.part").symlink_to(mine)

    Registry(root, [], max_cameras=4, auto_create=True).camera_for("Yard")

    assert mine.read_text() == "precious"


def test_a_broken_journal_is_set_aside_and_made_anew_of_the_folder(uploads: Uploads) -> None:
    uploads.put("yard/a.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()
    uploads.close()
    for end in ("-wal", "-shm"):
        Path(f"{uploads.data / 'uploads.db'}{end}").unlink(missing_ok=True)
    (uploads.data / "uploads.db").write_bytes(b"no database" * 1_000)

    open_journal(uploads.data / "uploads.db").close()
    uploads.open()
    uploads.intake.scan()
    uploads.settle()
    uploads.hand_over()

    assert uploads.states() == {"yard/a.jpg": "done"}
    assert len(uploads.jobs) == 1  # the same id as before
    assert len(list(uploads.data.glob("uploads.db.broken-*"))) == 1


def test_a_journal_of_a_newer_framebus_is_left_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "uploads.db")
    journal._database.execute("PRAGMA user_version = 99")
    journal.close()

    with pytest.raises(ValueError, match="newer framebus"):
        open_journal(tmp_path / "uploads.db")

    assert not list(tmp_path.glob("*.broken-*"))


def test_a_file_that_is_renamed_before_its_job_is_handed_in_is_one_job(uploads: Uploads) -> None:
    file = uploads.put("yard/a.jpg", jpeg(1))
    uploads.settle()
    file.rename(uploads.root / "yard/b.jpg")
    uploads.intake.note("yard/b.jpg", is_closed=True)
    uploads.settle()
    assert uploads.states() == {"yard/a.jpg": "claimed", "yard/b.jpg": "duplicate"}

    uploads.hand_over()

    assert uploads.states() == {"yard/a.jpg": "gone", "yard/b.jpg": "done"}
    assert [job.name for job in uploads.jobs.values()] == ["yard/b.jpg"]


def test_bytes_whose_file_went_before_its_turn_are_no_duplicate_when_they_come_back(uploads: Uploads) -> None:
    file = uploads.put("yard/a.jpg", jpeg(1))
    uploads.settle()
    file.unlink()
    uploads.hand_over()
    assert uploads.jobs == {}

    uploads.put("yard/c.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()

    assert uploads.states()["yard/c.jpg"] == "done"
    assert len(uploads.jobs) == 1


def test_a_share_that_was_away_when_its_files_had_their_turn_comes_back_with_them(uploads: Uploads) -> None:
    uploads.put("yard/a.jpg", jpeg(1))
    uploads.settle()
    (uploads.root / "yard").rename(uploads.data / "away")
    uploads.hand_over()
    assert uploads.states() == {"yard/a.jpg": "gone"}

    (uploads.data / "away").rename(uploads.root / "yard")
    uploads.intake.scan()
    uploads.settle()
    uploads.hand_over()

    assert uploads.states() == {"yard/a.jpg": "done"}


def test_what_cannot_be_deleted_does_not_keep_the_others_waiting(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framebus_services.ingest.retention.AT_ONCE", 2)
    retention = uploads.retention(keep="1d")
    for number in range(4):
        stamp = Stamp(1, 1, 1)
        if number < 2:  # a folder where the journal knows a file: unlink fails
            (uploads.root / f"yard/{number}.jpg").mkdir(parents=True)
            found = (uploads.root / f"yard/{number}.jpg").lstat()
            stamp = Stamp(found.st_ino, found.st_size, found.st_mtime_ns)
        line = Upload(
            path=f"yard/{number}.jpg",
            stamp=stamp,
            camera="yard",
            kind="image",
            sha256="",
            job_id=str(number),
            state="done",
            reason="",
            at_s=uploads.clock.wall_s(),
        )
        uploads.journal.put(line)

    for _ in range(3):
        uploads.clock.advance(86_500.0)
        retention.step()

    assert set(uploads.states()) == {"yard/0.jpg", "yard/1.jpg"}


def test_bytes_that_nobody_sent_for_a_year_are_forgotten(uploads: Uploads) -> None:
    retention = uploads.retention(keep="1d")
    uploads.put("yard/a.jpg", jpeg(1))
    uploads.settle()
    sha256 = uploads.journal.newest(1, None, None)[0][1].sha256
    assert uploads.journal.content_times("yard", sha256) == 1

    uploads.clock.advance(366 * 86_400.0)
    retention.step()

    assert uploads.journal.content_times("yard", sha256) == 0


def test_a_rejected_link_makes_no_camera(uploads: Uploads) -> None:
    (uploads.root / "new").mkdir()
    (uploads.root / "new/a.jpg").symlink_to("/etc/passwd")
    uploads.intake.note("new/a.jpg", is_closed=True)
    uploads.settle()

    assert uploads.registry.own == {}
    assert not any(event.outcome is UploadOutcome.REJECTED for event in uploads.told)


def test_a_file_that_cannot_be_read_is_not_called_broken(uploads: Uploads) -> None:
    looked = look(Look(root=str(uploads.root), path=f"{'a' * 300}/b.jpg", kind=Kind.IMAGE, max_bytes=1_024))

    assert (looked.reason, looked.text) == ("unread", "it can't be read: File name too long")


@pytest.mark.parametrize(("share", "reason"), [(1.0, None), (0.6, "broken")])
def test_a_video_whose_end_takes_long_to_decode_is_judged_by_its_packets(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, share: float, reason: str | None
) -> None:
    whole = uploads.data / "whole.mkv"
    make_video(whole, seconds=6.0)
    (uploads.root / "yard").mkdir()
    content = whole.read_bytes()
    (uploads.root / "yard/a.mkv").write_bytes(content[: int(share * len(content))])
    monkeypatch.setattr("framebus_services.ingest.look_process.DECODE_S", 0.0)

    looked = look(Look(root=str(uploads.root), path="yard/a.mkv", kind=Kind.VIDEO, max_bytes=2**30))

    assert looked.reason == reason, looked.text
