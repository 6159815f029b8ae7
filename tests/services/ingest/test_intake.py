"""Each upload is taken once, when it is whole, and what can't be taken is set aside with its reason."""

import contextlib
import os
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
from uploading import Uploads, jpeg

from framebus.worker import WorkerProcess
from framebus_services.ingest.sighting import IDLE_S
from framebus_services.ingest.writers import is_being_written
from media import make_video


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    make_video(path, seconds=4.0, width=160, height=120)
    return path.read_bytes()


def test_a_file_that_was_closed_becomes_one_job(uploads: Uploads) -> None:
    uploads.put("Front Door/a.jpg", jpeg(1))

    uploads.settle(0.6)
    uploads.hand_over()

    [job] = uploads.jobs.values()
    assert job.type == "analysis"
    assert uploads.outcomes() == [("Front Door/a.jpg", "accepted")]
    assert uploads.registry.own == {"front_door": "Front Door"}


def test_a_file_without_a_close_is_taken_when_its_size_has_stood_still(uploads: Uploads) -> None:
    uploads.put("front/a.jpg", jpeg(1), closed=False)

    uploads.settle(1.9)
    before = uploads.states()
    uploads.settle(0.2)

    assert before == {}
    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_a_file_is_waited_for_as_long_as_it_grows(uploads: Uploads) -> None:
    content = jpeg(1, 640, 480)
    for step in range(1, 21):
        uploads.put("front/a.jpg", content[: len(content) * step // 20], closed=False)
        uploads.settle(1.5)
        assert uploads.states() == {}

    uploads.settle(2.1)

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_a_file_that_somebody_writes_is_waited_for_through_pauses_and_taken_when_it_is_closed(
    uploads: Uploads,
) -> None:
    whole = uploads.data / "whole.ts"
    make_video(whole, seconds=4.0, width=160, height=120)
    content = whole.read_bytes()
    for step in range(1, 6):  # each part of such a video opens as a video of its own
        uploads.put("front/a.ts", content[: len(content) * step // 5], closed=False, written=True)
        uploads.settle(20.0)
        assert uploads.states() == {}

    uploads.intake.note("front/a.ts", is_closed=True)
    uploads.settle(0.6)

    assert uploads.states() == {"front/a.ts": "claimed"}


def test_a_file_that_is_open_for_writing_is_waited_for_though_no_event_told_of_it(uploads: Uploads) -> None:
    file = uploads.put("front/a.jpg", jpeg(1), closed=False)
    with file.open("ab"):
        if not is_being_written(uploads.root, "front/a.jpg"):
            pytest.skip("no leases on this file system, or not for us")
        uploads.settle(30.0)
        assert uploads.states() == {}

    uploads.settle(0.6)

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_a_change_of_its_time_makes_no_writer_of_a_file_that_was_closed(uploads: Uploads) -> None:
    file = uploads.put("front/a.jpg", jpeg(1))
    os.utime(file, (1, 1))
    uploads.intake.note("front/a.jpg", is_closed=False, is_written=True)

    uploads.settle(2.1)

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_an_upload_that_paused_is_taken_when_it_goes_on(uploads: Uploads) -> None:
    content = jpeg(1, 640, 480)
    uploads.put("front/a.jpg", content[:20_000], closed=False)
    uploads.settle(IDLE_S / 2)
    assert uploads.states() == {}

    uploads.put("front/a.jpg", content, closed=False)
    uploads.settle(2.1)

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_what_stays_in_pieces_is_set_aside_after_a_quarter_of_an_hour(uploads: Uploads) -> None:
    uploads.put("front/a.jpg", jpeg(1)[:5_000], closed=False)
    uploads.settle()

    uploads.settle(IDLE_S)

    assert uploads.quarantined() == ["broken/front__a.jpg"]


def test_a_closed_file_that_is_cut_off_is_set_aside_at_once_with_a_note(uploads: Uploads, movie: bytes) -> None:
    uploads.put("front/a.jpg", jpeg(1)[:5_000])
    uploads.put("front/b.mp4", movie[: len(movie) // 2])
    uploads.put("front/c.jpg", b"\xff\xd8\xff\xe0 this is no picture " * 100)
    uploads.put("front/d.png", b"")

    uploads.settle()

    assert uploads.quarantined() == [
        "broken/front__a.jpg",
        "broken/front__b.mp4",
        "broken/front__c.jpg",
        "too_small/front__d.png",
    ]
    note = (uploads.data / "quarantine/broken/front__a.jpg.txt").read_text()
    assert "a JPEG that is cut off: its end is missing" in note
    assert {outcome for _, outcome in uploads.outcomes()} == {"rejected"}


def test_a_whole_video_is_taken(uploads: Uploads, movie: bytes) -> None:
    uploads.put("front/a.mp4", movie)

    uploads.settle()

    assert uploads.states() == {"front/a.mp4": "claimed"}


def test_a_picture_with_bytes_behind_its_end_is_whole(uploads: Uploads) -> None:
    uploads.put("front/a.jpg", jpeg(1) + b"\0" * 5_000)

    uploads.settle()

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_a_small_valid_picture_is_taken(uploads: Uploads) -> None:
    content = bytes(cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes())
    uploads.put("front/black.jpg", content)

    uploads.settle()

    assert 1_024 < len(content) < 10_240
    assert uploads.states() == {"front/black.jpg": "claimed"}


def test_the_same_bytes_again_are_a_duplicate_of_the_same_job(uploads: Uploads) -> None:
    uploads.put("front/a.jpg", jpeg(1))
    uploads.settle()
    uploads.put("front/copy.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()

    assert uploads.states() == {"front/a.jpg": "done", "front/copy.jpg": "duplicate"}
    assert len(uploads.jobs) == 1
    duplicate = next(event for event in uploads.told if event.outcome.value == "duplicate")
    assert duplicate.job_id in uploads.jobs


def test_the_same_bytes_from_two_cameras_are_two_jobs(uploads: Uploads) -> None:
    uploads.put("front/a.jpg", jpeg(1))
    uploads.put("back/a.jpg", jpeg(1))

    uploads.settle()
    uploads.hand_over()

    assert len(uploads.jobs) == 2


def test_after_a_week_the_same_bytes_are_a_new_job(uploads: Uploads) -> None:
    uploads.put("front/a.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()

    uploads.clock.advance(8 * 86_400.0)
    uploads.put("front/b.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()

    assert len(uploads.jobs) == 2


def test_a_late_touch_of_a_file_that_was_taken_changes_nothing(uploads: Uploads) -> None:
    file = uploads.put("front/a.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()

    os.utime(file, (1, 1))
    uploads.intake.note("front/a.jpg", is_closed=True)
    uploads.settle()
    uploads.hand_over()

    assert uploads.outcomes() == [("front/a.jpg", "accepted")]
    assert uploads.states() == {"front/a.jpg": "done"}


def test_new_content_under_an_old_name_is_a_new_job(uploads: Uploads) -> None:
    for seed in (1, 2):
        uploads.put("front/snapshot.jpg", jpeg(seed))
        uploads.settle()
        uploads.hand_over()

    assert len(uploads.jobs) == 2


def test_an_upload_that_is_renamed_at_its_end_is_taken(uploads: Uploads) -> None:
    part = uploads.put("front/a.jpg.part", jpeg(1), closed=True)
    uploads.settle()
    assert uploads.states() == {}

    part.rename(uploads.root / "front/a.jpg")
    uploads.intake.note("front/a.jpg.part", is_closed=False)
    uploads.intake.note("front/a.jpg", is_closed=True)
    uploads.settle()

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_files_of_a_new_folder_are_found_by_the_event_of_the_folder(uploads: Uploads) -> None:
    for number in range(20):
        file = uploads.root / "front" / "2026" / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(jpeg(number))

    uploads.intake.note("front", is_closed=False)
    uploads.settle()

    assert len(uploads.states()) == 20


def test_files_that_came_while_nobody_watched_are_found(uploads: Uploads) -> None:
    (uploads.root / "front").mkdir()
    (uploads.root / "front" / "a.jpg").write_bytes(jpeg(1))

    uploads.intake.scan()
    uploads.settle()

    assert uploads.states() == {"front/a.jpg": "claimed"}


def test_a_link_a_fifo_a_socket_and_a_hard_link_are_set_aside_and_not_opened(uploads: Uploads, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(9))
    front = uploads.root / "front"
    front.mkdir()
    (front / "link.jpg").symlink_to(secret)
    os.mkfifo(front / "fifo.jpg")
    os.link(secret, front / "hard.jpg")
    with socket.socket(socket.AF_UNIX) as door, contextlib.chdir(front):  # the path is too long for an address
        door.bind("s.jpg")

    uploads.intake.scan()
    uploads.settle()

    assert uploads.quarantined() == [
        "link/front__hard.jpg",
        "link/front__link.jpg",
        "no_file/front__fifo.jpg",
        "no_file/front__s.jpg",
    ]
    assert uploads.jobs == {}
    assert secret.read_bytes() == jpeg(9)


def test_a_folder_that_is_a_link_is_not_entered(uploads: Uploads, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(jpeg(1))
    (uploads.root / "front").symlink_to(outside)

    uploads.intake.scan()
    uploads.intake.note("front/a.jpg", is_closed=True)
    uploads.settle()

    assert uploads.states() == {} or set(uploads.states().values()) == {"rejected"}
    assert uploads.jobs == {}
    assert (outside / "a.jpg").exists()


def test_a_file_in_no_folder_is_set_aside(uploads: Uploads) -> None:
    uploads.put("a.jpg", jpeg(1))

    uploads.settle()

    assert uploads.quarantined() == ["no_camera/a.jpg"]


def test_a_bomb_of_pixels_is_refused_unread(uploads: Uploads) -> None:
    picture = np.zeros((8_000, 8_000), np.uint8)
    uploads.put("front/bomb.png", bytes(cv2.imencode(".png", picture)[1].tobytes()))

    uploads.settle()

    assert uploads.quarantined() == ["broken/front__bomb.png"]
    assert "50 million pixels" in (uploads.data / "quarantine/broken/front__bomb.png.txt").read_text()


def test_a_playlist_in_disguise_opens_nothing_else(uploads: Uploads, tmp_path: Path, movie: bytes) -> None:
    (tmp_path / "other.ts").write_bytes(movie)
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{tmp_path}/other.ts\n#EXT-X-ENDLIST\n"
    uploads.put("front/a.ts", playlist.encode() * 20)

    uploads.settle()

    assert uploads.quarantined() == ["broken/front__a.ts"]


def test_a_folder_in_conflict_waits_and_the_others_go_on(uploads: Uploads) -> None:
    uploads.put("Front Door/a.jpg", jpeg(1))
    uploads.settle()
    uploads.put("front_door/b.jpg", jpeg(2))
    uploads.put("back/c.jpg", jpeg(3))
    uploads.settle()

    assert uploads.states() == {"Front Door/a.jpg": "claimed", "back/c.jpg": "claimed"}
    assert list(uploads.intake.held) == ["front_door"]
    assert (uploads.root / "front_door/b.jpg").exists()


def test_what_the_process_cannot_survive_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorkerProcess("upload_toys:die", max_waiting=8) as deadly:
        uploads = Uploads(tmp_path, deadly)
        uploads.put("front/a.jpg", jpeg(1))
        uploads.settle()

        assert uploads.quarantined() == ["undecodable/front__a.jpg"]
        uploads.close()


def test_uploads_whose_time_is_over_are_deleted_and_newer_ones_are_not(uploads: Uploads) -> None:
    retention = uploads.retention(keep="1d")
    uploads.put("front/old.jpg", jpeg(1))
    uploads.settle()
    uploads.hand_over()
    uploads.clock.advance(86_500.0)
    uploads.put("front/new.jpg", jpeg(2))
    uploads.put("front/waits.jpg", jpeg(3))
    uploads.settle()

    retention.step()

    assert sorted(path.name for path in (uploads.root / "front").iterdir()) == ["new.jpg", "waits.jpg"]
    assert set(uploads.states()) == {"front/new.jpg", "front/waits.jpg"}
