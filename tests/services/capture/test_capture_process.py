"""The real process of a camera, with real sockets, rings and files."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from capture_rig import CAMERA, CaptureProcess

from framebus.errors import ErrorCode, RefusedError
from framebus.keep import Keep, read_keep
from framebus.messages import CameraState
from framebus.recordings import parse_segment
from framebus.requests import TakeSnapshot
from framebus.ring import RingReader, newest_ring
from media import frame_number, frames_of, make_video

SYNTHETIC = "synthetic://?width=320&height=240&fps=10"
DOOR = f"capture@{CAMERA}"


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    make_video(path, seconds=2.0, b_frames=2, audio=True)
    return path


@pytest.fixture(scope="module")
def synthetic() -> Iterator[CaptureProcess]:
    with CaptureProcess(SYNTHETIC) as capture:
        capture.until(lambda: len(capture.segments) >= 2 and len(capture.notices) >= 5)
        yield capture


def test_frames_of_a_synthetic_camera_can_be_read_from_its_ring(synthetic: CaptureProcess) -> None:
    seen = len(synthetic.notices)
    synthetic.until(lambda: len(synthetic.notices) > seen)
    notice = synthetic.notices[-1]

    with RingReader.open(Path(notice.ring)) as ring:
        frame = ring.read(notice.number, camera=CAMERA)

    assert frame is not None
    assert (frame.width, frame.height) == (320, 240)
    assert 20 < frame.luma.mean() < 120
    assert abs(frame.captured_at_s - time.time()) < 2.0


def test_the_status_of_a_camera_that_works_tells_all_about_it(synthetic: CaptureProcess) -> None:
    def is_steady() -> bool:  # one that was late at its start hurries for a moment, also within the first readings
        return abs(synthetic.statuses[-1].fps_in - 10.0) < 2.0 and abs(synthetic.statuses[-1].fps_out - 5.0) < 1.5

    synthetic.until(is_steady)
    status = synthetic.statuses[-1]

    assert status.state is CameraState.ONLINE
    assert (status.codec, status.width, status.height, status.is_recording) == ("h264", 320, 240, True)
    assert status.ring_bytes > 8 * 320 * 240 * 3 // 2
    assert status.drops == {}
    assert status.source == SYNTHETIC


def test_segments_are_announced_and_stand_where_they_were_announced(synthetic: CaptureProcess) -> None:
    segment = synthetic.segments[0]
    path = synthetic.place.data / segment.path

    assert frames_of_any(path) == 10
    assert segment.duration_s == pytest.approx(1.0)
    parsed = parse_segment(path)
    assert parsed is not None
    assert parsed.start_ms == round(segment.start_at_s * 1_000)


def test_a_snapshot_is_a_jpeg_of_the_newest_frame(synthetic: CaptureProcess) -> None:
    snapshot, jpeg = synthetic.bus.ask_blob(DOOR, TakeSnapshot())

    assert jpeg is not None
    assert jpeg[:3] == b"\xff\xd8\xff"
    assert (snapshot.width, snapshot.height) == (320, 240)
    assert abs(snapshot.captured_at_s - time.time()) < 2.0


def test_the_statistics_tell_how_long_a_picture_took(synthetic: CaptureProcess) -> None:
    synthetic.until(lambda: bool(synthetic.stats) and "packet_to_ring" in synthetic.stats[-1].latencies)

    assert synthetic.stats[-1].latencies["packet_to_ring"].p50_ms < 100.0
    assert synthetic.stats[-1].counters["pictures"] > 0


def test_sigterm_ends_it_in_good_order_and_leaves_neither_ring_nor_part() -> None:
    with CaptureProcess(SYNTHETIC) as capture:
        capture.until(lambda: len(capture.segments) >= 1)
        begun_s = time.monotonic()

        code = capture.kill(signal.SIGTERM)

        assert code == 0
        assert time.monotonic() - begun_s < 5.0
        assert list(capture.place.shm.iterdir()) == []
        assert capture.files()
        assert all(name.endswith(".mp4") for name in capture.files())


def test_it_notes_beside_the_recordings_for_how_long_they_are_kept() -> None:
    with CaptureProcess(SYNTHETIC, record={"keep": "3d"}) as capture:
        capture.until(lambda: len(capture.notices) >= 1)

        assert read_keep(capture.place.data, "front") == Keep.whatever(3 * 86_400.0)


def test_after_kill_9_the_next_process_repairs_the_segment_and_sweeps_the_ring() -> None:
    with CaptureProcess(SYNTHETIC, record={"segment_s": 60.0}) as capture:
        capture.until(lambda: len(capture.notices) >= 12)
        capture.kill()
        last_at_s = capture.notices[-1].captured_at_s
        old_ring = newest_ring(capture.place.shm, CAMERA)
        assert old_ring is not None

        capture.start()
        capture.until(lambda: len(capture.segments) >= 1)
        capture.until(lambda: capture.notices[-1].ring_epoch > int(old_ring.suffixes[-2][1:]))

        repaired = capture.segments[0]
        assert repaired.start_at_s + repaired.duration_s > last_at_s - 1.2
        assert frames_of_any(capture.place.data / repaired.path) == round(repaired.duration_s * 10)
        assert not old_ring.exists()
        assert "repaired" in capture.log


def test_a_file_is_looped_at_its_own_pace_without_losing_a_frame(movie: Path) -> None:
    with CaptureProcess(str(movie), detect={"fps": 10.0}, record={"segment_s": 2.0}) as capture:
        capture.until(lambda: len(capture.notices) > 0)
        numbers: list[int] = []
        first = capture.notices[0]
        with RingReader.open(Path(first.ring)) as ring:

            def read() -> bool:
                # Notices that wait for their reader are made one; the ring has every frame.
                while first.number + len(numbers) <= ring.newest:
                    frame = ring.read(first.number + len(numbers))
                    numbers.append(-1 if frame is None else frame_number(frame.luma))
                return len(numbers) >= 45

            capture.until(read)

        assert numbers == [(first.number - 1 + index) % 20 for index in range(len(numbers))]
        took_s = capture.notices[-1].captured_up_s - first.captured_up_s
        assert took_s == pytest.approx((capture.notices[-1].number - first.number) / 10, abs=0.4)
        capture.until(lambda: len(capture.recorded(30)) == 30)
        assert capture.recorded(30) == [*range(20), *range(10)]


def test_a_file_played_once_ends_offline_and_its_recording_is_complete(movie: Path) -> None:
    with CaptureProcess(f"{movie}?once", record={"segment_s": 60.0}) as capture:
        capture.until_state("offline", "ended")
        capture.until(lambda: len(capture.recorded(20)) == 20)

        assert capture.history == [("connecting", "none"), ("online", "none"), ("offline", "ended")]
        assert capture.statuses[-1].retry_at_s is None
        assert capture.recorded(20) == list(range(20))
        assert capture.process is not None
        assert capture.process.poll() is None


def test_a_file_that_is_no_video_is_offline_with_cause_codec_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(bytes(range(256)) * 100)

    with CaptureProcess(str(path)) as capture:
        capture.until_state("offline", "codec")

        assert capture.statuses[-1].retry_at_s is not None
        with pytest.raises(RefusedError) as refused:
            capture.bus.ask(DOOR, TakeSnapshot())
        assert refused.value.code is ErrorCode.UNAVAILABLE


def test_a_file_that_does_not_exist_is_offline_with_cause_not_found() -> None:
    with CaptureProcess("/nonexistent/movie.mp4") as capture:
        capture.until_state("offline", "not_found")


def test_a_source_that_is_not_allowed_ends_the_process_with_a_configuration_error() -> None:
    with CaptureProcess("exec:/bin/true") as capture:
        assert capture.wait() == 78
        assert "source: unknown kind of address" in capture.log


def test_a_full_disk_makes_the_camera_degraded_while_its_frames_go_on(tmp_path: Path) -> None:
    with mounted(tmp_path / "data", "4m") as data, CaptureProcess(SYNTHETIC, data=data) as capture:
        capture.until(lambda: len(capture.segments) >= 1)
        filler = data / "filler"
        state = os.statvfs(data)
        filler.write_bytes(bytes(state.f_bavail * state.f_frsize - 150_000))  # the floor is at 209,715

        capture.until_state("degraded", "no_space")
        notices = len(capture.notices)
        capture.until(lambda: len(capture.notices) > notices + 5)
        assert "must stay free" in capture.statuses[-1].detail
        assert not capture.statuses[-1].is_recording
        assert not any(name.endswith(".part") for name in capture.files())

        filler.unlink()
        capture.until_state("online")
        capture.until(lambda: capture.statuses[-1].is_recording)
        capture.kill()


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"no file system of its own can be mounted: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_too_little_shared_memory_for_a_known_size_is_a_configuration_error_with_numbers(tmp_path: Path) -> None:
    with mounted(tmp_path / "shm", "64k") as folder, CaptureProcess(SYNTHETIC, shm=folder) as capture:
        assert capture.wait() == 78
        assert "65536 are free" in capture.log
        assert "detect.width" in capture.log


def test_of_two_connections_the_main_one_is_recorded_and_the_small_one_shown(movie: Path) -> None:
    detect = {"source": "synthetic://?width=160&height=120", "fps": 5.0}

    with CaptureProcess(str(movie), detect=detect, record={"segment_s": 2.0}) as capture:
        capture.until(lambda: len(capture.recorded(20)) == 20 and len(capture.notices) >= 3)

        assert {(notice.width, notice.height) for notice in capture.notices} == {(160, 120)}
        assert capture.recorded(20) == list(range(20))
        assert capture.statuses[-1].state is CameraState.ONLINE
        assert capture.kill(signal.SIGTERM) == 0


def frames_of_any(path: Path) -> int:
    return len(frames_of(path))
