"""Cameras by HTTP: what they send is taken, how they fail is told, and they lead nowhere else."""

import base64
import signal
import socket
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import psutil
import pytest
from capture_rig import CaptureProcess

from framebus.addresses import parse_address
from framebus.clock import SystemClock
from framebus.messages import Cause
from framebus_services.capture.redirects import follow
from framebus_services.capture.trouble import ForbiddenError, SourceError, Trouble, trouble_of
from framebus_services.capture.web import WebSource
from framebus_services.video.packets import AnyPacket
from media import frames_of, make_video
from web_camera import WebCamera, playlist_of

SECRET = "canary-p%40ss"


@pytest.fixture
def camera() -> Iterator[WebCamera]:
    with WebCamera() as camera:
        yield camera


def connect(url: str, waits: list[float] | None = None) -> WebSource:
    def wait(seconds: float) -> bool:
        if waits is not None:
            waits.append(seconds)
        return False

    return WebSource(parse_address(url), SystemClock(), wait)


def trouble_at(url: str) -> Trouble:
    """Why nothing comes from there."""
    try:
        source = connect(url)
    except (OSError, ValueError, av.FFmpegError, SourceError) as error:
        return trouble_of(error, was_connected=False)
    try:
        for _ in source.items():
            pass
    except (OSError, ValueError, av.FFmpegError, SourceError) as error:
        return trouble_of(error, was_connected=True)
    finally:
        source.close()
    raise AssertionError("nothing was wrong")


def taken(source: WebSource, count: int) -> list[AnyPacket]:
    try:
        return list(islice(source.items(), count))
    finally:
        source.close()


def test_mjpeg_is_recorded_as_it_is_with_the_times_of_its_arrival_and_no_password_is_shown() -> None:
    login = base64.b64encode(b"canary:canary-p@ss").decode()
    with WebCamera(login=f"Basic {login}") as camera:
        url = camera.url.replace("//", f"//canary:{SECRET}@") + "/video.mjpg?token=canary"
        with CaptureProcess(url, detect={"fps": 20.0}) as capture:
            capture.until(lambda: len(capture.segments) >= 2 and len(capture.notices) >= 10)

            first = capture.segments[0]
            numbers = frames_of(capture.place.data / first.path)
            told = b"".join(frame for news in capture.news for frame in (news.topic.encode(), news.body))
            assert (capture.statuses[-1].codec, capture.statuses[-1].width) == ("mjpeg", 320)
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert 0.8 < first.duration_s < 1.5
            assert b"canary" not in told + capture.log.encode()
            assert capture.kill(signal.SIGTERM) == 0


def test_a_camera_that_dies_in_mid_stream_has_ended_and_is_back_by_itself(camera: WebCamera) -> None:
    with CaptureProcess(f"{camera.url}/video.mjpg") as capture:
        capture.until(lambda: len(capture.notices) >= 2)

        camera.is_cut = True
        capture.until_state("offline", "ended")
        camera.is_cut = False
        before = len(capture.notices)
        capture.until(lambda: len(capture.notices) > before)

        capture.until_state("online")


def test_a_mute_camera_does_not_delay_the_end(camera: WebCamera) -> None:
    with CaptureProcess(f"{camera.url}/mute") as capture:
        capture.until(lambda: bool(camera.asked))
        begun_s = time.monotonic()

        assert capture.kill(signal.SIGTERM) == 0
        assert time.monotonic() - begun_s < 5.0


def test_a_whole_file_is_played_at_its_own_pace(tmp_path: Path, camera: WebCamera) -> None:
    make_video(tmp_path / "a.mp4", seconds=2.0)
    camera.pages["/a.mp4"] = (tmp_path / "a.mp4").read_bytes()
    waits: list[float] = []

    packets = taken(connect(f"{camera.url}/a.mp4", waits), 20)

    assert len(packets) == 20
    assert waits[-1] == pytest.approx(1.9, abs=0.3)


def test_a_playlist_is_played_at_its_own_pace(tmp_path: Path) -> None:
    make_video(tmp_path / "live.m3u8", seconds=4.0)
    waits: list[float] = []

    with WebCamera(playlist_of(tmp_path)) as camera:
        packets = taken(connect(f"{camera.url}/live.m3u8", waits), 40)

    assert len(packets) == 40
    assert waits[-1] == pytest.approx(3.9, abs=0.4)


def test_a_file_that_is_cut_off_has_ended(tmp_path: Path, camera: WebCamera) -> None:
    make_video(tmp_path / "a.ts", seconds=3.0)
    camera.pages["/a.ts"] = (tmp_path / "a.ts").read_bytes()
    camera.is_cut = True

    assert trouble_at(f"{camera.url}/a.ts").cause is Cause.ENDED


@pytest.mark.parametrize(
    ("status", "cause"), [(401, Cause.AUTH), (403, Cause.AUTH), (404, Cause.NOT_FOUND), (503, Cause.UNKNOWN)]
)
def test_what_the_server_says_is_told_in_one_word(camera: WebCamera, status: int, cause: Cause) -> None:
    camera.statuses["/x"] = status

    trouble = trouble_at(f"{camera.url}/x")

    assert trouble.cause is cause
    assert trouble.detail


def test_what_is_no_video_is_told_as_codec(camera: WebCamera) -> None:
    camera.pages["/login.html"] = b"<html>please log in</html>" * 100

    assert trouble_at(f"{camera.url}/login.html").cause is Cause.CODEC


