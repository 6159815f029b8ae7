"""Retained values to somebody who comes late: how soon all are there, and what they cost the dispatcher."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import zmq

from benchmarks.hop import CONTEXT, HEAD, Doors, between, forward_in_python, running
from benchmarks.load import Load, pss_mb
from benchmarks.private_group import PrivateGroup
from benchmarks.seen import Figures
from framebus.codec import News
from framebus.messages import CameraState, CameraStatus
from framebus.place import Place
from framebus.transport import SocketBus

LIMIT_S = 30.0
PREFIX = "camera/"


def ours(topics: int) -> Figures:
    """A service owns the values; another joins by our bus, which decodes and checks each."""
    with PrivateGroup() as group:
        empty_mb, used = pss_mb(group.dispatcher.pid), Load(group.dispatcher.pid)
        with owner(group.place, topics):
            _join(group.place, topics)  # all are told
            told_mb = pss_mb(group.dispatcher.pid)
            told_s = used.cpu_s
            return {
                "ms to a late joiner": 1_000 * _join(group.place, topics),
                "dispatcher MB": told_mb - empty_mb,
                "dispatcher CPU us/topic": 1e6 * told_s / topics,
            }


def last_values(folder: Path, topics: int) -> Figures:
    """The peer: a broker in Python keeps the values, and the joiner reads them as they are."""
    # such a broker sends all at once to who joins, so its queue must hold it
    with between(folder, partial(forward_in_python, high_water_mark=2 * topics)) as doors:
        empty_mb = pss_mb(doors.pid)
        told_out, told_in = CONTEXT.Pipe(duplex=False)
        with running(CONTEXT.Process(target=_tell_raw, args=(doors, topics, told_in))):
            if not told_out.poll(LIMIT_S):
                raise RuntimeError(f"the broker did not pass on all of {topics} values within {LIMIT_S:.0f} s")
            return {
                "ms to a late joiner": 1_000 * _join_raw(doors, topics),
                "dispatcher MB": pss_mb(doors.pid) - empty_mb,
            }


@contextmanager
def owner(place: Place, topics: int) -> Iterator[None]:
    """A service that has told the status of so many cameras."""
    told_out, told_in = CONTEXT.Pipe(duplex=False)
    with running(CONTEXT.Process(target=_own, args=(place, topics, told_in))):
        if not told_out.poll(LIMIT_S):
            raise RuntimeError("the owner of the values did not start")
        yield


def _own(place: Place, topics: int, told: Connection) -> None:
    bus = SocketBus("owner", place=place)
    bus.turn(0.1)
    for number in range(topics):
        status = CameraStatus(camera=f"c{number}", state=CameraState.ONLINE, since_at_s=0.0, source="rtsp://10.0.0.5/1")
        bus.publish(status)
        if number % 100 == 99:  # as they would come up: not faster than anybody reads
            bus.turn(0.005)
    told.send(None)
    while True:
        bus.turn(0.5)


def _join(place: Place, topics: int) -> float:
    """How long until all values are there, in seconds, from before the first socket."""
    started_s = time.monotonic()
    seen: set[str] = set()
    bus = SocketBus("late", place=place)
    try:
        bus.on_news(PREFIX, lambda news: _note(seen, news))
        while len(seen) < topics:
            bus.turn(0.5)
            if time.monotonic() > started_s + LIMIT_S:
                raise RuntimeError(f"{len(seen)} of {topics} values came within {LIMIT_S:.0f} s")
        return time.monotonic() - started_s
    finally:
        bus.close()


def _note(seen: set[str], news: News) -> None:
    seen.add(news.topic)


def _tell_raw(doors: Doors, topics: int, told: Connection) -> None:
    door = zmq.Context().socket(zmq.PUB)
    door.connect(doors.pub)
    ear = zmq.Context().socket(zmq.SUB)
    ear.subscribe(b"")
    ear.connect(doors.sub)
    while not ear.poll(5):
        door.send_multipart([b"warm/", HEAD, b""])
    for number in range(topics):
        door.send_multipart([f"{PREFIX}c{number}/".encode(), HEAD, b"b" * 80])
        while ear.recv_multipart()[0] != f"{PREFIX}c{number}/".encode():
            pass  # of the time before
    ear.close(0)
    told.send(None)
    time.sleep(LIMIT_S)


def _join_raw(doors: Doors, topics: int) -> float:
    started_s = time.monotonic()
    with zmq.Context() as context, context.socket(zmq.SUB) as ear:
        ear.rcvhwm = 2 * topics
        ear.subscribe(PREFIX)
        ear.connect(doors.sub)
        seen: set[bytes] = set()
        while len(seen) < topics:
            if not ear.poll(int(1_000 * LIMIT_S)):
                raise RuntimeError(f"{len(seen)} of {topics} values came")
            seen.add(ear.recv_multipart()[0])
        return time.monotonic() - started_s
