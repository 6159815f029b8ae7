"""A look at a source before a camera is made of it: what comes from there, or why nothing does."""

import socket
from pathlib import Path

import pytest

from framebus.messages import Cause
from framebus.source_report import LookAt
from framebus_services.capture import source
from framebus_services.capture.look import look_at
from media import make_video
from web_camera import WebCamera


def test_a_short_video_that_ends_before_the_look_is_told_as_what_it_is(tmp_path: Path) -> None:
    make_video(tmp_path / "short.mp4", seconds=1, fps=10)
    with WebCamera({"/short.mp4": (tmp_path / "short.mp4").read_bytes()}) as camera:
        report = look_at(LookAt(source=f"{camera.url}/short.mp4"))

    assert (report.cause, report.codec, round(report.fps)) == (None, "h264", 10)


def test_a_host_that_takes_the_connection_and_says_nothing_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        report = look_at(LookAt(source=f"rtsp://127.0.0.1:{mute.getsockname()[1]}/1"))

    assert report.cause is Cause.TIMEOUT


def test_a_host_that_speaks_no_rtsp_sends_no_video() -> None:
    with WebCamera({}) as page:
        report = look_at(LookAt(source=page.url.replace("http", "rtsp")))

    assert report.cause is Cause.CODEC
