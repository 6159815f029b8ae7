"""Which sources are taken, and what is said of the others."""

import pytest

from framebus.addresses import Kind, find_address_problem, parse_address
from framebus.errors import ConfigError


@pytest.mark.parametrize(
    "source",
    [
        "http://10.0.0.5/x.m3u8",
        "exec:rm -rf /",
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
        ("http://10.0.0.5/", "http:// is not supported yet; a source is rtsp://"),
        ("rtsp://user:p/ss@10.0.0.5/", "in a password are written %2F"),
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


def test_a_synthetic_camera_takes_its_size_and_rate_from_its_url() -> None:
    screen = parse_address("synthetic://?width=320&height=240&fps=25").screen

    assert (screen.width, screen.height, screen.fps) == (320, 240, 25)
