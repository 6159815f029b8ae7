"""Analysers say what is on a file, and a failure says whether trying again helps."""

import base64
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from endpoint import Endpoint, endpoint
from framebus.analyser import AnalysedFile
from framebus.errors import ConfigError
from framebus.job_requests import FailKind
from framebus.plugin_classes import load_analyser
from framebus.report import Stopped, StopReason
from framebus.runner import WorkError
from framebus_services.analysers.describe import Describe
from framebus_services.analysers.objects import Objects
from media import make_video


def no_report(step: str, percent: float) -> None:
    pass


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as server:
        yield server


@pytest.fixture
def picture(tmp_path: Path) -> AnalysedFile:
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.full((1_200, 2_000, 3), 90, np.uint8))
    return AnalysedFile(path=path, is_video=False, camera="front")


@pytest.fixture
def movie(tmp_path: Path) -> AnalysedFile:
    path = tmp_path / "a.mp4"
    make_video(path, seconds=6.0)
    return AnalysedFile(path=path, is_video=True, camera="front")


def failure(server: Endpoint, picture: AnalysedFile, **settings: float) -> WorkError:
    with pytest.raises(WorkError) as caught:
        Describe(url=server.url, model="m", timeout_s=settings.get("timeout_s", 5.0)).analyse(picture, no_report)
    return caught.value


def test_a_video_is_looked_at_by_its_key_frames(movie: AnalysedFile) -> None:
    steps: list[float] = []

    analysis = Objects().analyse(movie, lambda step, percent: steps.append(percent))

    assert analysis.values["pictures"] == 6
    assert 0.0 < analysis.values["motion"]["mean"] <= analysis.values["motion"]["highest"] <= 1.0
    assert steps == sorted(steps)
    assert analysis.jpeg is not None
    assert cv2.imdecode(np.frombuffer(analysis.jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (240, 320, 3)


def test_a_picture_is_looked_at_once(picture: AnalysedFile) -> None:
    analysis = Objects().analyse(picture, no_report)

    assert analysis.values == {"pictures": 1, "brightness": 90.0}


def test_a_file_that_does_not_decode_is_no_job_to_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video " * 1_000)

    with pytest.raises(WorkError, match=r"a\.mp4 can't be read") as caught:
        Objects().analyse(AnalysedFile(path=path, is_video=True), no_report)

    assert caught.value.kind is FailKind.PERMANENT


def test_the_endpoint_is_asked_with_a_picture_of_a_sound_size_and_the_key(
    server: Endpoint, picture: AnalysedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sesame")

    analysis = Describe(url=server.url, model="m", key_env="MY_KEY").analyse(picture, no_report)

    assert analysis.values == {"text": "A red car.", "model": "m"}
    [asked] = server.asked
    url = asked["messages"][0]["content"][1]["image_url"]["url"]
    sent = cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert max(sent.shape) == 1_024
    assert server.keys == ["Bearer sesame"]


def test_of_a_video_the_middle_is_described(server: Endpoint, movie: AnalysedFile) -> None:
    assert Describe(url=server.url, model="m").analyse(movie, no_report).values["text"] == "A red car."


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait_s"),
    [
        (429, {"Retry-After": "7"}, FailKind.RATE_LIMITED, 7.0),
        (429, {}, FailKind.RATE_LIMITED, None),
        (429, {"Retry-After": "soon"}, FailKind.RATE_LIMITED, None),
        (429, {"Retry-After": "9" * 400}, FailKind.RATE_LIMITED, 86_400.0),
        (429, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, FailKind.RATE_LIMITED, 86_400.0),
        (503, {"Retry-After": "3"}, FailKind.RATE_LIMITED, 3.0),
        (503, {}, FailKind.TRANSIENT, None),
        (500, {}, FailKind.TRANSIENT, None),
        (401, {}, FailKind.PERMANENT, None),
        (302, {"Location": "http://127.0.0.1:9/"}, FailKind.PERMANENT, None),
    ],
)
def test_what_the_endpoint_refuses_is_tried_again_only_where_that_helps(
    server: Endpoint, picture: AnalysedFile, status: int, headers: dict[str, str], kind: FailKind, wait_s: float | None
) -> None:
    server.status, server.headers = status, headers

    error = failure(server, picture)

    assert (error.kind, error.retry_after_s) == (kind, wait_s)
    assert str(status) in str(error)


def test_a_date_in_the_past_is_no_wait(server: Endpoint, picture: AnalysedFile) -> None:
    server.status, server.headers = 429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}

    assert failure(server, picture).retry_after_s == 0.0


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": 3}}]}']
)
def test_an_answer_without_text_may_be_tried_again(server: Endpoint, picture: AnalysedFile, body: bytes) -> None:
    server.body = body

    assert failure(server, picture).kind is FailKind.TRANSIENT


def test_while_the_endpoint_takes_its_time_the_job_tells_that_it_is_alive_and_can_be_stopped(
    server: Endpoint, picture: AnalysedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framebus_services.analysers.describe.TELL_S", 0.02)
    server.delay_s = 0.5
    steps: list[str] = []

    Describe(url=server.url, model="m").analyse(picture, lambda step, percent: steps.append(step))
    assert steps.count("asking") > 3

    def stop(step: str, percent: float) -> None:
        steps.append(step)
        if steps[-3:] == ["asking"] * 3:
            raise Stopped(StopReason.CANCELLED)

    steps.clear()
    with pytest.raises(Stopped):
        Describe(url=server.url, model="m").analyse(picture, stop)


def test_an_endpoint_that_trickles_is_not_waited_for_without_end(server: Endpoint, picture: AnalysedFile) -> None:
    server.body, server.pause_s = b" " * 100_000, 0.02

    error = failure(server, picture, timeout_s=0.3)

    assert error.kind is FailKind.TRANSIENT
    assert "within 0.3 s" in str(error)


def test_an_endpoint_that_is_slow_mute_or_away_is_tried_again(server: Endpoint, picture: AnalysedFile) -> None:
    server.delay_s = 0.5
    assert failure(server, picture, timeout_s=0.1).kind is FailKind.TRANSIENT

    server.delay_s, server.is_mute = 0.0, True
    assert failure(server, picture).kind is FailKind.TRANSIENT

    with pytest.raises(WorkError) as caught:
        Describe(url="http://127.0.0.1:9", model="m").analyse(picture, no_report)
    assert caught.value.kind is FailKind.TRANSIENT


@pytest.mark.parametrize(
    ("name", "settings", "wrong"),
    [
        ("objetcs", {}, "objetcs: no installed package brings an analyser of this name; there are describe, objects"),
        ("describe", {}, r"analysers\.describe\.url: is missing"),
        ("describe", {"url": "ftp://x", "model": "m"}, "url: it begins with http"),
        (
            "describe",
            {"url": "http://x", "model": "m", "timeout": 3},
            r"timeout: unknown setting; did you mean timeout_s",
        ),
        ("objects", {"max_pictures": 0}, "max_pictures"),
    ],
)
def test_settings_that_make_no_sense_are_named(name: str, settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        load_analyser(name, settings)
