"""Short calls: ours from any thread, and what others do, each against a server in a process of its own."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import zmq

from benchmarks.hop import CONTEXT, running
from benchmarks.private_group import PrivateGroup
from benchmarks.seen import Figures, percentile
from framebus import client
from framebus.errors import DeadlineError
from framebus.place import Place
from framebus.requests import Ping, Pong
from framebus.transport import SocketBus

BODY = b"x" * 200
LIMIT_S = 20.0
DEADLINE_S = 0.6
Call = Callable[[], object]


def ours(place: Place, seconds: float) -> Figures:
    """`bus.ask` on a thread that is not the loop's."""
    return _against(_answer_ours, place, _ask_ours, place, seconds)


def script(place: Place, seconds: float) -> Figures:
    """`framebus.ask`, of a script that is no service."""
    return _against(_answer_ours, place, _ask_as_script, place, seconds)


def peer(call: Callable[[str], Call], address: str, seconds: float) -> Figures:
    return _against(_answer_raw, address, _ask_raw, (call, address), seconds)


def off_the_deadline_ms() -> float:
    """How far from its deadline a call ends that nobody answers: no door at all, and one of a stopped process."""
    with PrivateGroup() as group:
        nobody = _off_ms(group.place, "nobody")
        os.kill(group.dispatcher.pid, signal.SIGSTOP)
        try:
            stopped = _off_ms(group.place, "dispatcher")
        finally:
            os.kill(group.dispatcher.pid, signal.SIGCONT)
    return max(nobody, stopped)


def at_tcp(place: Place, port: int) -> Place:
    return replace(place, req=f"tcp://127.0.0.1:{port}")


def _off_ms(place: Place, service: str) -> float:
    bus = SocketBus("asker", place=place)
    started_s = time.monotonic()
    try:
        bus.ask(service, Ping(), DEADLINE_S)
    except DeadlineError:
        return 1_000 * abs(time.monotonic() - started_s - DEADLINE_S)
    finally:
        bus.close()
    raise RuntimeError(f"{service} answered")


def _against(
    server: Callable[..., None], at: object, caller: Callable[..., None], where: object, seconds: float
) -> Figures:
    taken_out, taken_in = CONTEXT.Pipe(duplex=False)
    asking = CONTEXT.Process(target=caller, args=(where, seconds, taken_in))
    with running(CONTEXT.Process(target=server, args=(at,)), asking):
        if not taken_out.poll(seconds + LIMIT_S):
            raise RuntimeError("the calls did not end")
        taken_s: list[float] = taken_out.recv()
    return {
        "calls/s": len(taken_s) / sum(taken_s),
        "p50 us": percentile(taken_s, 50) * 1e6,
        "p99 us": percentile(taken_s, 99) * 1e6,
    }


def _time(call: Call, seconds: float) -> list[float]:
    call()
    taken_s = []
    end_s = time.perf_counter() + seconds
    while (began_s := time.perf_counter()) < end_s:
        call()
        taken_s.append(time.perf_counter() - began_s)
    return taken_s


# Ours -----------------------------------------------------------------------------------------------------------------


def _answer_ours(place: Place) -> None:
    bus = SocketBus("echo", place=place)
    bus.answer(Ping, lambda _: Pong(name="echo", pid=1, epoch=1, version="1"))
    while True:
        bus.turn(0.5)


def _ask_ours(place: Place, seconds: float, taken: Connection) -> None:
    bus = SocketBus("asker", place=place)
    asking = threading.Thread(target=lambda: taken.send(_time(lambda: bus.ask("echo", Ping()), seconds)))
    asking.start()
    while asking.is_alive():
        bus.turn(0.05)
    bus.close()


def _ask_as_script(place: Place, seconds: float, taken: Connection) -> None:
    taken.send(_time(lambda: client.ask("echo", Ping(), run=place.run), seconds))


# Peers ----------------------------------------------------------------------------------------------------------------


def _answer_raw(address: str) -> None:
    server = zmq.Context().socket(zmq.REP)
    server.bind(address)
    while True:
        server.send(server.recv())


def _ask_raw(where: tuple[Callable[[str], Call], str], seconds: float, taken: Connection) -> None:
    call, address = where
    taken.send(_time(call(address), seconds))


def with_new_context(address: str) -> Call:
    """As Frigate asks from its processes: all is made for the call, and given back."""

    def call() -> None:
        context = zmq.Context()
        _round(context, address)
        context.destroy()

    return call


def with_shared_context(address: str) -> Call:
    context = zmq.Context()
    return lambda: _round(context, address)


def with_kept_socket(address: str) -> Call:
    """The limit of this pattern; one thread only, and a lost answer stops it for good."""
    socket = zmq.Context().socket(zmq.REQ)
    socket.connect(address)

    def call() -> None:
        socket.send(BODY)
        socket.recv()

    return call


def _round(context: "zmq.Context[zmq.Socket[bytes]]", address: str) -> None:
    socket = context.socket(zmq.REQ)
    socket.linger = 0
    socket.connect(address)
    socket.send(BODY)
    socket.recv()
    socket.close(0)


def ipc(folder: Path) -> str:
    return f"ipc://{folder}/call"
