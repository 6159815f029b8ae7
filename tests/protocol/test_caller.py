"""Lines to services: calls leave no descriptors behind, a closed bus keeps nobody waiting, and junk is no answer."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import zmq

from framebus.caller import MAX_IDLE
from framebus.errors import DeadlineError, ErrorCode, RefusedError
from framebus.place import Place
from framebus.requests import Ping, Pong
from framebus.transport import SocketBus
from protocol.loops import turn_until

PONG = Pong(name="server", pid=1, epoch=1, version="1")


@pytest.fixture
def client(place: Place) -> Iterator[SocketBus]:
    bus = SocketBus("client", place=place)
    yield bus
    bus.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_calls_leave_no_more_files_open_than_the_lines_that_wait_for_the_next(place: Place, client: SocketBus) -> None:
    server = SocketBus("server", place=place)
    server.answer_later(Ping, lambda _, promise: server.after(0.01, lambda: promise.resolve(PONG)))
    before = open_files()

    def ask_at_once(callers: int) -> None:
        with ThreadPoolExecutor(callers) as pool:
            calls = [pool.submit(client.ask, "server", Ping()) for _ in range(2 * callers)]
            turn_until(lambda: all(call.done() for call in calls), server)

    ask_at_once(1)
    of_a_line = open_files() - before
    ask_at_once(3 * MAX_IDLE)

    turn_until(lambda: open_files() <= before + of_a_line * MAX_IDLE, server)
    server.close()


@pytest.mark.parametrize("is_under_way", [True, False])
def test_a_call_on_a_bus_that_is_closed_is_refused_and_does_not_hold_it_up(place: Place, is_under_way: bool) -> None:
    bus = SocketBus("asker", place=place)
    with ThreadPoolExecutor(1) as pool:
        calls = [pool.submit(bus.ask, "nobody", Ping(), 30.0)] if is_under_way else []
        turn_until(lambda: all(call.running() for call in calls), bus)
        bus.close()
        calls = calls or [pool.submit(bus.ask, "nobody", Ping(), 30.0)]
        assert wait(calls, 5.0).done

    error = calls[0].exception()
    assert isinstance(error, RefusedError)
    assert error.code is ErrorCode.UNAVAILABLE


def test_who_answers_junk_at_once_is_asked_a_few_times_and_the_deadline_holds(place: Place, client: SocketBus) -> None:
    asked = 0
    with zmq.Context() as context, context.socket(zmq.ROUTER) as door, ThreadPoolExecutor(1) as pool:
        door.bind(place.door("server"))
        call = pool.submit(client.ask, "server", Ping(), 1.0)

        while not call.done():
            if door.poll(10):
                peer, *_ = door.recv_multipart()
                door.send_multipart([peer, b"", b"junk"])
                asked += 1

        assert isinstance(call.exception(), DeadlineError)
        assert 2 <= asked <= 4
    os.unlink(place.door("server").removeprefix("ipc://"))
