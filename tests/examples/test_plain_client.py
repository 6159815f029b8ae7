"""The client without our library, against the real dispatcher and export service."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest
import zmq

from examples.processes import LIMIT_S, Folder
from media import make_video
from services.export.recorded import record

CLIENT = Path(__file__).parents[2] / "examples" / "plain_client.py"


@pytest.fixture
def folder() -> Iterator[Folder]:
    with Folder() as folder:
        yield folder


def record_ten_seconds(folder: Folder) -> None:
    """Ten seconds of the camera `front`, up to a second ago."""
    video = folder.path / "front.mp4"
    make_video(video, seconds=10.0)
    record(folder.data, video, camera="front", start_s=float(int(time.time()) - 11))


def clips(folder: Folder) -> list[Path]:
    return list(folder.data.glob("exports/front/*.mp4"))


def test_the_client_sees_its_clip_succeed_and_the_board_on_the_way(folder: Folder) -> None:
    record_ten_seconds(folder)
    folder.service("dispatcher")
    folder.service("export")

    client = folder.python(CLIENT, "front", "8")

    assert client.wait() == 0, client.said
    assert client.said[-1].startswith("succeeded {")
    assert any(line.startswith("export: ") for line in client.said)
    assert len(clips(folder)) == 1


def test_a_client_that_waits_outlives_the_death_of_the_dispatcher(folder: Folder) -> None:
    record_ten_seconds(folder)
    dispatcher = folder.service("dispatcher")
    client = folder.python(CLIENT, "front", "8")
    client.wait_for("export: queued")

    dispatcher.send(signal.SIGKILL)
    dispatcher.wait()
    folder.service("dispatcher")
    folder.service("export")

    assert client.wait() == 0, client.said
    assert len(clips(folder)) == 1


def test_on_silence_the_client_asks_again_under_the_same_id(folder: Folder) -> None:
    folder.run.mkdir()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as door:
        door.linger = 0
        door.bind(f"ipc://{folder.run}/req.dispatcher")
        client = folder.python(CLIENT, "front", "8")

        peers, heads, asked = [], [], []
        for _ in range(2):
            assert door.poll(1_000 * LIMIT_S)
            peer, _, head, body = door.recv_multipart()
            peers.append(peer)
            heads.append(msgpack.unpackb(head))
            asked.append(body)
        error = {"code": "queue_full", "message": "queue is full"}
        answer_head = {"v": 1, "id": heads[1]["id"], "ok": False}
        door.send_multipart([peers[1], b"", msgpack.packb(answer_head), msgpack.packb(error)])

        assert client.wait() == 1
    assert heads[0]["id"] == heads[1]["id"]
    assert asked[0] == asked[1]
    assert client.said == ["queue_full: queue is full"]


def test_a_clip_of_nothing_is_refused_with_the_reason_and_exit_code_1(folder: Folder) -> None:
    folder.service("dispatcher")

    client = folder.python(CLIENT, "nowhere", "8")

    assert client.wait() == 1
    assert client.said == ["not_found: there is no camera nowhere; known are none"]


def test_without_a_dispatcher_the_client_gives_up_with_exit_code_69(folder: Folder) -> None:
    client = folder.python(CLIENT, "front", "8")

    assert client.wait() == os.EX_UNAVAILABLE
    assert client.said == ["the dispatcher does not answer"]


@pytest.mark.parametrize("arguments", [(), ("front",), ("front", "a minute")])
def test_a_client_that_is_called_wrongly_shows_its_usage_in_one_line(
    folder: Folder, arguments: tuple[str, ...]
) -> None:
    client = folder.python(CLIENT, *arguments)

    assert client.wait() == os.EX_USAGE
    assert client.said == ["usage: FRAMEBUS_RUN=/the/run/folder python3 plain_client.py CAMERA SECONDS"]


def test_a_client_that_is_not_told_the_group_shows_its_usage_in_one_line(folder: Folder) -> None:
    client = folder.python(CLIENT, "front", "8", FRAMEBUS_RUN="")

    assert client.wait() == os.EX_USAGE
    assert client.said == ["usage: FRAMEBUS_RUN=/the/run/folder python3 plain_client.py CAMERA SECONDS"]


def test_a_client_without_its_packages_names_them_and_the_command_that_brings_them(folder: Folder) -> None:
    (folder.path / "sitecustomize.py").write_text("import sys; sys.modules['msgpack'] = None")

    client = folder.python(CLIENT, "front", "8", PYTHONPATH=str(folder.path))

    assert client.wait() == 1
    assert client.said == ["msgpack is missing: pip install pyzmq msgpack"]


def test_the_client_knows_nothing_of_framebus() -> None:
    words = [line.split() for line in CLIENT.read_text().splitlines()]

    imported = [line[1] for line in words if line[:1] in (["import"], ["from"])]

    assert imported == ["os", "signal", "sys", "time", "uuid", "msgpack", "zmq"]
