"""Which sources are taken, and what is said of the others."""

import os

import pytest

from framebus.addresses import Capturing, Kind, find_address_problem, parse_address
from framebus.errors import ConfigError


@pytest.mark.parametrize(
    "source",
    [
        "exec:rm -rf /",
        "exec:evil.py",
        "http://",
        "https://user:p/ss@10.0.0.5/1",
        "http+unix:///run/docker.sock",
        "httpproxy://10.0.0.5/x.m3u8",
        "hls+http://10.0.0.5/x.m3u8",
        "v4l2://host/dev/video0",
        "v4l2:///etc/passwd",
        "v4l2:///dev/video0/../../etc/passwd",
        "v4l2:///dev/sda",
        "v4l2:///dev/video0?input_format=mjpeg",
        "v4l2:///dev/video0?format=-i",
        "v4l2:///dev/video0?width=640",
        "v4l2:///dev/video0?fps=0",
        "plugin:",
        "plugin:../evil",
        "plugin:os.system('x')",
        "concat:/etc/passwd|/etc/hosts",
        "pipe:0",
        "subfile,,start,0,end,0,,:/x".replace("subfile", "subfile:"),
        "tcp://10.0.0.5:1234",
        "RTP://10.0.0.5",
        "data:video/mp4;base64,AAAA",
        "file://server/share/x.mp4",
        "rtsp://",
        "rtsp://10.0.0.5:port/1",
        "rtsp://user:p/ss@10.0.0.5/1",
        "rtsp://10.0.0.5:99999/1",
        "rtsp://10.0.0.5:0/1",
        "viewer:canary@10.0.0.5/1",
        "file:relative.mp4",
        "file://",
        "?once",
        "",
        " ",
        "a\0b",
        "synthetic://?width=641",
        "synthetic://?width=1000000",
        "synthetic://?fps=-1",
        "synthetic://?preset=slow",
        "synthetic://640x360",
    ],
)
def test_a_source_that_is_not_on_the_list_of_allowed_ones_is_a_configuration_error(source: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(source, "cameras.front.source")

    assert str(caught.value).startswith("cameras.front.source: ")
    assert find_address_problem(source)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("synthetic://?fpss=3", "no option 'fpss'; did you mean fps?"),
        ("synthetic://?preset=slow", "known are width, height, fps"),
        ("synthetic://?fps=fast", "fps of synthetic:// must be a whole number from 1 to 60"),
        ("v4l2:///dev/video0?fpss=3", "no option 'fpss'; did you mean fps?"),
        ("v4l2:///dev/video0?format=xvid", "format of v4l2:// must be one of mjpeg, h264"),
        ("plugin:a/b", "write plugin:NAME"),
        ("rtsp://user:p/ss@10.0.0.5/", "in a password are written %2F"),
        ("rtsp://user:12#ss@10.0.0.5/", "in a password are written %2F"),
        ("rtsp://user:p#ss@10.0.0.5/", "write rtsp://host/path, with user:password@ before host"),
        ("file://videos/a.mp4", "write file:///with/the/full/path"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(source: str, said: str) -> None:
    assert said in (find_address_problem(source) or "")


@pytest.mark.parametrize("source", ["rtsp://10.0.0.5/1", "RTSP://10.0.0.5", "videos/a.mp4", "synthetic://"])
def test_a_source_that_can_be_one_has_no_problem(source: str) -> None:
    assert find_address_problem(source) is None


def test_the_message_about_a_bad_address_holds_no_password() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address("rtsp://admin:canary-s3cret@10.0.0.5:bad/1")

    assert "canary-s3cret" not in str(caught.value)


def test_an_address_shows_neither_user_nor_password() -> None:
    address = parse_address("rtsp://admin:canary-s3cret@10.0.0.5/stream?token=canary-t0ken")

    assert address.kind is Kind.NETWORK
    assert (address.host, address.port) == ("10.0.0.5", 554)
    assert "canary" not in address.shown
    assert "canary" not in repr(address)


@pytest.mark.parametrize(
    ("source", "path", "is_once"),
    [
        ("/videos/car park.mp4", "/videos/car park.mp4", False),
        ("/videos/car.mp4?once", "/videos/car.mp4", True),
        ("file:///videos/car%20park.mp4", "/videos/car park.mp4", False),
        ("file:///videos/car.mp4?once", "/videos/car.mp4", True),
    ],
)
def test_a_file_is_named_by_path_or_url_and_played_once_when_asked(source: str, path: str, is_once: bool) -> None:
    address = parse_address(source)

    assert (address.kind, address.url, address.is_once) == (Kind.FILE, path, is_once)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_of_the_web_has_its_port_and_shows_no_password(scheme: str) -> None:
    address = parse_address(f"{scheme}://viewer:canary@cam.lan/video.mjpg?token=canary")

    assert (address.kind, address.host, address.port) == (Kind.WEB, "cam.lan", {"http": 80, "https": 443}[scheme])
    assert "canary" not in address.shown
    assert "canary" not in repr(address)


def test_a_device_is_asked_for_what_its_address_says_and_for_nothing_else() -> None:
    address = parse_address("v4l2:///dev/video2?width=1280&height=720&fps=30&format=mjpeg")
    bare = parse_address("v4l2:///dev/v4l/by-id/usb-046d_HD_Pro_Webcam-video-index0")

    assert (address.kind, address.url) == (Kind.DEVICE, "/dev/video2")
    assert address.capturing == Capturing(width=1280, height=720, fps=30, format="mjpeg")
    assert bare.capturing == Capturing()


@pytest.mark.parametrize(
    ("source", "path", "name"),
    [
        ("./my_camera.py", f"{os.getcwd()}/my_camera.py", ""),
        ("camera.py:Bench", f"{os.getcwd()}/camera.py", "Bench"),
        ("/opt/lab/my camera.py:Bench", "/opt/lab/my camera.py", "Bench"),
        ("plugin:genicam", "", "genicam"),
    ],
)
def test_a_source_of_the_users_own_is_named_by_file_or_entry_point(source: str, path: str, name: str) -> None:
    address = parse_address(source)

    assert (address.kind, address.url, address.plugin) == (Kind.PLUGIN, path, name)


def test_a_synthetic_camera_takes_its_size_and_rate_from_its_url() -> None:
    screen = parse_address("synthetic://?width=320&height=240&fps=25").screen

    assert (screen.width, screen.height, screen.fps) == (320, 240, 25)
