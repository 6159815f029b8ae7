"""The test camera itself: what it serves, and each of its faults as a reader meets it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice, pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import av
import pytest

import camera as camera_module
from camera import PAYLOAD_BYTES, RtspCamera, nals
from media import frame_number, frames_of, luma_of, make_video, packets_of

FRAMES = 20
OPTIONS = {"rtsp_transport": "tcp", "probesize": "32", "analyzeduration": "0"}
LIMIT_S = 5.0


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "movie.mp4"
    make_video(path, seconds=2.0)
    return path


@pytest.fixture
def camera(movie: Path) -> Iterator[RtspCamera]:
    with RtspCamera(movie, speed=10.0) as camera:
        yield camera


@contextmanager
def connected(url: str, *, open_s: float = LIMIT_S, read_s: float = LIMIT_S) -> Iterator[Any]:
    with av.open(url, options=dict(OPTIONS), timeout=(open_s, read_s)) as container:
        container.streams.video[0].codec_context.thread_type = "NONE"
        container.streams.video[0].codec_context.thread_count = 1
        yield container


def take(container: Any, count: int) -> list[Any]:
    """The next `count` frames; fewer when the stream ends."""
    frames: list[Any] = []
    for packet in container.demux(video=0):
        frames += packet.decode() if packet.size else []
        if len(frames) >= count or not packet.size:
            break
    return frames[:count]


def drain(container: Any) -> None:
    """Read to the end of the stream; a connection cut off is an end too."""
    with suppress(ConnectionResetError):
        for _ in container.demux(video=0):
            pass


def numbers(frames: list[Any]) -> list[int]:
    return [frame_number(luma_of(frame)) for frame in frames]


def seconds(frames: list[Any]) -> list[float]:
    """The timestamps; FFmpeg gives the first packet of an RTSP stream none."""
    return [round(float(frame.pts * frame.time_base), 3) for frame in frames if frame.pts is not None]


def steps(values: list[float]) -> list[float]:
    return [round(later - earlier, 3) for earlier, later in pairwise(values)]


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (160, 120)])
def test_each_frame_of_a_made_video_shows_its_number(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "video.mp4"

    make_video(path, seconds=3.0, width=size[0], height=size[1], b_frames=2, audio=True)

    assert frames_of(path) == list(range(30))
    assert len(packets_of(path)) == 30


def test_a_frame_number_survives_scaling(movie: Path) -> None:
    with av.open(str(movie)) as container:
        frames = [frame.reformat(width=200, height=112) for frame in container.decode(video=0)]

    assert numbers(frames) == list(range(FRAMES))


def test_frames_come_in_order_with_growing_timestamps_over_the_loop_point(camera: RtspCamera) -> None:
    with connected(camera.url) as container:
        frames = take(container, 2 * FRAMES + 5)

    assert numbers(frames) == [number % FRAMES for number in range(2 * FRAMES + 5)]
    assert seconds(frames) == [round(number / 10, 3) for number in range(1, 2 * FRAMES + 5)]


def test_packets_arrive_as_they_are_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.mp4"
    make_video(path, seconds=1.0, width=1280, height=720)
    sent = packets_of(path)
    with RtspCamera(path, speed=10.0) as camera, connected(camera.url) as container:
        received = [bytes(packet) for packet in islice(container.demux(video=0), len(sent))]

    assert max(map(len, sent)) > 2 * PAYLOAD_BYTES
    assert [list(nals(packet, 0)) for packet in received] == [list(nals(packet, 4)) for packet in sent]


@pytest.mark.parametrize("ending", ["mp4", "ts"])
def test_b_frames_are_stamped_with_their_time_of_showing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"b.{ending}"
    make_video(path, seconds=2.0, b_frames=2)
    with RtspCamera(path, speed=10.0) as camera, connected(camera.url) as container:
        frames = take(container, FRAMES + 10)

    assert numbers(frames) == [number % FRAMES for number in range(FRAMES + 10)]
    assert seconds(frames) == [round(number / 10, 3) for number in range(1, FRAMES + 10)]


def test_frames_are_paced_by_the_cameras_clock(movie: Path) -> None:
    with RtspCamera(movie, speed=4.0) as camera, connected(camera.url) as container:
        take(container, 1)
        begun_s = time.monotonic()
        take(container, FRAMES)
        elapsed_s = time.monotonic() - begun_s

    assert elapsed_s > 0.35  # 2 s of video at four times its speed, less what waited in the socket


def test_several_clients_each_begin_with_the_first_frame(camera: RtspCamera) -> None:
    seen: dict[int, list[int]] = {}

    def read(client: int) -> None:
        with connected(camera.url) as container:
            seen[client] = numbers(take(container, FRAMES))

    readers = [Thread(target=read, args=(client,)) for client in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(LIMIT_S)

    assert seen == {client: list(range(FRAMES)) for client in range(3)}


def test_udp_is_refused_and_the_client_falls_back_to_tcp(camera: RtspCamera) -> None:
    with av.open(camera.url, options={"probesize": "32", "analyzeduration": "0"}, timeout=LIMIT_S) as container:
        frames = take(container, 3)

    assert numbers(frames) == [0, 1, 2]


def test_the_right_password_is_let_in_and_a_wrong_one_is_not(movie: Path) -> None:
    with RtspCamera(movie, user="me", password="s:e/c@ret", speed=10.0) as camera:
        with connected(camera.url) as container:
            frames = take(container, 2)
        with pytest.raises(av.error.HTTPUnauthorizedError, match="401"), connected(camera.address):
            pass
        with (
            pytest.raises(av.error.HTTPUnauthorizedError, match="401"),
            connected(camera.address.replace("//", "//me:wrong@")),
        ):
            pass

    assert numbers(frames) == [0, 1]


def test_a_stalled_camera_makes_a_read_time_out_and_resumes_with_the_next_frame(camera: RtspCamera) -> None:
    with connected(camera.url, read_s=0.5) as impatient, connected(camera.url) as patient:
        before = take(patient, 5)
        camera.command("stall")
        with pytest.raises(av.error.ExitError):
            take(impatient, 1000)
        camera.command("resume")
        after = take(patient, FRAMES)

    frames = before + after
    assert numbers(frames) == [number % FRAMES for number in range(FRAMES + 5)]
    assert max(steps(seconds(frames))) > 3.0  # the camera's clock ran on, ten times as fast


def test_closed_connections_end_and_new_ones_work(camera: RtspCamera) -> None:
    with connected(camera.url) as container:
        take(container, 1)
        camera.command("close")
        drain(container)
    with connected(camera.url) as container:
        frames = take(container, 2)

    assert numbers(frames) == [0, 1]


def test_a_restarted_camera_is_found_at_the_same_address(camera: RtspCamera) -> None:
    address = camera.address
    with connected(camera.url) as container:
        take(container, 1)
        camera.restart()
        drain(container)
    with connected(camera.url) as container:
        frames = take(container, 2)

    assert camera.address == address
    assert numbers(frames) == [0, 1]


def test_a_killed_camera_refuses_connections_and_commands(camera: RtspCamera) -> None:
    camera.kill()

    with pytest.raises(av.error.ConnectionRefusedError), connected(camera.url):
        pass
    with pytest.raises(RuntimeError, match="not running"):
        camera.command("stall")


def test_a_mute_camera_makes_open_time_out_until_it_is_clean(camera: RtspCamera) -> None:
    camera.command("mute")
    begun_s = time.monotonic()
    with pytest.raises(av.error.FFmpegError), connected(camera.url, open_s=0.5):
        pass
    elapsed_s = time.monotonic() - begun_s
    camera.command("clean")
    with connected(camera.url) as container:
        frames = take(container, 1)

    assert 0.4 < elapsed_s < LIMIT_S
    assert numbers(frames) == [0]


def test_corrupt_payloads_spoil_pictures_and_not_the_connection(camera: RtspCamera) -> None:
    with connected(camera.url) as container:
        good = take(container, 1)
        camera.command("corrupt 0.5")
        spoilt = 0
        packets = 0
        for packet in container.demux(video=0):
            packets += 1
            try:
                spoilt += sum(frame.is_corrupt for frame in packet.decode())
            except av.error.InvalidDataError:
                spoilt += 1
            if packets >= 3 * FRAMES or not packet.size:
                break
    camera.command("clean")
    with connected(camera.url) as container:
        clean = take(container, FRAMES)

    assert numbers(good) == [0]
    assert packets == 3 * FRAMES
    assert spoilt > 0
    assert numbers(clean) == list(range(FRAMES))


def test_dropped_packets_are_missing(camera: RtspCamera) -> None:
    with connected(camera.url) as container:
        take(container, 1)
        camera.command("drop 0.5")
        packets = list(islice(container.demux(video=0), 2 * FRAMES))

    stamps = [float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]
    assert max(steps(stamps)) > 0.15


@pytest.mark.parametrize("jump_s", [3600.0, -1.0])
def test_a_jump_shows_in_the_timestamps(camera: RtspCamera, jump_s: float) -> None:
    with connected(camera.url) as container:
        take(container, 1)
        camera.command(f"jump {jump_s}")
        frames = take(container, 2 * FRAMES)

    assert [step for step in steps(seconds(frames)) if step != 0.1] == [pytest.approx(jump_s + 0.1)]


def test_an_unknown_command_is_refused(camera: RtspCamera) -> None:
    with pytest.raises(ValueError, match="no such command"):
        camera.command("explode")


def test_a_file_that_is_not_h264_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "h265.mp4"
    make_video(path, seconds=1.0, codec="libx265")

    with pytest.raises(RuntimeError, match="ended"):
        RtspCamera(path)
    assert "H.264 only" in capfd.readouterr().err


def test_by_hand_it_prints_its_url_outlives_stdin_and_ends_on_sigterm(movie: Path) -> None:
    command = [sys.executable, camera_module.__file__, str(movie), "--speed", "10"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with connected(url) as container:
            frames = take(container, FRAMES)
        process.terminate()
        code = process.wait(LIMIT_S)

    assert numbers(frames) == list(range(FRAMES))
    assert code == 0
