"""Cameras that an admin adds over HTTP: into the configuration, by the launcher, and nothing else into it."""

import logging
from typing import Any

import msgspec
import pytest
from gateway_rig import Answer, Rig
from msgspec import Raw

from framebus import codec
from framebus.errors import ErrorCode, RefusedError
from framebus.requests import ChangeConfig, Config, ConfigApplied, GetConfig

CANARY = "c4nary-p4ss"
CAMERA = {"name": "shed", "source": f"rtsp://viewer:{CANARY}@10.0.0.5/stream1"}


def launched(rig: Rig, **cameras: Any) -> list[ChangeConfig]:
    """What the launcher is asked to change from now on; `cameras` stand in its file."""
    asked: list[ChangeConfig] = []

    def change(request: ChangeConfig) -> ConfigApplied:
        asked.append(request)
        return ConfigApplied(revision=8, started=["capture@shed"])

    value = Raw(codec.encode({"cameras": cameras}))
    rig.bus.when_asked(GetConfig, lambda _: Config(file="framebus.yml", revision=7, value=value))
    rig.bus.when_asked(ChangeConfig, change)
    return asked


def add(rig: Rig, **camera: Any) -> Answer:
    return rig.ask("/api/cameras", "POST", token=rig.admin, body={**CAMERA, **camera})


def test_a_camera_is_written_as_it_stands_in_the_file_and_the_log_has_no_password(
    gateway: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    asked = launched(gateway)

    with caplog.at_level(logging.INFO):
        answer = add(gateway, detect={"source": "rtsp://10.0.0.5/stream2"})

    assert (answer.status, answer.json["started"]) == (202, ["capture@shed"])
    assert (asked[0].path, asked[0].revision) == ("cameras.shed", 7)
    section = {"source": CAMERA["source"], "detect": {"source": "rtsp://10.0.0.5/stream2"}}
    assert msgspec.msgpack.decode(bytes(asked[0].value)) == section
    assert "camera shed was added by admin" in caplog.text
    assert CANARY not in caplog.text + answer.body.decode()


@pytest.mark.parametrize(
    ("camera", "path"),
    [
        ({"source": "./my_camera.py"}, "source"),
        ({"source": "plugin:bench"}, "source"),
        ({"source": "/etc/passwd"}, "source"),
        ({"source": "rtsp://evil.example/${FRONT_DOOR_PASSWORD}"}, "source"),
        ({"source": "rtsp://u:p/x@h:y/"}, "source"),
        ({"detect": {"source": "exec:///bin/sh"}}, "detect.source"),
        ({"name": "Shed"}, "name"),
        ({"name": "a.b"}, "name"),
        ({"record": {"enabled": False}}, "record"),
    ],
)
def test_what_would_run_or_read_something_of_this_machine_or_is_no_camera_is_refused_with_its_path(
    gateway: Rig, camera: dict[str, Any], path: str
) -> None:
    asked = launched(gateway)

    answer = add(gateway, **camera)

    assert (answer.status, answer.json["details"]["path"]) == (422, path)
    assert asked == []


def test_what_the_launcher_refuses_comes_with_the_path_in_what_was_sent(gateway: Rig) -> None:
    launched(gateway)

    def refuse(_: ChangeConfig) -> ConfigApplied:
        raise RefusedError(ErrorCode.BAD_REQUEST, "refused:\ncameras.shed.detect.source: unknown host")

    gateway.bus.when_asked(ChangeConfig, refuse)
    answer = add(gateway)

    assert (answer.status, answer.json["details"]["path"]) == (422, "detect.source")


def test_a_camera_that_is_there_is_not_overwritten(gateway: Rig) -> None:
    asked = launched(gateway, shed={"source": "synthetic://"})

    answer = add(gateway)

    assert (answer.status, answer.json["code"]) == (409, "conflict")
    assert asked == []
