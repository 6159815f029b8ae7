"""A stream of pictures from one process to one or several others, over any transport: rate, time, processor time."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.load import cpu_s
from benchmarks.seen import percentile
from benchmarks.transport import FORK, SLOTS, WINDOW, Make, Setup, Transport

PAGE_BYTES = 4_096
WARM = 2**40
"""numbers from here on are frames that warm up, and are not counted"""
WARM_FRAMES = 2 * SLOTS
LIMIT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What was seen of one stream."""

    frames_s: float
    """that the slowest consumer got"""
    cpu_us: float
    """of producer, helpers and all consumers, for each frame"""
    producer_cpu_us: float
    p50_us: float
    p99_us: float
    wrong: int
    """frames whose pixels are not those of their number, or that were not there any more"""


def stream(
    make: Make,
    shape: tuple[int, ...],
    *,
    consumers: int,
    seconds: float,
    fps: float = 0.0,
    looked_at_bytes: int | None = None,
) -> Stream:
    """One run; with `fps` 0 as fast as the slowest consumer takes the frames, at most 4 in flight. None is lost.

    Consumers look at each page of a picture, or of its first `looked_at_bytes`.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    setup = Setup(shape=shape, consumers=consumers, folder=folder)
    processes: list[BaseProcess] = []
    transport = make(setup)
    try:
        transport.prepare()
        return _run(transport, processes, seconds, fps, looked_at_bytes)
    finally:
        for process in processes:
            process.kill()
            process.join()
        transport.clean_up()
        shutil.rmtree(folder, ignore_errors=True)


def _run(
    transport: Transport, processes: list[BaseProcess], seconds: float, fps: float, looked_at_bytes: int | None
) -> Stream:
    consumers = transport.setup.consumers
    shared = _Shared(consumers)

    def start(target: Callable[..., None], *of: object) -> None:
        process = FORK.Process(target=target, args=(transport, shared, *of), daemon=True)
        process.start()
        processes.append(process)
        if not shared.ready.acquire(timeout=LIMIT_S):
            raise TimeoutError(f"{target.__name__} of {type(transport).__name__} did not start")

    start(_produce, seconds, fps)
    for index in range(consumers):
        start(_consume, index, looked_at_bytes)
    shared.go.set()
    produced, consumed = None, []
    for _ in range(1 + consumers):
        told = shared.results.get(timeout=seconds + LIMIT_S)
        if isinstance(told, _Produced):
            produced = told
        else:
            consumed.append(told)
    assert produced is not None
    late_us = [value for one in consumed for value in one.late_us]
    return Stream(
        frames_s=min((len(one.late_us) - 1) / one.span_s for one in consumed),
        cpu_us=(produced.cpu_s + sum(one.cpu_s for one in consumed)) / produced.frames * 1e6,
        producer_cpu_us=produced.cpu_s / produced.frames * 1e6,
        p50_us=percentile(late_us, 50),
        p99_us=percentile(late_us, 99),
        wrong=sum(one.wrong + produced.frames - len(one.late_us) for one in consumed),
    )


class _Shared:
    """What the processes of a run tell each other."""

    def __init__(self, consumers: int) -> None:
        self.ready = FORK.Semaphore(0)
        self.go = FORK.Event()
        self.credits = [FORK.Semaphore(WINDOW) for _ in range(consumers)]
        self.warm = FORK.Array("i", consumers, lock=False)
        self.last = FORK.Value("q", -1)
        self.results: Any = FORK.Queue()

    def tell(self, result: object) -> None:
        """The last word of a process."""
        self.results.put(result)
        self.results.close()
        self.results.join_thread()


@dataclass(kw_only=True)
class _Produced:
    frames: int
    cpu_s: float


@dataclass(kw_only=True)
class _Consumed:
    late_us: list[float]
    wrong: int
    cpu_s: float
    span_s: float


def _produce(transport: Transport, shared: _Shared, seconds: float, fps: float) -> None:
    setup = transport.setup
    transport.open_producer()
    noise = np.random.default_rng(1).integers(0, 255, setup.shape, np.uint8)
    sources = [noise.copy() for _ in range(SLOTS)]
    shared.ready.release()
    shared.go.wait()
    for number in range(60 * WARM_FRAMES):
        if number >= WARM_FRAMES and all(shared.warm):
            break
        transport.send(sources[number % SLOTS], WARM + number, _boot_ns())
        time.sleep(0.01)
    time.sleep(0.1)
    before_s, start_s, number = cpu_s(os.getpid(), *setup.helpers), time.monotonic(), 0
    while (now_s := time.monotonic()) - start_s < seconds:
        if fps and (due_s := start_s + number / fps) > now_s:
            time.sleep(due_s - now_s)
        for credit in shared.credits:
            credit.acquire(timeout=LIMIT_S)
        source = sources[number % SLOTS]
        source.reshape(-1)[:8].view(np.uint64)[0] = number
        transport.send(source, number, _boot_ns())
        number += 1
    shared.last.value = number - 1
    for credit in shared.credits:  # what is in flight belongs to the cost, and must not lose its source
        for _ in range(WINDOW):
            credit.acquire(timeout=2.0)
    shared.tell(_Produced(frames=number, cpu_s=cpu_s(os.getpid(), *setup.helpers) - before_s))
    os._exit(0)


def _consume(transport: Transport, shared: _Shared, index: int, looked_at_bytes: int | None) -> None:
    transport.open_consumer(index)
    shared.ready.release()
    shared.go.wait()
    late_us: list[float] = []
    wrong, first_ns, last_ns, before_s = 0, 0, 0, time.process_time()
    silent = 0
    while silent < 20 and (shared.last.value < 0 or len(late_us) <= shared.last.value):
        got = transport.receive(0.25)
        if got is None:
            silent += 1
            continue
        silent = 0
        number, sent_ns, pixels = got
        pixels[:looked_at_bytes:PAGE_BYTES].sum()  # as who looks at it
        is_right = int(pixels[:8].view(np.uint64)[0]) == number
        del got, pixels
        is_right &= transport.done()
        if number >= WARM:
            shared.warm[index] = 1
            before_s = time.process_time()
            continue
        last_ns = _boot_ns()
        first_ns = first_ns or last_ns
        late_us.append((last_ns - sent_ns) / 1e3)
        wrong += not is_right
        shared.credits[index].release()
    used_s = time.process_time() - before_s
    shared.tell(_Consumed(late_us=late_us, wrong=wrong, cpu_s=used_s, span_s=(last_ns - first_ns) / 1e9))
    os._exit(0)


def _boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
