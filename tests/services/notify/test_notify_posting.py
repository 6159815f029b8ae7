"""Posting to a real server: what it answers decides what becomes of the notification, and no secret is told."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from endpoint import Endpoint, endpoint
from framebus.notify_settings import Target
from framebus.report import Stopped, StopReason
from framebus.requests import FailKind
from framebus.runner import WorkError
from framebus.testing import FakeReport
from framebus_services.notify.body import Post
from framebus_services.notify.hiding import Hider
from framebus_services.notify.posting import Answer, AskedToWaitError
from framebus_services.notify.posting import Endpoint as Sending

SECRET = "bot123456:AAbbCCddEE"
POST = Post(headers={"Content-Type": "text/plain"}, body=b"hello")


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as server:
        server.body = b"thanks"
        yield server


def send(url: str, tmp_path: Path, limit_s: float = 10.0, report: FakeReport | None = None) -> Answer:
    gone = threading.Event()
    target = Target(url=f"{url}/{SECRET}/send?key=qwertzuiop", limit_s=limit_s, headers={"X-Key": "Bearer abcdefghij"})
    try:
        return Sending("phone", target).send(POST, report or FakeReport(tmp_path), gone.set)
    finally:
        assert gone.wait(5.0), "the connection is still open"


def failure(url: str, tmp_path: Path, limit_s: float = 10.0) -> WorkError:
    with pytest.raises(WorkError) as raised:
        send(url, tmp_path, limit_s)
    assert SECRET not in str(raised.value)
    return raised.value


@contextmanager
def raw_server(*, piece: bytes) -> Iterator[str]:
    """One that takes a request and says `piece` again and again."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(30.0)
                try:
                    connection.recv(65_536)
                    while True:
                        connection.sendall(piece)
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(5.0)
        assert not thread.is_alive(), "nobody hung up"


def test_what_is_taken_is_told_with_the_words_of_the_endpoint(server: Endpoint, tmp_path: Path) -> None:
    answer = send(server.url, tmp_path)

    assert answer.text == "200 OK: thanks"
    assert (server.posts[0].path, server.posts[0].body) == (f"/v1/{SECRET}/send?key=qwertzuiop", b"hello")


def test_a_login_in_the_address_becomes_a_header(server: Endpoint, tmp_path: Path) -> None:
    send(server.url.replace("//", "//me:s3cret%40@"), tmp_path)

    assert server.keys == ["Basic bWU6czNjcmV0QA=="]


def test_a_refusal_is_for_good_and_told_in_the_words_of_the_endpoint_without_the_secrets(
    server: Endpoint, tmp_path: Path
) -> None:
    server.status = 404
    server.body = f"no\n chat\x1b of {SECRET}, key qwertzuiop, Bearer abcdefghij, {SECRET[3:]}".encode()

    error = failure(server.url, tmp_path)

    assert error.kind is FailKind.PERMANENT
    assert str(error) == "phone answers 404 Not Found: no chat of ***, key ***, ***, ***"


def test_long_words_are_cut_after_the_secrets_are_out(server: Endpoint, tmp_path: Path) -> None:
    server.status, server.body = 400, b"x" * 190 + SECRET.encode() + b"y" * 200_000

    error = failure(server.url, tmp_path)

    assert str(error).startswith(f"phone answers 400 Bad Request: {'x' * 190}***")
    assert len(str(error)) < 260
    assert SECRET[:4] not in str(error)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_pass_is_tried_again(server: Endpoint, tmp_path: Path, status: int) -> None:
    server.status = status

    error = failure(server.url, tmp_path)

    assert error.kind is FailKind.TRANSIENT


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_asks_to_be_left_alone_says_for_how_long(
    server: Endpoint, tmp_path: Path, status: int
) -> None:
    server.status, server.headers = status, {"Retry-After": "17"}

    error = failure(server.url, tmp_path)

    assert isinstance(error, AskedToWaitError)
    assert (error.kind, error.wait_s) == (FailKind.TRANSIENT, 17.0)
    assert "it asks to be left alone for 17 s" in str(error)


def test_a_redirect_is_not_followed(server: Endpoint, tmp_path: Path) -> None:
    server.status, server.headers = 302, {"Location": "http://127.0.0.1:1/elsewhere"}

    error = failure(server.url, tmp_path)

    assert error.kind is FailKind.PERMANENT
    assert "no redirect is followed" in str(error)
    assert len(server.posts) == 1


def test_nobody_there_is_tried_again(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]

    error = failure(f"http://127.0.0.1:{port}", tmp_path)

    assert error.kind is FailKind.TRANSIENT
    assert "Connection refused" in str(error)


def test_one_that_hangs_is_left_when_its_time_is_over(server: Endpoint, tmp_path: Path) -> None:
    server.delay_s = 3.0

    error = failure(server.url, tmp_path, limit_s=0.5)

    assert error.kind is FailKind.TRANSIENT
    assert "0.5 s" in str(error) or "timed out" in str(error)


def test_one_that_hangs_up_is_tried_again(server: Endpoint, tmp_path: Path) -> None:
    server.is_mute = True

    assert failure(server.url, tmp_path).kind is FailKind.TRANSIENT


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"H", b"HTTP/1.1 200 OK\r\nX-Slow: a\r\n"])
def test_a_head_that_trickles_without_an_end_is_left_when_its_time_is_over(piece: bytes, tmp_path: Path) -> None:
    with raw_server(piece=piece) as url:
        error = failure(url, tmp_path, limit_s=0.5)

    assert error.kind is FailKind.TRANSIENT


def test_words_that_trickle_do_not_undo_a_delivery(server: Endpoint, tmp_path: Path) -> None:
    server.body, server.pause_s = b"thanks" * 3, 0.3

    answer = send(server.url, tmp_path, limit_s=0.6)

    assert answer.status == 200


def test_who_must_stop_waits_no_longer(server: Endpoint, tmp_path: Path) -> None:
    server.delay_s = 3.0
    report = FakeReport(tmp_path)
    report.stop(StopReason.RELEASED)

    with pytest.raises(Stopped):
        send(server.url, tmp_path, report=report)


def test_what_is_shorter_than_a_password_is_no_secret() -> None:
    said = "5 high: the message / cannot be sent"

    assert Hider(["5", "/", "high", "/1/messages.json"]).hide(said) == said
    assert Hider(["s3cre7"]).hide("the S3CRE7!") == "the ***!"