def test_a_server_that_says_nothing_is_told_as_timeout_after_five_seconds(camera: WebCamera) -> None:
    begun_s = time.monotonic()

    assert trouble_at(f"{camera.url}/mute").cause is Cause.TIMEOUT
    assert time.monotonic() - begun_s < 7.0


def test_nobody_there_is_told_as_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    assert trouble_at(f"http://127.0.0.1:{port}/").cause is Cause.REFUSED


HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n"
HOSTILE = {
    "a file": f"{HEAD}#EXTINF:2,\nfile://%SECRET%\n#EXT-X-ENDLIST\n",
    "a bare path": f"{HEAD}#EXTINF:2,\n//..%SECRET%\n#EXT-X-ENDLIST\n",
    "joined files": f"{HEAD}#EXTINF:2,\nconcat:http://x/|file://%SECRET%\n#EXT-X-ENDLIST\n",
    "a part of a file": f"{HEAD}#EXTINF:2,\nsubfile,,start,0,end,9,,:%SECRET%\n#EXT-X-ENDLIST\n",
    "a key in a file": f'{HEAD}#EXT-X-KEY:METHOD=AES-128,URI="file://%SECRET%"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n',
    "a header in a file": f'{HEAD}#EXT-X-MAP:URI="file://%SECRET%"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n',
    "another playlist in a file": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile://%SECRET%\n",
    "a decoder of files": f"{HEAD}#EXTINF:2,\ncrypto+file://%SECRET%\n#EXT-X-ENDLIST\n",
    "a program": f"{HEAD}#EXTINF:2,\nexec:touch %SECRET%.done\n#EXT-X-ENDLIST\n",
    "a server of another protocol": f"{HEAD}#EXTINF:2,\ntcp://127.0.0.1:%PORT%/\n#EXT-X-ENDLIST\n",
    "a server of ftp": f"{HEAD}#EXTINF:2,\nftp://127.0.0.1:%PORT%/a.ts\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_playlist_opens_nothing_but_http(tmp_path: Path, camera: WebCamera, what: str) -> None:
    secret = tmp_path / "secret.ts"
    make_video(secret, seconds=1.0)
    camera.pages["/a.ts"] = secret.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(0.2)
        text = HOSTILE[what].replace("%SECRET%", str(secret)).replace("%PORT%", str(door.getsockname()[1]))
        camera.pages["/evil.m3u8"] = text.encode()
        frames = 0
        try:
            source = connect(f"{camera.url}/evil.m3u8")
            frames = len(taken(source, 1))
        except (OSError, ValueError, av.FFmpegError, SourceError):
            pass

        if "a.ts" not in text:  # that one may be had by HTTP
            assert frames == 0
        with pytest.raises(TimeoutError):
            door.accept()
    assert not Path(f"{secret}.done").exists()


def test_a_redirect_to_another_place_of_the_camera_is_followed(camera: WebCamera) -> None:
    camera.redirects |= {"/old": "/older", "/older": "/video.mjpg"}

    assert len(taken(connect(f"{camera.url}/old"), 3)) == 3


@pytest.mark.parametrize("target", ["file:///etc/passwd", "rtsp://127.0.0.1/1", "ftp://127.0.0.1/a", "gopher://x/"])
def test_a_redirect_to_another_protocol_is_refused(camera: WebCamera, target: str) -> None:
    camera.redirects["/old"] = target

    with pytest.raises(ForbiddenError, match="only http:// and https:// are followed"):
        follow(f"{camera.url}/old")
    with pytest.raises((OSError, ValueError, av.FFmpegError, SourceError)):
        connect(f"{camera.url}/old")


def test_redirects_without_end_are_refused(camera: WebCamera) -> None:
    camera.redirects["/old"] = "/old"

    assert "more than 5 times" in trouble_at(f"{camera.url}/old").detail


def own_address() -> str:
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family is socket.AF_INET and not each.address.startswith(("127.", "169.254.")):
                return each.address
    pytest.skip("this machine has no address but its loopback")


@pytest.mark.parametrize("target", ["http://127.0.0.1:%d/a", "http://localhost:%d/a", "http://[::ffff:127.0.0.1]:%d/a"])
def test_a_redirect_from_elsewhere_into_this_machine_is_refused_before_anybody_is_asked(target: str) -> None:
    host = own_address()
    with WebCamera() as inside, WebCamera(host=host) as camera:
        camera.redirects["/old"] = target % inside.port

        trouble = trouble_at(f"{camera.url}/old")

        assert trouble.cause is Cause.REFUSED
        assert "inside this machine" in trouble.detail
        assert inside.asked == []


def test_a_redirect_to_the_services_of_a_cloud_is_refused() -> None:
    host = own_address()
    with WebCamera(host=host) as camera:
        camera.redirects["/old"] = "http://169.254.169.254/latest/meta-data/"

        assert trouble_at(f"{camera.url}/old").cause is Cause.REFUSED


def test_a_redirect_keeps_the_password_for_its_own_server_only(camera: WebCamera) -> None:
    camera.redirects["/old"] = "/new"
    with WebCamera() as other:
        camera.redirects["/away"] = f"{other.url}/new"
        own = camera.url.replace("//", "//viewer:secret@")

        assert follow(f"{own}/old") == f"{own}/new"
        assert follow(f"{own}/away") == f"{other.url}/new"


def test_no_thread_of_the_test_camera_is_left() -> None:
    with WebCamera():
        pass

    assert not [thread for thread in threading.enumerate() if thread.name == "web camera"]
