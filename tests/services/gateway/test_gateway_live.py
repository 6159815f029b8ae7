"""Live video to browsers, and pictures where it can't be played."""

import asyncio
import json
import threading

import pytest
from gateway_rig import Rig
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from framebus.door import Reply
from framebus.messages import CameraState, LiveFragment, LiveKind, SmallFragment
from framebus.requests import Snapshot, TakeSnapshot
from framebus_services.gateway.live_reader import MAX_PIECES, LiveReader

TOPIC = "live/front/"
INIT = b"....stsd....avc1" + bytes(24) + (320).to_bytes(2, "big") + (240).to_bytes(2, "big")


def show(
    rig: Rig, kind: LiveKind, data: bytes, *, is_key: bool = False, news: type[LiveFragment] = LiveFragment
) -> None:
    message = news(camera="front", kind=kind, codec="avc1.640028", is_key=is_key)
    rig.bus.deliver(message, src="capture@front", blob=data)


def watching(rig: Rig) -> bool:
    return TOPIC in rig.bus.subscriptions


def read(socket: ClientConnection, count: int) -> list[str | bytes]:
    return [socket.recv(5) for _ in range(count)]


def test_a_camera_is_subscribed_to_while_somebody_watches_and_once_for_all(own_gateway: Rig) -> None:
    own_gateway.show_camera("front")
    before = watching(own_gateway)

    with own_gateway.socket("/live/front", own_gateway.viewer), own_gateway.socket("/live/front", own_gateway.admin):
        own_gateway.until(lambda: watching(own_gateway), "subscribed")
        subscriptions = own_gateway.bus.subscriptions.count(TOPIC)
    own_gateway.until(lambda: not watching(own_gateway), "subscribed no more")

    assert before is False
    assert subscriptions == 1


def test_video_comes_as_description_init_and_fragments_from_a_key_frame_on(own_gateway: Rig) -> None:
    own_gateway.show_camera("front")
    with own_gateway.socket("/live/front", own_gateway.viewer) as first:
        own_gateway.until(lambda: watching(own_gateway), "subscribed")
        show(own_gateway, LiveKind.INIT, INIT)
        show(own_gateway, LiveKind.FRAGMENT, b"no beginning")
        show(own_gateway, LiveKind.FRAGMENT, b"key", is_key=True)
        seen = read(first, 3)
        with own_gateway.socket("/live/front", own_gateway.viewer) as late:
            late_seen = read(late, 2)
            show(own_gateway, LiveKind.INIT, INIT)  # told again, because somebody else has come
            show(own_gateway, LiveKind.FRAGMENT, b"middle")
            show(own_gateway, LiveKind.FRAGMENT, b"next key", is_key=True)
            late_seen += read(late, 1)
        seen += read(first, 2)

    assert json.loads(seen[0]) == {
        "codec": "avc1.640028",
        "mime": 'video/mp4; codecs="avc1.640028"',
        "width": 320,
        "height": 240,
    }
    assert seen[1:] == [INIT, b"key", b"middle", b"next key"]
    assert late_seen == [seen[0], INIT, b"next key"]


def test_a_camera_that_connects_again_begins_with_a_new_description(own_gateway: Rig) -> None:
    own_gateway.show_camera("front")
    with own_gateway.socket("/live/front", own_gateway.viewer) as socket:
        own_gateway.until(lambda: watching(own_gateway), "subscribed")
        show(own_gateway, LiveKind.INIT, INIT)
        show(own_gateway, LiveKind.FRAGMENT, b"old", is_key=True)
        read(socket, 3)
        show(own_gateway, LiveKind.INIT, INIT + b"new")
        show(own_gateway, LiveKind.FRAGMENT, b"of the middle")
        show(own_gateway, LiveKind.FRAGMENT, b"key", is_key=True)
        again = read(socket, 3)

    assert json.loads(again[0])["codec"] == "avc1.640028"
    assert again[1:] == [INIT + b"new", b"key"]


def test_who_waits_for_video_is_told_how_the_camera_is(own_gateway: Rig) -> None:
    own_gateway.show_camera("front", state=CameraState.OFFLINE, codec="")
    with own_gateway.socket("/live/front", own_gateway.viewer) as socket:
        waiting = json.loads(socket.recv(5))
        own_gateway.until(lambda: watching(own_gateway), "subscribed")
        show(own_gateway, LiveKind.INIT, INIT)
        going_on = json.loads(socket.recv(5))

    assert (waiting, going_on) == ({"waiting": "offline"}, {"waiting": None})


