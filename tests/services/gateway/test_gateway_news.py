"""State and news over the WebSocket."""

import json
import socket as sockets
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from gateway_rig import Rig, camera_status, read_until
from websockets.exceptions import ConnectionClosed

from framebus.messages import (
    BoardStatus,
    Box,
    CameraState,
    Gone,
    JobBoard,
    JobState,
    JobView,
    ObjectEvent,
    Phase,
    QueueStatus,
    ServiceState,
    ServiceStatus,
)

CLIENTS = 100
MAX_GROWTH_BYTES = 20e6


def subscribe(socket: Any, *prefixes: str) -> list[dict[str, Any]]:
    """What comes up to the end of the snapshot, the hello left out."""
    socket.send(json.dumps({"subscribe": list(prefixes)}))
    read = read_until(socket, lambda message: "snapshot_done" in message)
    return [message for message in read if "hello" not in message]


def board(percent: float, *cameras: str) -> JobBoard:
    jobs = [
        JobView(
            id=f"{number:032x}", type="export", state=JobState.RUNNING, camera=camera, created_at_s=1.0, percent=percent
        )
        for number, camera in enumerate(cameras or ("front",))
    ]
    queue = QueueStatus(max_queued=1, max_running=1, free=1)
    return JobBoard(type="export", status=BoardStatus.RUNNING, running=jobs, queue=queue, counts={"running": len(jobs)})


def seen_object(number: int) -> ObjectEvent:
    return ObjectEvent(
        camera="front",
        id=f"{number}",
        phase=Phase.UPDATE,
        label="motion",
        score=0.5,
        box=Box(x=0, y=0, width=2, height=2),
        since_at_s=1.0,
        captured_at_s=1.0,
        number=number,
    )


def test_the_states_come_first_then_the_word_that_this_was_all_then_news(own_gateway: Rig) -> None:
    own_gateway.show_camera("front")
    own_gateway.show_camera("back")

    with own_gateway.socket("/ws", own_gateway.viewer) as socket:
        snapshot = subscribe(socket, "camera/")
        own_gateway.bus.deliver(camera_status("front", state=CameraState.OFFLINE), src="capture@front")
        news = read_until(socket, lambda message: "topic" in message)

    assert [message.get("topic") for message in snapshot] == ["camera/back/", "camera/front/", None]
    assert snapshot[-1] == {"snapshot_done": ["camera/"]}
    assert news[-1]["body"]["state"] == "offline"
    assert news[-1]["src"] == "capture@front"


def test_nothing_comes_of_what_was_not_asked_for_or_not_any_more(own_gateway: Rig) -> None:
    with own_gateway.socket("/ws", own_gateway.viewer) as socket:
        subscribe(socket, "object/front/", "camera/")
        socket.send(json.dumps({"unsubscribe": ["camera/"], "subscribe": ["job_state/"]}))
        read_until(socket, lambda message: message.get("snapshot_done") == ["job_state/"])
        own_gateway.bus.deliver(camera_status("front"), src="capture@front")
        own_gateway.bus.deliver(seen_object(1), src="enrich")
        first = read_until(socket, lambda message: "topic" in message)[-1]

    assert first["topic"] == "object/front/"


def test_the_state_of_who_died_is_marked_until_it_speaks_again(own_gateway: Rig) -> None:
    own_gateway.show_camera("front")
    with own_gateway.socket("/ws", own_gateway.viewer) as socket:
        subscribe(socket, "camera/")
        own_gateway.bus.deliver(Gone(src="capture@front", incarnation=1), src="dispatcher")
        stale = read_until(socket, lambda message: "stale" in message)[-1]
        marked = own_gateway.get("/api/cameras")["cameras"][0]
        own_gateway.bus.deliver(camera_status("front"), src="capture@front", epoch=2, seq=1)
        again = read_until(socket, lambda message: "topic" in message)[-1]

    assert stale == {"stale": ["camera/front/"]}
    assert marked["is_stale"] is True
    assert again["is_stale"] is False


