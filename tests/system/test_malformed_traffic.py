"""P14: a dispatcher and a service under malformed traffic at all their doors live on, answer, and do not grow.

`FRAMEBUS_NIGHT=1` sends two hundred times as much.
"""

import contextlib
import random
import socket
import time
from collections.abc import Iterator

import psutil
import pytest
import zmq

from framebus.codec import decode_body
from framebus.messages import ServiceStats
from framebus.place import Place
from junk import RAW, junk_news, junk_request, raw_junk
from services.dispatcher.processes import Group, group
from system.rig import size

__all__ = ["group"]

MESSAGES = size(50_000, 10_000_000)
LOT = 500
MAX_GROWTH_BYTES = 10_000_000
HELD_OPEN = 50
LIMIT_S = 30.0


class Attacker:
    """Sends junk to all doors of a group, a lot at a time, and takes the answers."""

    def __init__(self, place: Place, services: list[str], stack: contextlib.ExitStack) -> None:
        self._place = place
        self._rng = random.Random(14)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        stack.callback(self._context.term)
        self.asked = self.answered = self.told = 0
        self._doors = [self._open(zmq.DEALER, place.door(service), stack) for service in services]
        self._news = self._open(zmq.XPUB, place.pub, stack)
        self._addresses = [place.pub, place.sub, *map(place.door, services)]
        self._held = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(HELD_OPEN)]
        for number, held in enumerate(self._held):  # who connects, begins to speak, and says no more
            held.connect(self._addresses[number % len(self._addresses)].removeprefix("ipc://"))
            held.sendall(b"\xff" * 5)

    def lot(self) -> None:
        for door in self._doors:
            for _ in range(LOT // 4):
                door.send_multipart(junk_request(self._rng))
                self.asked += 1
        for _ in range(LOT // 2):
            self._news.send_multipart(junk_news(self._rng))
            self.told += 1
        for address in self._addresses:
            self._speak_no_zeromq(address)
        self._take_answers()

    def _take_answers(self) -> None:
        end_s = time.monotonic() + LIMIT_S
        while self.answered < self.asked:
            assert time.monotonic() < end_s, f"{self.asked - self.answered} requests were never answered"
            for door in self._doors:
                if door.poll(10):
                    *_, head, _ = door.recv_multipart()
                    assert b"\xa2ok\xc2" in head, "junk was done"
                    self.answered += 1

    def _speak_no_zeromq(self, address: str) -> None:
        with socket.socket(socket.AF_UNIX) as bare, contextlib.suppress(OSError):
            bare.settimeout(1.0)
            bare.connect(address.removeprefix("ipc://"))
            bare.sendall(raw_junk(self._rng))

    def _open(self, kind: int, address: str, stack: contextlib.ExitStack) -> zmq.Socket[bytes]:
        opened = self._context.socket(kind)
        opened.setsockopt(zmq.LINGER, 0)
        stack.callback(opened.close, 0)
        opened.connect(address)
        return opened


@pytest.fixture
def attacker(group: Group) -> Iterator[Attacker]:
    group.start()
    group.wait_ready()
    group.settings.write_text("{}")
    group.run("-m", "framebus.run_jobs", "export", name="export")
    group.caller.call("export", "ping", b"\x80", LIMIT_S)
    with contextlib.ExitStack() as stack:
        yield Attacker(group.place, ["dispatcher", "export"], stack)


def rtt_s(group: Group, service: str) -> float:
    start_s = time.monotonic()
    group.caller.call(service, "ping", b"\x80", 5.0)
    return time.monotonic() - start_s


def stats(group: Group, service: str) -> ServiceStats:
    return decode_body(group.caller.call(service, "stats", b"\x80", 5.0)[0], ServiceStats)


@pytest.mark.timeout(120 + MESSAGES // 500)
def test_p14_malformed_traffic_at_every_door_stops_nobody_and_fills_no_memory(group: Group, attacker: Attacker) -> None:
    processes = [psutil.Process(process.pid) for process in group.processes]
    rtts_s: list[float] = []
    before_bytes, before_files = [0, 0], [0, 0]
    lots = MESSAGES // LOT

    for number in range(lots):
        if number == lots // 10:
            before_bytes = [process.memory_info().rss for process in processes]
            before_files = [process.num_fds() for process in processes]
        attacker.lot()
        rtts_s += [rtt_s(group, "dispatcher"), rtt_s(group, "export")]
    growth_bytes = [process.memory_info().rss - before for process, before in zip(processes, before_bytes, strict=True)]
    files = [process.num_fds() - before for process, before in zip(processes, before_files, strict=True)]
    accepted = group.submit()
    counters = {service: stats(group, service).counters for service in ("dispatcher", "export")}

    rtts_s.sort()
    print(
        f"{attacker.asked + attacker.told:,} messages; grown by {growth_bytes} bytes and {files} files; "
        f"round trips {1_000 * rtts_s[len(rtts_s) // 2]:.1f} ms (median), {1_000 * rtts_s[-1]:.1f} ms (worst)"
    )
    assert attacker.asked + attacker.told == MESSAGES
    assert attacker.answered == attacker.asked
    assert accepted.created
    assert [process.poll() for process in group.processes] == [None, None]
    assert max(growth_bytes) < MAX_GROWTH_BYTES
    assert max(files) <= 2 * len(RAW), "connections that speak no ZeroMQ are not closed"
    for service, told in counters.items():
        assert sum(count for name, count in told.items() if name.startswith("malformed.request")) > 0
        assert "errors.request" not in told, service
    assert sum(count for name, count in counters["dispatcher"].items() if name.startswith("malformed.news")) > 0
    assert "Traceback" not in group.log