@pytest.mark.parametrize(
    ("camera", "codec", "code"), [("front", "hevc", 4415), ("front", "", 4415), ("away", "h264", 4404)]
)
def test_what_does_not_go_this_way_is_told_by_the_code(own_gateway: Rig, camera: str, codec: str, code: int) -> None:
    own_gateway.show_camera("front", codec=codec)

    with own_gateway.socket(f"/live/{camera}", own_gateway.viewer) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(5)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
    assert own_gateway.get("/api/cameras")["cameras"][0]["live"] == ("fmp4" if codec == "h264" else "mjpeg")


@pytest.mark.parametrize(
    ("codec", "small_codec", "query", "topic"),
    [
        ("h264", "h264", "?size=small", "live_small/front/"),
        ("h264", "h264", "", "live/front/"),
        ("h264", "hevc", "?size=small", "live/front/"),
        ("hevc", "h264", "", "live_small/front/"),
        ("h264", "", "?size=small", "live/front/"),
    ],
)
def test_the_small_stream_goes_to_who_wants_it_or_cannot_have_the_main_one(
    own_gateway: Rig, codec: str, small_codec: str, query: str, topic: str
) -> None:
    own_gateway.show_camera("front", codec=codec, small_codec=small_codec)
    news = SmallFragment if topic.startswith("live_small") else LiveFragment

    with own_gateway.socket(f"/live/front{query}", own_gateway.viewer) as socket:
        own_gateway.until(lambda: topic in own_gateway.bus.subscriptions, "subscribed")
        show(own_gateway, LiveKind.INIT, INIT, news=news)
        show(own_gateway, LiveKind.FRAGMENT, b"key", is_key=True, news=news)
        seen = read(socket, 3)

    assert seen[1:] == [INIT, b"key"]
    assert own_gateway.get("/api/cameras")["cameras"][0]["live"] == "fmp4"


def test_who_waited_before_the_small_stream_came_up_is_sent_to_it(own_gateway: Rig) -> None:
    own_gateway.show_camera("front", state=CameraState.CONNECTING, codec="")
    with own_gateway.socket("/live/front?size=small", own_gateway.viewer) as socket:
        read(socket, 1)
        own_gateway.show_camera("front", codec="h264", small_codec="h264")
        with pytest.raises(ConnectionClosed) as closed:
            read(socket, 2)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


def test_a_viewer_of_another_camera_sees_no_video_of_this_one(own_gateway: Rig) -> None:
    own_gateway.show_camera("back")

    with (
        own_gateway.socket("/live/back", own_gateway.front_viewer) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(5)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4404


def test_pictures_are_taken_while_somebody_looks_and_only_then(own_gateway: Rig) -> None:
    numbers = iter(range(1, 10_000))

    def take(_: TakeSnapshot) -> Reply:
        number = next(numbers)
        return Reply(
            Snapshot(camera="front", number=number, captured_at_s=float(number), width=2, height=2), b"jpeg %d" % number
        )

    own_gateway.bus.when_asked(TakeSnapshot, take)
    own_gateway.show_camera("front", codec="hevc")
    connection = own_gateway.open("/live/front.mjpeg?fps=5", own_gateway.viewer)
    response = connection.getresponse()
    part = response.read(200)
    response.close()
    connection.close()
    own_gateway.until(lambda: own_gateway.bus.stats.gauges.get("clients") == 0.0, "the place is free again")
    taken = len(own_gateway.bus.asked)
    threading.Event().wait(0.5)  # nothing may come any more

    assert response.headers["Content-Type"].startswith("multipart/x-mixed-replace; boundary=")
    assert part.count(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\njpeg ") >= 2
    assert len(own_gateway.bus.asked) <= taken + 1


def drain(reader: LiveReader) -> list[str | bytes]:
    return asyncio.run(reader.pieces(0.01))


def test_who_is_too_slow_loses_fragments_up_to_the_next_key_frame_and_never_the_init() -> None:
    reader = LiveReader()
    reader.begin("description", b"init")
    reader.offer(b"key 1", is_key=True)
    for _ in range(2 * MAX_PIECES):
        reader.offer(b"middle", is_key=False)
    reader.offer(b"key 2", is_key=True)

    pieces = drain(reader)

    assert pieces == ["description", b"init", b"key 2"]
    assert reader.dropped > 0


def test_a_fragment_that_is_larger_than_all_room_takes_no_memory() -> None:
    reader = LiveReader()
    reader.begin("description", b"init")
    for _ in range(10):
        reader.offer(bytes(3_000_000), is_key=True)

    assert sum(len(piece) for piece in drain(reader)) < 9_000_000
