"""One hop of small news: a publisher, what stands between, and subscribers, each in a process of its own.

Never more messages are under way than fit into any queue, so that none is lost and all systems carry the same.
"""

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import zmq

from benchmarks.load import Load
from benchmarks.seen import Figures, percentile

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["benchmarks.hop"])

HIGH_WATER_MARK = 1_000
WINDOW = 250
"""under way at most: libzmq hears of what was read by half a high-water mark, and a millisecond late, in which some
hundreds are sent; with 400 a queue was full now and then"""
ACK_EACH = 50
LIMIT_S = 20.0
STAMP = struct.Struct("<Qd")
HEAD = b"h" * 80
BODY = b"b" * (200 - 80 - STAMP.size - 13)


@dataclass(frozen=True)
class Doors:
    """Where news go in and come out, and the process between (0: there is none)."""

    pub: str
    sub: str
    pid: int = 0
    is_direct: bool = False


@dataclass(frozen=True)
class Traffic:
    """What is sent: so many flat out, then so many paced."""

    flat_out: int
    paced: int
    rate_hz: float
    topic: str = "object/front/"
    subscribers: int = 1


@contextmanager
def running(*processes: BaseProcess) -> Iterator[None]:
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


@contextmanager
def between(folder: Path, forward: Callable[[str, str], None]) -> Iterator[Doors]:
    """A process that runs `forward(pub, sub)`."""
    pub, sub = f"ipc://{folder}/p", f"ipc://{folder}/s"
    process = CONTEXT.Process(target=forward, args=(pub, sub))
    with running(process):
        yield Doors(pub, sub, process.pid or 0)


def carry(doors: Doors, traffic: Traffic) -> Figures:
    """Send it all; raises RuntimeError when a message was lost."""
    acks_out, acks_in = CONTEXT.Pipe(duplex=False)
    result_out, result_in = CONTEXT.Pipe(duplex=False)
    publisher = CONTEXT.Process(target=_publish, args=(doors, traffic, acks_out))
    subscriber = CONTEXT.Process(target=_subscribe, args=(doors, traffic, acks_in, result_in))
    with running(subscriber, publisher):
        _await(result_out, "the first message")
        result_out.recv()
        used = Load(doors.pid) if doors.pid else None
        _await(result_out, f"{traffic.flat_out} messages")
        flat_s = result_out.recv()
        cpu_us = used.cpu_s / traffic.flat_out * 1e6 if used else 0.0
        figures = {"messages/s": traffic.flat_out / flat_s, "CPU us/message": cpu_us}
        if traffic.paced:
            _await(result_out, f"{traffic.paced} paced messages")
            taken_s = result_out.recv()
            figures |= {"p50 us": percentile(taken_s, 50) * 1e6, "p99 us": percentile(taken_s, 99) * 1e6}
    return figures


def _await(result: Connection, what: str) -> None:
    if not result.poll(LIMIT_S):
        raise RuntimeError(f"{what} did not come within {LIMIT_S:.0f} s: some were lost")


def _publish(doors: Doors, traffic: Traffic, acks: Connection) -> None:
    door = zmq.Context().socket(zmq.XPUB)
    door.sndhwm = HIGH_WATER_MARK
    door.bind(doors.pub) if doors.is_direct else door.connect(doors.pub)
    topic = traffic.topic.encode()
    while not acks.poll(0.005):  # until all subscribers have heard something
        door.send_multipart([topic, HEAD, STAMP.pack(0, 0.0) + BODY])
    acked = acks.recv()
    for number in range(1, traffic.flat_out + 1):
        while number - acked > WINDOW or (number - acked > WINDOW - ACK_EACH and acks.poll()):
            acked = acks.recv()
        door.send_multipart([topic, HEAD, STAMP.pack(number, time.monotonic()) + BODY])
    while acked < traffic.flat_out:
        acked = acks.recv()
    start_s = time.monotonic()
    for number in range(1, traffic.paced + 1):
        time.sleep(max(0.0, start_s + number / traffic.rate_hz - time.monotonic()))
        door.send_multipart([topic, HEAD, STAMP.pack(traffic.flat_out + number, time.monotonic()) + BODY])
    time.sleep(LIMIT_S)


def _subscribe(doors: Doors, traffic: Traffic, acks: Connection, result: Connection) -> None:
    context = zmq.Context()
    sockets = [_subscriber(context, doors.sub, traffic.topic) for _ in range(traffic.subscribers)]
    for socket in sockets:  # the first of each: it is connected
        socket.recv_multipart()
    acks.send(0)
    result.send(None)
    first_s = _take_flat_out(sockets, traffic, acks)
    result.send(time.monotonic() - first_s)
    taken_s = []
    for _ in range(traffic.paced):
        for socket in sockets:
            body = socket.recv_multipart()[2]
            taken_s.append(time.monotonic() - STAMP.unpack_from(body)[1])
    result.send(taken_s)
    time.sleep(LIMIT_S)


def _take_flat_out(sockets: list["zmq.Socket[bytes]"], traffic: Traffic, acks: Connection) -> float:
    """Read all; returns when the first was sent."""
    expected, first_s = 1, 0.0
    while expected <= traffic.flat_out:
        for socket in sockets:
            until = min(expected + ACK_EACH, traffic.flat_out + 1)
            number = expected
            while number < until:
                got, sent_s = STAMP.unpack_from(socket.recv_multipart()[2])
                if got == 0:  # of the time before all were there
                    continue
                if got != number:
                    raise RuntimeError(f"message {got} came where {number} was due")
                first_s = first_s or sent_s
                number += 1
        expected = until
        acks.send(expected - 1)
    return first_s


def _subscriber(context: "zmq.Context[zmq.Socket[bytes]]", address: str, topic: str) -> "zmq.Socket[bytes]":
    socket = context.socket(zmq.SUB)
    socket.rcvhwm = HIGH_WATER_MARK
    socket.subscribe(topic)
    socket.connect(address)
    return socket


# What may stand between -----------------------------------------------------------------------------------------------


def forward_in_c(pub: str, sub: str) -> None:
    xsub, xpub = _bind(pub, sub)
    zmq.proxy(xsub, xpub)


def forward_in_python(pub: str, sub: str, high_water_mark: int = HIGH_WATER_MARK) -> None:
    """As many hand-written brokers: a loop that keeps the last value of each topic, and tells it to who subscribes."""
    xsub, xpub = _bind(pub, sub, high_water_mark)
    xpub.setsockopt(zmq.XPUB_VERBOSE, 1)
    poller = zmq.Poller()
    poller.register(xsub, zmq.POLLIN)
    poller.register(xpub, zmq.POLLIN)
    last: dict[bytes, list[bytes]] = {}
    while True:
        ready = dict(poller.poll())
        if xpub in ready:
            asked = xpub.recv()
            xsub.send(asked)
            if asked[:1] == b"\x01":
                for topic, frames in last.items():
                    if topic.startswith(asked[1:]):
                        xpub.send_multipart(frames)
        if xsub in ready:
            try:
                for _ in range(HIGH_WATER_MARK):
                    frames = xsub.recv_multipart(zmq.NOBLOCK)
                    last[frames[0]] = frames
                    xpub.send_multipart(frames)
            except zmq.Again:
                pass


def _bind(
    pub: str, sub: str, high_water_mark: int = HIGH_WATER_MARK
) -> tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]:
    context = zmq.Context()
    doors = context.socket(zmq.XSUB), context.socket(zmq.XPUB)
    for door, address in zip(doors, (pub, sub), strict=True):
        door.sndhwm = door.rcvhwm = high_water_mark
        door.bind(address)
    return doors
