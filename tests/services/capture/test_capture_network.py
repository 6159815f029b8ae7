"""A camera in the network, and each way it fails."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from capture_rig import CaptureProcess

from camera import RtspCamera
from media import frames_of, make_video

USER, PASSWORD = "canary-user", "canary-p@ss:w0rd"


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    make_video(path, seconds=4.0)
    return path


@pytest.fixture
def camera(movie: Path) -> Iterator[RtspCamera]:
    with RtspCamera(movie, user=USER, password=PASSWORD) as camera:
        yield camera


def assert_no_secret(capture: CaptureProcess) -> None:
    told = b"".join(frame for news in capture.news for frame in (news.topic.encode(), news.body))
    assert capture.process is not None
    title = Path(f"/proc/{capture.process.pid}/cmdline")
    shown = told + capture.log.encode() + (title.read_bytes() if title.exists() else b"")
    assert b"canary" not in shown
    assert b"w0rd" not in shown


def test_a_camera_is_recorded_from_its_first_key_frame_and_its_password_is_nowhere(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url) as capture:
        capture.until(lambda: len(capture.segments) >= 2)

        assert capture.history == [("connecting", "none"), ("online", "none")]
        assert capture.statuses[-1].source.startswith("rtsp://***@127.0.0.1:")
        recorded = [number for each in capture.segments[:2] for number in frames_of(capture.place.data / each.path)]
        assert recorded == list(range(20))
        assert abs(capture.segments[1].start_at_s - capture.segments[0].start_at_s - 1.0) < 0.05
        assert_no_secret(capture)
        assert capture.kill(signal.SIGTERM) == 0


def test_a_camera_that_is_restarted_is_back_with_new_frames_only(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url) as capture:
        capture.until(lambda: len(capture.notices) >= 3)

        camera.kill()
        capture.until(lambda: capture.history[-1][0] == "offline")
        before = len(capture.notices)
        camera.restart()
        back_at_s = time.time()
        capture.until(lambda: len(capture.notices) > before + 3)
        capture.until_state("online")

        states = [state for state, _ in capture.history]
        assert states[:3] == ["connecting", "online", "offline"]
        assert states[-1] == "online"
        assert all(notice.captured_at_s > back_at_s for notice in capture.notices[before:])
        captured = [notice.captured_at_s for notice in capture.notices]
        assert captured == sorted(captured)
        assert_no_secret(capture)


def test_a_camera_that_sends_nothing_any_more_is_stalled_after_five_seconds(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url) as capture:
        capture.until(lambda: len(capture.notices) >= 3)

        camera.command("stall")
        stalled_s = time.monotonic()
        capture.until_state("offline", "stalled")
        after_s = time.monotonic() - stalled_s
        notices = len(capture.notices)
        camera.command("resume")
        capture.until(lambda: len(capture.notices) > notices)

        assert 4.5 < after_s < 7.0
        capture.until_state("online")


def test_a_stalled_camera_does_not_delay_the_end_and_its_last_segment_is_whole(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url, record={"segment_s": 60.0}) as capture:
        capture.until(lambda: len(capture.notices) >= 6)
        camera.command("stall")
        begun_s = time.monotonic()

        code = capture.kill(signal.SIGTERM)

        assert code == 0
        assert time.monotonic() - begun_s < 5.0
        (name,) = capture.files()
        assert name.endswith(".mp4")


def test_a_jump_of_the_cameras_clock_starts_a_new_segment(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url, record={"segment_s": 60.0}) as capture:
        capture.until(lambda: len(capture.notices) >= 6)

        camera.command("jump 7200")
        capture.until(lambda: len(capture.segments) >= 1)

        assert capture.segments[0].duration_s < 20.0
        assert abs(capture.segments[0].start_at_s - time.time()) < 20.0


def test_damaged_pictures_are_counted_and_make_the_camera_degraded(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url) as capture:
        capture.until(lambda: len(capture.notices) >= 3)

        camera.command("corrupt 0.5")
        capture.until_state("degraded", "codec")
        camera.command("clean")

        assert any(name.startswith("corrupt.") or name == "decode" for name in capture.statuses[-1].drops)
        assert capture.process is not None
        assert capture.process.poll() is None


def test_a_wrong_password_is_told_as_auth_and_neither_password_is_told(camera: RtspCamera) -> None:
    with CaptureProcess(camera.url.replace("w0rd", "w0rd-wrong")) as capture:
        capture.until_state("offline", "auth")

        assert_no_secret(capture)


def test_nobody_listening_is_told_as_refused_with_the_time_of_the_next_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with CaptureProcess(f"rtsp://{USER}:secret@127.0.0.1:{port}/1") as capture:
        capture.until_state("offline", "refused")

        retry_at_s = capture.statuses[-1].retry_at_s
        assert retry_at_s is not None
        assert retry_at_s > capture.statuses[-1].since_at_s
        assert "refused" in capture.log
        assert "next try in" in capture.log
        assert_no_secret(capture)


def test_a_name_that_does_not_exist_is_told_as_dns() -> None:
    with CaptureProcess("rtsp://camera.invalid/1") as capture:
        capture.until_state("offline", "dns", limit_s=40.0)
