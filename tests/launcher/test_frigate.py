"""What `framebus import` takes of a Frigate's configuration, and that it names all the rest."""

from pathlib import Path

import msgspec
import pytest

from framebus.errors import ConfigError
from framebus.keep import words_of
from framebus.settings import Camera, Record
from framebus_launcher.frigate import read_frigate, variables_of
from framebus_launcher.imported import Imported

TEXT = """\
mqtt:
  host: mqtt.local
  user: cams
  password: "c4nary/{FRIGATE_MQTT}"
  topic_prefix: frigate
go2rtc:
  streams:
    back:
      - rtsp://admin:s3cret@10.0.0.6/cam/realmonitor?channel=1&subtype=0
      - "ffmpeg:back#audio=opus"
record:
  enabled: true
  retain: {days: 3, mode: motion}
  events:
    retain: {default: 14, objects: {person: 30}}
detect: {fps: 5}
cameras:
  Front-Door:
    ffmpeg:
      hwaccel_args: preset-vaapi
      inputs:
        - path: rtsp://viewer:{FRIGATE_PASSWORD}@10.0.0.5/101
          roles: [record, audio]
        - path: rtsp://viewer:{FRIGATE_PASSWORD}@10.0.0.5/102
          roles:
            - detect
    detect: {width: 640, height: 360, fps: 6}
    objects:
      track: [person, car]
    motion:
      threshold: 30
      mask:
        - 0,0,640,0,640,36,0,36
    zones:
      porch:
        coordinates: 0.1,0.5,0.4,0.5,0.4,0.9,0.1,0.9
        objects: [person]
      line:
        coordinates: 1,2,3,4
  back:
    ffmpeg:
      inputs:
        - path: rtsp://127.0.0.1:8554/back
          roles: [detect]
    record: {enabled: false}
  old:
    enabled: false
    ffmpeg: {inputs: [{path: "rtsp://x/1", roles: [detect]}]}
  tube:
    ffmpeg: {inputs: [{path: "rtmp://x/1", roles: [detect, record]}]}
"""


def read(folder: Path, text: str = TEXT) -> Imported:
    file = folder / "frigate.yml"
    file.write_text(text)
    return read_frigate(file)


def test_streams_go_by_their_roles_and_sizes_zones_masks_and_retention_come_along(tmp_path: Path) -> None:
    camera = read(tmp_path).cameras["front-door"]

    assert camera["source"] == "rtsp://viewer:${FRIGATE_PASSWORD}@10.0.0.5/101"
    assert camera["detect"] == {
        "source": "rtsp://viewer:${FRIGATE_PASSWORD}@10.0.0.5/102",
        "width": 640,
        "height": 360,
        "fps": 6,
    }
    assert camera["record"] == {"keep": {"all": "0d", "motion": "3d", "objects": "14d"}}
    assert camera["zones"] == {"porch": {"points": [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9], [0.1, 0.9]]}}
    assert camera["masks"] == [{"points": [[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 0.1]]}]


def test_behind_a_restream_stands_the_camera_and_who_was_not_recorded_is_not(tmp_path: Path) -> None:
    camera = read(tmp_path).cameras["back"]

    assert camera["source"] == "rtsp://admin:s3cret@10.0.0.6/cam/realmonitor?channel=1&subtype=0"
    assert camera["record"] == {"enabled": False}


def test_what_is_taken_is_a_configuration_and_its_variables_are_known(tmp_path: Path) -> None:
    cameras = read(tmp_path).cameras

    assert set(msgspec.convert(cameras, dict[str, Camera])) == {"front-door", "back"}
    assert variables_of(cameras) == {"FRIGATE_PASSWORD"}


def test_every_line_is_taken_or_named_with_a_reason_and_no_value_is_shown(tmp_path: Path) -> None:
    found = read(tmp_path)

    told = found.left_lines()
    named = {number for line in told for number in lines_of(line)}
    leaves = {line for path, line in found.document.lines.items() if not isinstance(found.peek(path), dict | list)}
    used = {found.document.lines[path] for path in found.taken}

    assert leaves - named - used == set()
    assert any("line 5: mqtt.topic_prefix: topics begin with framebus here" in line for line in told)
    assert any("record.events.retain.objects: all objects are kept for the same time" in line for line in told)
    assert any("cameras.Front-Door.zones.line: its coordinates" in line for line in told)
    assert any("cameras.old: is switched off" in line for line in told)
    assert any("cameras.tube.ffmpeg.inputs[0]: unknown kind of address" in line for line in told)
    assert "c4nary" not in "".join(told)


def lines_of(told: str) -> range:
    """The lines of the file that a line of the report names."""
    first, _, last = told.partition(":")[0].removeprefix("line ").partition(" to ")
    return range(int(first), int(last or first) + 1)


def test_the_broker_comes_along_with_user_and_password(tmp_path: Path) -> None:
    broker = read(tmp_path).broker

    assert broker == "mqtt://cams:c4nary%2F${FRIGATE_MQTT}@mqtt.local:1883"
    assert variables_of({}, broker) == {"FRIGATE_MQTT"}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("{enabled: false, host: h}", "is switched off"),
        ("{user: u}", "names no host"),
        ("{host: h, tls_ca_certs: /ca.pem}", "speaks TLS"),
        ("{host: h, transport: websockets}", "speaks TLS or WebSockets"),
        ("{host: 'a b'}", "is no address of a broker"),
    ],
)
def test_a_broker_that_cannot_be_taken_is_left_with_the_reason(tmp_path: Path, section: str, says: str) -> None:
    camera = "cameras: {a: {ffmpeg: {inputs: [{path: 'rtsp://h/1', roles: [detect]}]}}}"

    found = read(tmp_path, f"mqtt: {section}\n{camera}\n")

    assert found.broker == ""
    assert says in found.left["mqtt"]


@pytest.mark.parametrize(
    ("record", "keep"),
    [
        ("continuous: {days: 2}, motion: {days: 7}, alerts: {retain: {days: 30}}", ("2d", "7d", "30d")),
        ("retain: {days: 0}, alerts: {retain: {days: 30}}, detections: {retain: {days: 9}}", ("0d", "0d", "30d")),
        ("retain: {days: 3, mode: all}, alerts: {retain: {days: 14, mode: motion}}", ("3d", "3d", "14d")),
        ("retain: {days: 20, mode: active_objects}, events: {retain: {default: 5}}", ("0d", "0d", "20d")),
        ("motion: {days: 4}", ("0d", "4d", "10d")),
        ("continuous: {days: 0.5}, detections: {retain: {days: 0.25}}", ("0.5d", "0.5d", "0.5d")),
    ],
)
def test_what_was_kept_by_what_it_shows_is_kept_so_here(
    tmp_path: Path, record: str, keep: tuple[str, str, str]
) -> None:
    camera = "cameras: {a: {ffmpeg: {inputs: [{path: 'rtsp://h/1', roles: [detect, record]}]}}}"

    found = read(tmp_path, f"record: {{enabled: true, {record}}}\n{camera}\n")

    taken = msgspec.convert(found.cameras["a"]["record"], Record).keep
    assert words_of(taken) == keep
    assert isinstance(taken, str) is (keep[0] == keep[2])
    assert any("an object is here" in note for note in found.notes) is (keep[0] != keep[2])


def test_a_file_that_is_no_frigate_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is it the configuration of a Frigate"):
        read(tmp_path, "a: 1\n")
