"""P4: a call ends by its deadline, in whatever moment its service is stopped, dies or is swamped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from framebus import caller, sockets
from framebus.errors import DeadlineError
from framebus.place import Place
from framebus.requests import Ping
from framebus.transport import SocketBus

SERVER = """
import sys
from pathlib import Path
from framebus.place import Place
from framebus.requests import Ping, Pong
from framebus.transport import SocketBus

bus = SocketBus("server", place=Place.at(Path(sys.argv[1])))
bus.answer(Ping, lambda _: Pong(name="server", pid=1, epoch=1, version="1"))
print("ready", flush=True)
while True:
    bus.turn()
"""
DEADLINE_S = 0.5
MERCY_S = 5.0
"""by which a machine that is busy with other things may be late; a call that hangs takes for ever"""


@pytest.fixture
def server(place: Place) -> Iterator[subprocess.Popen[str]]:
    """A service in a process of its own; it is killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(place.run)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()
    Path(place.door("server").removeprefix("ipc://")).unlink(missing_ok=True)


@pytest.fixture
def client(place: Place) -> Iterator[SocketBus]:
    bus = SocketBus("client", place=place)
    yield bus
    bus.close()


def assert_ends_by_its_deadline(client: SocketBus, *, is_long: bool = False) -> None:
    start_s = time.monotonic()
    with pytest.raises(DeadlineError, match="no answer from server to ping"):
        client.ask("server", Ping(), deadline_s=DEADLINE_S, is_long=is_long)
    assert DEADLINE_S - 0.01 <= time.monotonic() - start_s < DEADLINE_S + MERCY_S


@contextlib.contextmanager
def full_queue(address: str) -> Iterator[int]:
    """As many connections to this door as the kernel queues for a process that takes none."""
    with contextlib.ExitStack() as stack:
        for number in range(10_000):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            try:
                waiting.connect(address.removeprefix("ipc://"))
            except BlockingIOError:
                yield number
                return
        raise AssertionError("the queue has no end")


@pytest.mark.parametrize("is_long", [False, True])
def test_a_call_to_a_stopped_process_ends_at_its_deadline_and_succeeds_when_it_goes_on(
    server: subprocess.Popen[str], client: SocketBus, is_long: bool
) -> None:
    server.send_signal(signal.SIGSTOP)

    assert_ends_by_its_deadline(client, is_long=is_long)

    server.send_signal(signal.SIGCONT)
    assert client.ask("server", Ping()).name == "server"


@pytest.mark.parametrize("is_long", [False, True])
def test_a_call_to_a_stopped_process_whose_queue_is_full_ends_at_its_deadline_and_succeeds_when_it_goes_on(
    server: subprocess.Popen[str], client: SocketBus, place: Place, is_long: bool
) -> None:
    server.send_signal(signal.SIGSTOP)

    with full_queue(place.door("server")) as queued:
        assert queued > 0
        assert_ends_by_its_deadline(client, is_long=is_long)

    server.send_signal(signal.SIGCONT)
    assert client.ask("server", Ping()).name == "server"


@pytest.mark.parametrize("is_long", [False, True])
def test_a_call_whose_service_dies_just_before_the_send_ends_at_its_deadline(
    server: subprocess.Popen[str], client: SocketBus, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    send, deaths = sockets.send, list[int]()

    def die_then_send(door: zmq.Socket[bytes], frames: list[bytes], flags: int = 0) -> None:
        if not deaths and door.poll(int(1_000 * MERCY_S), zmq.POLLOUT):
            deaths.append(server.pid)
            os.kill(server.pid, signal.SIGKILL)
            end_s = time.monotonic() + MERCY_S
            while door.poll(0, zmq.POLLOUT) and time.monotonic() < end_s:
                pass  # until libzmq knows that nobody is there to send to
        send(door, frames, flags)

    monkeypatch.setattr(caller, "send", die_then_send)

    assert_ends_by_its_deadline(client, is_long=is_long)

    assert deaths == [server.pid]
