"""What is said of news: (what is known) -> (topic, payload), without clocks, sockets or memory."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from framebus.messages import CameraState, CameraStatus, JobBoard, ObjectEvent
from framebus_services.mqtt.names import Topics, segment
from framebus_services.mqtt.publication import Kind, Publication

ONLINE, OFFLINE = b"online", b"offline"
ON, OFF = b"ON", b"OFF"
GONE = "gone"
"""the cause where nothing is heard of the camera's own process"""
Counts = Mapping[tuple[str, str], int]
"""objects by zone ("": the whole picture) and label"""


def available(topics: Topics, payload: bytes = ONLINE) -> Publication:
    return Publication(topic=topics.available, payload=payload)


def state(topics: Topics, camera: str, status: CameraStatus | None) -> Publication:
    """How a camera is; None: nothing is heard of it."""
    if status is None:
        told: dict[str, Any] = {
            "state": CameraState.OFFLINE.value,
            "cause": GONE,
            "detail": "nothing is heard of its process",
            "fps": 0.0,
            "recording": False,
        }
    else:
        told = {
            "state": status.state.value,
            "cause": status.cause.value,
            "detail": status.detail,
            "fps": round(status.fps_in, 1),
            "recording": status.is_recording,
        }
    return _json(topics.state(camera), told)


def is_same(status: CameraStatus | None, other: CameraStatus | None) -> bool:
    """Whether two states differ in nothing that has to be told at once."""
    if status is None or other is None:
        return status is other
    keys = [(one.state, one.cause, one.is_recording) for one in (status, other)]
    return keys[0] == keys[1]


def motion(topics: Topics, camera: str, is_moving: bool) -> Publication:
    return Publication(topic=topics.motion(camera), payload=ON if is_moving else OFF)


def objects(
    topics: Topics, camera: str, zones: Iterable[str], labels: Iterable[str], counts: Counts
) -> list[Publication]:
    """How many objects of each label are where, also where there are none."""
    told = []
    for label in labels:
        told.append(_number(topics.objects(camera, label), counts.get(("", label), 0)))
        told += [_number(topics.zone(camera, zone, label), counts.get((zone, label), 0)) for zone in zones]
    return told


def picture(topics: Topics, camera: str, label: str, jpeg: bytes) -> Publication:
    return Publication(topic=topics.picture(camera, label), payload=jpeg, kind=Kind.PICTURE)


def event(topics: Topics, news: ObjectEvent) -> Publication:
    """An object starts or ends; the fields are those of the bus."""
    told = {
        "type": news.phase.value,
        "camera": news.camera,
        "id": news.id,
        "label": news.label,
        "label_in_topics": segment(news.label),
        "score": round(news.score, 3),
        "zones": news.zones,
        "box": msgspec.to_builtins(news.box),
        "width": news.width,
        "height": news.height,
        "since_at_s": round(news.since_at_s, 3),
        "captured_at_s": round(news.captured_at_s, 3),
    }
    return _json(topics.events, told, Kind.EVENT)


def jobs(topics: Topics, boards: Mapping[str, JobBoard]) -> Publication:
    told = {
        name: {
            "waiting": board.queue.waiting,
            "running": board.queue.running,
            "done_total": board.queue.processed_total,
            "failed_total": board.queue.failed_total,
        }
        for name, board in sorted(boards.items())
    }
    return _json(topics.jobs, told)


def _number(topic: str, number: int) -> Publication:
    return Publication(topic=topic, payload=b"%d" % number)


def _json(topic: str, value: dict[str, Any], kind: Kind = Kind.STATE) -> Publication:
    return Publication(topic=topic, payload=msgspec.json.encode(value), kind=kind)