def test_a_viewer_of_some_cameras_hears_of_no_other(own_gateway: Rig) -> None:
    own_gateway.show_camera("back")
    service = ServiceStatus(
        name="enrich", state=ServiceState.READY, since_at_s=1.0, reason="back is dark", log_tail=["x"]
    )
    own_gateway.bus.deliver(service, src="launcher")
    own_gateway.bus.deliver(board(1.0, "front", "back"), src="dispatcher")
    with own_gateway.socket("/ws", own_gateway.front_viewer) as socket:
        words = ("camera/", "service/", "job_state/", "stats/", "config/", "object/", "job/", "recording/")
        told = subscribe(socket, *words)
        own_gateway.bus.deliver(Gone(src="capture@back", incarnation=1), src="dispatcher")
        own_gateway.bus.deliver(camera_status("front"), src="capture@front")
        told += read_until(socket, lambda message: message.get("topic") == "camera/front/")

    assert '"back"' not in json.dumps(told)
    assert [job["camera"] for message in told for job in message.get("body", {}).get("running", [])] == ["front"]


@pytest.mark.parametrize(
    "said", ["{", "[]", '{"subscribe": "camera/"}', '{"subscribed": []}', '{"subscribe": ["frame/"]}']
)
def test_who_says_what_nobody_understands_is_told_and_after_ten_times_sent_away(own_gateway: Rig, said: str) -> None:
    with own_gateway.socket("/ws", own_gateway.viewer) as socket:
        for _ in range(10):
            socket.send(said)
        errors = read_until(socket, lambda message: "error" in message)
        with pytest.raises(ConnectionClosed) as closed:
            read_until(socket, lambda message: False)

    assert errors[-1]["error"]["code"] == "bad_request"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_more_clients_than_there_are_places_for_are_told_to_come_later(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_clients=1)
    with rig.socket("/ws", rig.viewer) as first:
        read_until(first, lambda message: "hello" in message)
        with rig.socket("/ws", rig.viewer) as second, pytest.raises(ConnectionClosed) as closed:
            second.recv(10)
    rig.until(lambda: rig.gateway.is_healthy() and free_again(rig), "the place is free again")
    rig.close()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4429


def free_again(rig: Rig) -> bool:
    with rig.socket("/ws", rig.viewer) as socket:
        try:
            return "hello" in json.loads(socket.recv(5))
        except ConnectionClosed:
            return False


def test_of_a_hundred_clients_one_that_never_reads_costs_the_others_and_the_memory_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    opened = ExitStack()
    mute = sockets.socket()
    mute.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    mute.connect(("127.0.0.1", int(rig.host.partition(":")[2])))
    mute.sendall(handshake(rig))
    mute.sendall(masked(json.dumps({"subscribe": ["job_state/", "object/"]})))
    clients = [opened.enter_context(rig.socket("/ws", rig.viewer)) for _ in range(CLIENTS - 1)]
    for client in clients:
        subscribe(client, "job_state/")
    before = psutil.Process().memory_info().rss

    latest_s = []
    for percent in range(20):
        rig.bus.deliver(board(float(percent), *["front"] * 100), src="dispatcher")
        for number in range(50):
            rig.bus.deliver(seen_object(number), src="enrich")
        told_s = time.monotonic()
        for client in clients:
            read_until(client, lambda message, wanted=percent: percent_of(message) == wanted)  # type: ignore[misc]
        latest_s.append(time.monotonic() - told_s)
    grown = psutil.Process().memory_info().rss - before

    mute.close()
    opened.close()
    rig.close()
    assert max(latest_s) < 1.0, latest_s
    assert grown < MAX_GROWTH_BYTES, grown


def handshake(rig: Rig) -> bytes:
    """What a client says to open a WebSocket that it will never read."""
    head = f"GET /ws HTTP/1.1\r\nHost: {rig.host}\r\nAuthorization: Bearer {rig.viewer}\r\n"
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    return f"{head}{upgrade}Sec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode()


def masked(text: str) -> bytes:
    """A short text frame of a client; a mask of zeros changes nothing."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


def percent_of(message: dict[str, Any]) -> float | None:
    running = message.get("body", {}).get("running")
    return running[0]["percent"] if running else None
