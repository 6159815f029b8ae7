"""A reader that is stopped in mid-stream: how many of the pictures that it is handed are not the one it was told of.

Each picture is one value all over, so that a reader sees at once whether it is whole, and which it is.
"""

import os
import shutil
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import FRIGATE_SHM
from benchmarks.queued import FrigateShm
from benchmarks.seen import OURS, Figures
from benchmarks.transport import FORK, Make, Setup, Transport
from benchmarks.transports import Framebus
from framebus.frame import U8

SHAPE = (360, 640, 3)
FPS = 100.0
VALUES = 251
"""numbers that differ by less than this look different"""
LOOKS = 80
"""times that a reader goes over a picture: it is at work most of the time, and so is stopped in mid-picture"""


def torn(make: Make, *, is_quick: bool) -> Figures:
    """A stream in which the reader is stopped 20 times for as long as the ring lasts, and once for 2 s."""
    stops_s = [0.1, 0.5] if is_quick else [*(0.06 for _ in range(20)), 2.0]
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    transport = make(Setup(shape=SHAPE, consumers=1, folder=folder))
    ready, stop, results = FORK.Semaphore(0), FORK.Event(), FORK.Queue()
    transport.prepare()
    writer = FORK.Process(target=_write, args=(transport, ready, stop), daemon=True)
    reader = FORK.Process(target=_read, args=(transport, ready, stop, results), daemon=True)
    try:
        for process in (writer, reader):
            process.start()
            ready.acquire(timeout=10.0)
        time.sleep(0.3)
        assert reader.pid is not None
        for stop_s in stops_s:
            os.kill(reader.pid, signal.SIGSTOP)
            time.sleep(stop_s)
            os.kill(reader.pid, signal.SIGCONT)
            time.sleep(0.083)
        stop.set()
        read, wrong, refused = results.get(timeout=20.0)
        return {"wrong frames": wrong, "% wrong": 100.0 * wrong / max(1, read), "frames": read, "refused": refused}
    finally:
        for process in (writer, reader):
            process.kill()
            process.join()
        transport.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


def _write(transport: Transport, ready: Any, stop: Any) -> None:
    transport.open_producer()
    ready.release()
    start_s = time.monotonic()
    for number in range(1, 10_000_000):
        if stop.is_set():
            break
        time.sleep(max(0.0, start_s + number / FPS - time.monotonic()))
        transport.send(np.full(SHAPE, number % VALUES, np.uint8), number, 0)
    os._exit(0)


def _read(transport: Transport, ready: Any, stop: Any, results: Any) -> None:
    transport.open_consumer(0)
    ready.release()
    read = wrong = refused = 0
    while not stop.is_set():
        got = transport.receive(0.25)
        if got is None:
            continue
        number, _, pixels = got
        is_right = all(_is_all(pixels, number % VALUES) for _ in range(LOOKS))
        del got, pixels
        if not transport.done():
            refused += 1  # told in time that it must not be used
            continue
        read += 1
        wrong += not is_right
    results.put((read, wrong, refused))
    results.close()
    results.join_thread()
    os._exit(0)


def _is_all(pixels: U8, value: int) -> bool:
    return bool((pixels == value).all())


SLOTS = 4
TORN = {name: partial(torn, partial(made, slots=SLOTS)) for name, made in ((OURS, Framebus), (FRIGATE_SHM, FrigateShm))}
