"""The bus over real sockets: death, silence, junk and bursts; every bus in a private folder, nothing left behind."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgpack
import psutil
import pytest
import zmq

import junk
from framebus import codec
from framebus.caller import IDLE_S
from framebus.clock import FakeClock
from framebus.door import Promise
from framebus.errors import DeadlineError, ErrorCode, RefusedError
from framebus.messages import CameraState, CameraStatus, Finding, FrameNotice, Gone
from framebus.place import Place
from framebus.requests import GetStats, Ping, Pong, SubmitJob
from framebus.transport import BEACONS_S, REST_S, Listener, ScriptCaller, SocketBus
from framebus_services.dispatcher.proxy import Proxy
from protocol.loops import LIMIT_S, turn_for, turn_until
from protocol.noticed import notice

PROXY = """
import sys
from pathlib import Path
from framebus.place import Place
from framebus_services.dispatcher.proxy import Proxy

proxy = Proxy(Place.at(Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.read()
"""
PONG = Pong(name="server", pid=1, epoch=1, version="1")


def camera(name: str = "front", fps: float = 5.0) -> CameraStatus:
    return CameraStatus(camera=name, state=CameraState.ONLINE, since_at_s=1.0, fps_in=fps)


def finding(value: float = 0.0) -> Finding:
    return Finding(processor="counter", camera="front", label="x", value=value)


@pytest.fixture
def proxy(place: Place) -> Iterator[Proxy]:
    proxy = Proxy(place)
    yield proxy
    proxy.close()


@pytest.fixture
def make_bus(place: Place) -> Iterator[Callable[[str], SocketBus]]:
    """Makes buses that are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(name: str) -> SocketBus:
            bus = SocketBus(name, place=place)
            stack.callback(bus.close)
            return bus

        yield make


@contextlib.contextmanager
def proxy_process(place: Place) -> Iterator[subprocess.Popen[str]]:
    """The proxy in a process of its own, to be killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROXY, str(place.run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@contextlib.contextmanager
def asking(call: Callable[[], object]) -> Iterator[Future[object]]:
    """A call that goes on in a thread while the test turns the loops."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


def remove_sockets(place: Place) -> None:
    for address in (place.pub, place.sub):
        Path(address.removeprefix("ipc://")).unlink(missing_ok=True)


def malformed(bus: SocketBus, what: str) -> int:
    return sum(count for name, count in bus.stats.counters.items() if name.startswith(f"malformed.{what}"))


# State and death ----------------------------------------------------------------------------------------------------


def test_a_late_joiner_gets_the_last_value(proxy: Proxy, make_bus: Callable[[str], SocketBus]) -> None:
    owner = make_bus("capture@front")
    owner.publish(camera(fps=1.0))
    owner.publish(camera(fps=2.0))
    turn_for(0.1, owner)

    got: list[float] = []
    reader = make_bus("reader")
    reader.on(CameraStatus, lambda status: got.append(status.fps_in))
    turn_until(lambda: bool(got), owner, reader)

    assert got == [2.0]


def test_who_subscribes_once_more_gets_the_value_once_more(
    proxy: Proxy, make_bus: Callable[[str], SocketBus], place: Place
) -> None:
    owner = make_bus("capture@front")
    owner.publish(camera())
    with Listener(place, "camera/") as listener:
        news: list[int] = []

        def heard(count: int) -> bool:
            news.extend(item.head.seq for item in listener.wait(0.0))
            return len(news) >= count

        turn_until(lambda: heard(1), owner)
        for count in (2, 3):
            listener._sub.setsockopt(zmq.SUBSCRIBE, b"camera/front/")
            turn_until(lambda count=count: heard(count), owner)  # type: ignore[misc]

    assert news == [1, 1, 1]


def test_a_plain_subscriber_gets_the_value_although_another_has_the_same_subscription(
    proxy: Proxy, make_bus: Callable[[str], SocketBus], place: Place
) -> None:
    owner = make_bus("capture@front")
    owner.publish(camera())
    with Listener(place, "camera/") as first:
        turn_until(lambda: bool(first.wait(0.0)), owner)

        with Listener(place, "camera/") as second:
            news: list[int] = []
            turn_until(lambda: bool(news.extend(item.head.seq for item in second.wait(0.0)) or news), owner)

    assert news == [1]


def test_after_the_proxy_was_killed_values_come_back_to_everybody_without_asking(
    place: Place, make_bus: Callable[[str], SocketBus]
) -> None:
    owner, got = make_bus("capture@front"), list[float]()
    owner.publish(camera(fps=7.0))
    reader = make_bus("reader")
    reader.on(CameraStatus, lambda status: got.append(status.fps_in))
    with Listener(place, "camera/") as plain:
        with proxy_process(place):
            turn_until(lambda: bool(got), owner, reader)
            turn_until(lambda: bool(plain.wait(0.0)), owner)

        with proxy_process(place):
            again: list[bytes] = []
            turn_until(lambda: bool(again.extend(item.body for item in plain.wait(0.0)) or again), owner, reader)
            late = make_bus("late")
            late_got: list[float] = []
            late.on(CameraStatus, lambda status: late_got.append(status.fps_in))
            turn_until(lambda: bool(late_got), owner, reader, late)
            owner.publish(camera(fps=8.0))
            turn_until(lambda: got[-1] == late_got[-1] == 8.0, owner, reader, late)
    remove_sockets(place)

    assert msgpack.unpackb(again[0])["fps_in"] == 7.0
    assert got == [7.0, 8.0]
    assert late_got == [7.0, 8.0]


def test_news_of_while_the_proxy_was_away_arrives_as_state(place: Place, make_bus: Callable[[str], SocketBus]) -> None:
    owner, got = make_bus("capture@front"), list[float]()
    reader = make_bus("reader")
    reader.on(CameraStatus, lambda status: got.append(status.fps_in))
    with proxy_process(place):
        owner.publish(camera(fps=1.0))
        turn_until(lambda: got == [1.0], owner, reader)

    owner.publish(camera(fps=2.0))
    turn_for(0.05, owner, reader)
    with proxy_process(place):
        turn_until(lambda: got[-1] == 2.0, owner, reader)
    remove_sockets(place)

    assert got == [1.0, 2.0]


def test_the_values_of_a_dead_publisher_become_stale_and_fresh_again_in_its_next_life(
    proxy: Proxy, make_bus: Callable[[str], SocketBus], place: Place
) -> None:
    reader, dispatcher, stale, got = make_bus("reader"), make_bus("dispatcher"), list[str](), list[float]()
    reader.on(CameraStatus, lambda status: got.append(status.fps_in))
    reader.on_stale(stale.append)
    first = SocketBus("capture@front", place=place, epoch=5)
    first.publish(camera(fps=1.0))
    turn_until(lambda: bool(got), first, reader)
    first.close()

    gone = Gone(src="capture@front", incarnation=5)
    turn_until(lambda: bool(dispatcher.publish(gone)) or bool(stale), reader, dispatcher)
    second = SocketBus("capture@front", place=place, epoch=6)
    second.publish(camera(fps=2.0))
    turn_until(lambda: got[-1] == 2.0, second, reader)
    second.close()

    assert stale == ["camera/front/"]
    assert not reader._hearing.convergence.held["camera/front/"].is_stale


def test_what_nobody_hears_is_not_said_and_who_subscribes_hears_the_next_word_before_the_loop_turns(
    proxy: Proxy, place: Place, make_bus: Callable[[str], SocketBus]
) -> None:
    teller = make_bus("teller")
    for _ in range(3):
        teller.publish(finding())

    with Listener(place, "finding/counter/") as listener:
        end_s = time.monotonic() + 10.0
        heard = listener.wait(0.0)
        while not heard and time.monotonic() < end_s:
            teller.publish(finding())
            heard = listener.wait(0.01)

    assert heard[0].head.seq == 1


def test_nonsense_where_subscriptions_are_said_takes_nothing_from_those_who_subscribed(
    proxy: Proxy, place: Place, make_bus: Callable[[str], SocketBus]
) -> None:
    teller, heard = make_bus("teller"), list[str]()
    for topic in ("finding/counter/", "finding/last/"):
        teller.on_watched(topic, lambda is_watched, topic=topic: heard.append(f"{topic} {is_watched}"))
    with Listener(place, "finding/counter/") as listener, zmq.Context() as context, context.socket(zmq.XSUB) as junk:
        turn_until(lambda: len(heard) == 1, teller)

        junk.connect(place.sub)
        junk.send(b"xfinding/counter/")  # neither a beginning (1) nor an end (0): libzmq hands it on
        junk.send(b"\x01finding/last/")
        turn_until(lambda: "finding/last/ True" in heard, teller)
        teller.publish(finding())

        assert heard == ["finding/counter/ True", "finding/last/ True"]
        assert len(listener.wait(LIMIT_S)) == 1


def test_who_listens_twice_and_stops_twice_is_no_longer_watched_for(
    proxy: Proxy, make_bus: Callable[[str], SocketBus]
) -> None:
    teller, listener, heard = make_bus("teller"), make_bus("listener"), list[bool]()
    teller.on_watched("finding/counter/", heard.append)
    handlers = [lambda _: None, lambda _: None]
    for handler in handlers:
        listener.on_news("finding/counter/", handler)
    turn_until(lambda: heard == [True], teller, listener)

    listener.off_news("finding/counter/", handlers[0])
    turn_for(0.1, teller, listener)
    assert heard == [True]

    listener.off_news("finding/counter/", handlers[1])
    turn_until(lambda: heard == [True, False], teller, listener)


def test_of_frames_that_waited_only_the_newest_is_handed_out(
    proxy: Proxy, make_bus: Callable[[str], SocketBus]
) -> None:
    capture, reader, got = make_bus("capture@front"), make_bus("enrich"), list[int]()
    reader.on(FrameNotice, lambda notice: got.append(notice.number))
    turn_until(lambda: bool(capture.publish(notice(1))) or bool(got), capture, reader)
    got.clear()

    for number in range(2, 102):
        capture.publish(notice(number))
    turn_for(0.05, capture)
    turn_until(lambda: bool(got) and got[-1] == 101, reader)

    assert len(got) < 20
    assert reader.stats.counters["dropped.stale_notice"] > 80


# Requests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_long", [False, True])
def test_a_call_to_nobody_ends_at_its_deadline(make_bus: Callable[[str], SocketBus], is_long: bool) -> None:
    bus = make_bus("client")
    start_s = time.monotonic()

    with pytest.raises(DeadlineError, match=r"no answer from nobody to ping within 0\.4 s"):
        bus.ask("nobody", Ping(), deadline_s=0.4, is_long=is_long)

    assert 0.39 <= time.monotonic() - start_s < 2.0


@pytest.mark.parametrize("is_long", [False, True])
def test_a_call_to_a_stuck_service_ends_at_its_deadline(make_bus: Callable[[str], SocketBus], is_long: bool) -> None:
    client, stuck = make_bus("client"), make_bus("stuck")
    stuck.answer(Ping, lambda _: PONG)

    with pytest.raises(DeadlineError):
        client.ask("stuck", Ping(), deadline_s=0.4, is_long=is_long)


@pytest.mark.parametrize("is_long", [False, True])
def test_a_call_survives_the_restart_of_its_service_and_is_answered_once(
    place: Place, make_bus: Callable[[str], SocketBus], is_long: bool
) -> None:
    client, first_got, second_runs = make_bus("client"), list[Promise](), list[int]()
    first = SocketBus("server", place=place)
    first.answer_later(Ping, lambda _, promise: first_got.append(promise))

    def answer(_: Ping) -> Pong:
        second_runs.append(1)
        return PONG

    with asking(lambda: client.ask("server", Ping(), is_long=is_long)) as call:
        turn_until(lambda: bool(first_got), first)
        first.close()
        second = make_bus("server")
        second.answer(Ping, answer)
        turn_until(call.done, second)

    assert call.result() == PONG
    assert len(second_runs) == 1


def peers_of(server: SocketBus, client: SocketBus, calls: int) -> list[bytes]:
    """By which connections so many calls came, each from a thread of its own."""
    peers: list[bytes] = []
    receive = server.receive_request
    server.receive_request = lambda peer, frames: (peers.append(peer), receive(peer, frames))[1]  # type: ignore[method-assign]
    for _ in range(calls):
        with asking(lambda: client.ask("server", Ping())) as call:
            turn_until(call.done, server)
        assert call.result() == PONG
    server.receive_request = receive  # type: ignore[method-assign]
    return peers


def test_lines_that_answered_serve_the_next_calls_whatever_thread_they_come_from(
    make_bus: Callable[[str], SocketBus],
) -> None:
    client, server = make_bus("client"), make_bus("server")
    server.answer(Ping, lambda _: PONG)

    peers = peers_of(server, client, 5)

    assert len(peers) == 5
    assert len(set(peers)) == 1


def test_a_line_on_which_no_answer_came_is_closed(make_bus: Callable[[str], SocketBus]) -> None:
    client, server = make_bus("client"), make_bus("server")
    late: list[Promise] = []
    server.answer_later(Ping, lambda _, promise: late.append(promise))
    with asking(lambda: client.ask("server", Ping(), 0.1)) as call:
        turn_until(call.done, server)
    assert isinstance(call.exception(), DeadlineError)
    server.answer(Ping, lambda _: PONG)

    late[0].resolve(Pong(name="late", pid=1, epoch=1, version="1"))

    assert len(peers_of(server, client, 2)) == 2


def test_a_call_to_a_service_that_was_started_anew_does_not_try_the_line_to_the_dead_one_first(
    place: Place, make_bus: Callable[[str], SocketBus]
) -> None:
    client, first = make_bus("client"), SocketBus("server", place=place)
    first.answer(Ping, lambda _: PONG)
    peers_of(first, client, 1)
    first.close()
    second = make_bus("server")
    second.answer(Ping, lambda _: PONG)

    came = peers_of(second, client, 1)

    assert len(came) == 1, "tried on the line that broke, a request is sent a second time on a new one"


def test_a_line_that_nobody_needs_is_given_back_without_another_call(
    place: Place, make_bus: Callable[[str], SocketBus]
) -> None:
    clock, server = FakeClock(), make_bus("server")
    server.answer(Ping, lambda _: PONG)
    client = SocketBus("client", place=place, clock=clock)
    process = psutil.Process()
    before = process.num_fds()
    peers_of(server, client, 1)
    held = process.num_fds()

    for _ in range(3):
        clock.advance(IDLE_S)
        client.turn(0.0)

    turn_until(lambda: process.num_fds() <= before, server)
    assert held > before
    client.close()


def test_a_call_waits_for_a_service_that_is_not_up_yet(make_bus: Callable[[str], SocketBus]) -> None:
    client = make_bus("client")

    with asking(lambda: client.ask("server", Ping())) as call:
        turn_for(0.1, client)
        server = make_bus("server")
        server.answer(Ping, lambda _: PONG)
        turn_until(call.done, server)

    assert call.result() == PONG


def test_work_that_takes_long_runs_once_although_the_call_is_sent_again(make_bus: Callable[[str], SocketBus]) -> None:
    client, server, promises = make_bus("client"), make_bus("server"), list[Promise]()
    arrived: list[bytes] = []
    receive = server.receive_request
    server.receive_request = lambda peer, frames: (arrived.append(peer), receive(peer, frames))[1]  # type: ignore[method-assign,func-returns-value]
    server.answer_later(Ping, lambda _, promise: promises.append(promise))

    with asking(lambda: client.ask("server", Ping())) as call:
        turn_until(lambda: len(arrived) >= 3, server)
        promises[0].resolve(PONG)
        turn_until(call.done, server)

    assert call.result() == PONG
    assert len(promises) == 1


def test_a_long_call_is_not_sent_again_while_it_is_only_silent(make_bus: Callable[[str], SocketBus]) -> None:
    client, server, promises = make_bus("client"), make_bus("server"), list[Promise]()
    server.answer_later(Ping, lambda _, promise: promises.append(promise))

    with asking(lambda: client.ask("server", Ping(), is_long=True)) as call:
        turn_until(lambda: bool(promises), server)
        turn_for(0.6, server)
        waiting = [len(peers) for peers in server._answering._kept._waiting.values()]
        promises[0].resolve(PONG)
        turn_until(call.done, server)

    assert waiting == [1]


def test_an_answer_that_finds_nobody_is_counted_and_harms_nothing(make_bus: Callable[[str], SocketBus]) -> None:
    client, server, promises = make_bus("client"), make_bus("server"), list[Promise]()
    undelivered: list[int] = []
    server.answer_later(Ping, lambda _, promise: promises.append(promise))
    process = psutil.Process()
    before = process.num_fds()
    with pytest.raises(DeadlineError):
        client.ask("server", Ping(), deadline_s=0.05)
    turn_until(lambda: bool(promises), server)
    turn_until(lambda: process.num_fds() <= before, server)  # both ends of the line are closed

    promises[0].on_undelivered = lambda: undelivered.append(1)
    promises[0].resolve(PONG)
    turn_until(lambda: bool(undelivered), server)

    assert undelivered == [1]
    assert server.stats.counters["answers.undelivered"] == 1


def test_a_request_that_no_door_would_take_is_refused_at_home(make_bus: Callable[[str], SocketBus]) -> None:
    bus = make_bus("client")
    job = SubmitJob(type="export", params=codec.msgspec.Raw(codec.encode(bytes(codec.MAX_REQUEST_BYTES))))

    with pytest.raises(RefusedError, match="at most 1048576 are allowed") as caught:
        bus.ask("dispatcher", job)

    assert caught.value.code is ErrorCode.TOO_LARGE


def test_a_deadline_that_no_door_would_take_is_refused_at_home(make_bus: Callable[[str], SocketBus]) -> None:
    bus = make_bus("client")

    with pytest.raises(ValueError, match="at most 3600 s"):
        bus.ask("dispatcher", Ping(), deadline_s=3_601.0)


def test_a_script_asks_without_a_bus(place: Place, make_bus: Callable[[str], SocketBus]) -> None:
    server, caller = make_bus("server"), ScriptCaller(place)
    server.answer(Ping, lambda _: PONG)

    with asking(lambda: caller.call("server", "ping", b"\x80", 5.0)) as call:
        turn_until(call.done, server)
    caller.close()

    assert call.result() == (codec.encode(PONG), None)


# Many at once ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def dealer(place: Place) -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    yield dealer
    dealer.close(0)
    context.term()


@pytest.fixture
def rests_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long loops have rested, one by one."""
    rests_s: list[float] = []
    monkeypatch.setattr("framebus.transport.time.sleep", rests_s.append)
    return rests_s


def ask_at_once(dealer: zmq.Socket[bytes], server: SocketBus, count: int) -> None:
    for _ in range(count):
        head = codec.RequestHead(v=codec.VERSION, id=os.urandom(16), method="ping", deadline_s=5.0, src="x")
        dealer.send_multipart([b"", codec.encode(head), codec.encode(Ping())])
    for _ in range(count):
        turn_until(lambda: bool(dealer.poll(0)), server)
        assert msgpack.unpackb(dealer.recv_multipart()[1])["ok"] is True
    server.turn(0.0)


def test_where_several_come_at_once_that_can_wait_more_are_left_to_gather(
    place: Place, make_bus: Callable[[str], SocketBus], dealer: zmq.Socket[bytes], rests_s: list[float]
) -> None:
    server = make_bus("server")
    server.answer(Ping, lambda _: PONG, can_wait=True)
    dealer.connect(place.door("server"))

    end_s = time.monotonic() + LIMIT_S
    while not rests_s and time.monotonic() < end_s:  # how many are read in one turn is up to the scheduler
        ask_at_once(dealer, server, 50)

    assert set(rests_s) == {REST_S}


@pytest.mark.parametrize(("can_wait", "at_once"), [(True, 1), (False, 50)])
def test_who_asks_alone_or_waits_for_the_answer_is_answered_without_a_rest(
    place: Place,
    make_bus: Callable[[str], SocketBus],
    dealer: zmq.Socket[bytes],
    rests_s: list[float],
    can_wait: bool,
    at_once: int,
) -> None:
    server = make_bus("server")
    server.answer(Ping, lambda _: PONG, can_wait=can_wait)
    dealer.connect(place.door("server"))

    for _ in range(5):
        ask_at_once(dealer, server, at_once)

    assert rests_s == []


# Junk ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frames",
    [
        [b"no delimiter"],
        [b""],
        [b"", b"one"],
        [b"", b"one", b"two", b"three"],
        [b"", b"\xc1", b""],
        [b"", b"\x91" * 900, b"\x80"],
        [b""] * 5_000,
        [b"", msgpack.packb({"v": 2, "id": bytes(16), "method": "ping", "deadline_s": 1.0, "src": "x"}), b"\x80"],
    ],
    ids=lambda frames: f"{len(frames)} frames",
)
def test_what_is_no_request_is_answered_with_an_error_and_the_door_lives(
    place: Place, make_bus: Callable[[str], SocketBus], dealer: zmq.Socket[bytes], frames: list[bytes]
) -> None:
    server = make_bus("server")
    server.answer(Ping, lambda _: PONG)
    dealer.connect(place.door("server"))

    dealer.send_multipart(frames)
    turn_until(lambda: bool(dealer.poll(0)), server)

    _, head, body = dealer.recv_multipart()
    assert msgpack.unpackb(head)["ok"] is False
    assert msgpack.unpackb(body)["code"] in ("bad_request", "unsupported_version")
    assert malformed(server, "request") == 1


@pytest.mark.parametrize("said", junk.RAW.values(), ids=junk.RAW)
@pytest.mark.parametrize("door", ["pub", "sub", "req.server"])
def test_bytes_that_are_not_even_zeromq_leave_every_door_alive(
    place: Place, proxy: Proxy, make_bus: Callable[[str], SocketBus], said: bytes, door: str
) -> None:
    server, client, got = make_bus("server"), make_bus("client"), list[Finding]()
    server.answer(Ping, lambda _: PONG)
    client.on(Finding, got.append)

    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(place.run / door))
        with contextlib.suppress(OSError):
            raw.sendall(said)
        turn_until(lambda: bool(server.publish(finding())) or bool(got), server, client)
        with asking(lambda: client.ask("server", Ping())) as call:
            turn_until(call.done, server)

    assert call.result() == PONG


def test_a_message_larger_than_allowed_costs_its_sender_the_connection_only(
    place: Place, make_bus: Callable[[str], SocketBus], dealer: zmq.Socket[bytes]
) -> None:
    server, client = make_bus("server"), make_bus("client")
    server.answer(Ping, lambda _: PONG)
    dealer.connect(place.door("server"))

    dealer.send_multipart([b"", bytes(codec.MAX_REQUEST_BYTES + 1), b""])
    turn_for(0.1, server)
    with asking(lambda: client.ask("server", Ping())) as call:
        turn_until(call.done, server)

    assert call.result() == PONG
    assert malformed(server, "request") == 0


def test_who_hears_all_beacons_reads_what_comes_in_the_first_moment_of_a_second_in_one_turn(
    place: Place, proxy: Proxy, make_bus: Callable[[str], SocketBus]
) -> None:
    clock, owner, got = FakeClock(), make_bus("capture"), list[CameraStatus]()
    with contextlib.closing(SocketBus("reader", place=place, clock=clock)) as reader:
        reader.on(CameraStatus, got.append)
        reader.answer(Ping, lambda _: PONG)
        turn_until(lambda: owner._is_heard("camera/front/"), owner)
        turn_until(lambda: bool(owner.publish(camera(fps=1.0))) or bool(got), reader, owner)
        turn_for(0.05, reader)  # what was said while it was on its way
        got.clear()

        clock.advance(1.0)
        reader.turn(0.0)
        owner.publish(camera(fps=2.0))
        owner.publish(camera("back"))
        turn_for(0.05, reader)
        meanwhile = got.copy()
        clock.advance(BEACONS_S)
        reader.turn(0.0)
        turn_until(lambda: bool(got), reader)

    assert meanwhile == []
    assert got == [camera(fps=2.0), camera("back")]


def test_who_asks_in_the_first_moment_of_a_second_is_answered_at_once_by_all_that_has_come(
    place: Place, proxy: Proxy, make_bus: Callable[[str], SocketBus]
) -> None:
    clock, owner, got, known = FakeClock(), make_bus("capture"), list[CameraStatus](), list[CameraStatus]()
    with contextlib.closing(SocketBus("reader", place=place, clock=clock)) as reader:
        reader.on(CameraStatus, got.append)
        reader.answer(Ping, lambda _: (known.extend(got), PONG)[1])
        turn_until(lambda: owner._is_heard("camera/front/"), owner)
        turn_until(lambda: bool(owner.publish(camera(fps=1.0))) or bool(got), reader, owner)
        turn_for(0.05, reader)  # what was said while it was on its way
        got.clear()

        clock.advance(1.0)
        reader.turn(0.0)
        owner.publish(camera(fps=2.0))
        turn_for(0.05, reader)
        assert got == []
        with asking(lambda: owner.ask("reader", Ping())) as call:
            turn_until(call.done, reader)

    assert known == [camera(fps=2.0)]


def test_ten_thousand_malformed_messages_are_counted_and_harm_nothing(
    place: Place, proxy: Proxy, make_bus: Callable[[str], SocketBus]
) -> None:
    reader, got, rng = make_bus("reader"), list[Finding](), random.Random(14)
    reader.on_news("", lambda news: None)
    reader.on(Finding, got.append)
    context = zmq.Context()
    hostile = context.socket(zmq.XPUB)
    hostile.connect(place.pub)
    turn_until(lambda: bool(hostile.poll(0)) and hostile.recv() == b"\x01", reader)  # that of everything

    for lot in range(1, 51):
        for _ in range(200):
            hostile.send_multipart(junk.junk_news(rng))
        turn_until(lambda lot=lot: malformed(reader, "news") >= 200 * lot, reader)  # type: ignore[misc]
    hostile.close(0)
    context.term()
    friend = make_bus("counter")
    turn_until(lambda: bool(friend.publish(finding(1.0))) or bool(got), reader, friend)

    assert malformed(reader, "news") == 10_000
    assert got[0] == finding(1.0)


def test_thousands_of_malformed_requests_are_each_answered(
    place: Place, make_bus: Callable[[str], SocketBus], dealer: zmq.Socket[bytes]
) -> None:
    server, client, rng = make_bus("server"), make_bus("client"), random.Random(15)
    server.answer(Ping, lambda _: PONG)
    dealer.connect(place.door("server"))
    sent = answered = 0

    def is_answered() -> bool:
        nonlocal answered
        while dealer.poll(0):
            dealer.recv_multipart()
            answered += 1
        return answered == sent

    for _ in range(20):
        for _ in range(200):
            dealer.send_multipart([b"", *(rng.randbytes(rng.randrange(50)) for _ in range(rng.randrange(1, 10)))])
            sent += 1
        turn_until(is_answered, server)
    with asking(lambda: client.ask("server", Ping())) as call:
        turn_until(call.done, server)

    assert malformed(server, "request") == sent == 4_000
    assert call.result() == PONG


# The loop -----------------------------------------------------------------------------------------------------------


def test_a_handler_that_raises_does_not_stop_the_others(
    proxy: Proxy, make_bus: Callable[[str], SocketBus], caplog: pytest.LogCaptureFixture
) -> None:
    teller, reader, got = make_bus("counter"), make_bus("reader"), list[Finding]()

    def fail(_: Finding) -> None:
        raise RuntimeError("a fault of the plug-in")

    reader.on(Finding, fail)
    reader.on(Finding, got.append)

    turn_until(lambda: bool(teller.publish(finding())) or len(got) >= 2, teller, reader)

    assert reader.stats.counters["errors.finding/"] >= 2
    assert "a fault of the plug-in" in caplog.text


@pytest.mark.parametrize("what", ["every", "after", "call_soon"])
def test_the_loop_goes_on_after_a_timer_that_raises(
    make_bus: Callable[[str], SocketBus], caplog: pytest.LogCaptureFixture, what: str
) -> None:
    bus, fired = make_bus("test"), list[int]()

    def fail() -> None:
        raise RuntimeError("a fault of the service")

    start = {
        "every": lambda: bus.every(0.01, fail),
        "after": lambda: bus.after(0.0, fail),
        "call_soon": lambda: bus.call_soon(fail),
    }
    start[what]()
    bus.after(0.02, lambda: fired.append(1))
    turn_until(lambda: bool(fired), bus)

    assert "a fault of the service" in caplog.text


def test_another_thread_wakes_the_loop_at_once(make_bus: Callable[[str], SocketBus]) -> None:
    bus, threads = make_bus("test"), list[int]()
    timer = threading.Timer(0.05, lambda: bus.call_soon(lambda: threads.append(threading.get_ident())))
    timer.start()
    start_s = time.monotonic()

    while not threads:
        bus.turn(5.0)
    timer.join()

    assert threads == [threading.get_ident()]
    assert time.monotonic() - start_s < 3.0


def test_news_may_be_told_from_any_thread(proxy: Proxy, make_bus: Callable[[str], SocketBus]) -> None:
    teller, reader, got = make_bus("counter"), make_bus("reader"), list[float]()
    reader.on(Finding, lambda found: got.append(found.value or 0.0))
    turn_until(lambda: bool(teller.publish(finding(-1.0))) or bool(got), teller, reader)

    with ThreadPoolExecutor(4) as pool:
        for number in range(200):
            pool.submit(teller.publish, finding(float(number)))
    turn_until(lambda: len({value for value in got if value >= 0.0}) == 200, teller, reader)

    assert sorted(value for value in got if value >= 0.0) == [float(number) for number in range(200)]


def test_a_file_that_can_be_read_calls_its_handler_until_it_is_unwatched(make_bus: Callable[[str], SocketBus]) -> None:
    bus, got = make_bus("test"), list[bytes]()
    out, into = os.pipe()
    bus.watch(out, lambda: got.append(os.read(out, 100)))

    os.write(into, b"one")
    turn_until(lambda: got == [b"one"], bus)
    bus.unwatch(out)
    os.write(into, b"two")
    turn_for(0.05, bus)
    os.close(out)
    os.close(into)

    assert got == [b"one"]


def test_a_handler_may_unwatch_a_file_that_can_be_read_too(make_bus: Callable[[str], SocketBus]) -> None:
    bus, calls = make_bus("test"), list[int]()
    pipes = [os.pipe() for _ in range(2)]

    def first_come() -> None:
        calls.append(1)
        for out, _ in pipes:
            bus.unwatch(out)

    for out, into in pipes:
        bus.watch(out, first_come)
        os.write(into, b"x")
    turn_until(lambda: bool(calls), bus)
    turn_for(0.05, bus)
    for pipe in pipes:
        for file in pipe:
            os.close(file)

    assert calls == [1]


def test_a_listener_hears_news_and_passes_over_junk(
    place: Place, proxy: Proxy, make_bus: Callable[[str], SocketBus]
) -> None:
    context = zmq.Context()
    hostile = context.socket(zmq.XPUB)
    hostile.connect(place.pub)
    friend = make_bus("counter")
    with Listener(place, "finding/") as listener:
        turn_until(lambda: bool(hostile.poll(0)), friend)
        hostile.send_multipart([b"finding/counter/front/", b"junk", b"junk"])
        heard = []
        turn_until(lambda: bool(friend.publish(finding())) or bool(heard.extend(listener.wait(0.01)) or heard), friend)
    hostile.close(0)
    context.term()

    assert heard[0].decode() == finding()


def test_the_door_of_a_closed_bus_is_gone(place: Place) -> None:
    bus = SocketBus("server", place=place)
    bus.answer(GetStats, lambda _: bus.stats.read())
    path = Path(place.door("server").removeprefix("ipc://"))
    was_there = path.exists()

    bus.close()

    assert was_there
    assert not path.exists()


def test_a_closed_proxy_leaves_no_thread(place: Place) -> None:
    proxy = Proxy(place)
    was_alive = proxy.is_alive

    proxy.close()

    assert was_alive
    assert not proxy.is_alive
