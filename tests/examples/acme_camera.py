"""The package of a maker of industrial cameras, as their packages are: a device that fills buffers of its own.

Each picture tells its number: the first row's first four pixels, the lowest byte first.
"""

import queue
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE_HZ = 640, 512, 60
BUFFERS = 4


@dataclass
class Buffer:
    pixels: NDArray[np.uint8]
    timestamp_ns: int
    free: "queue.Queue[NDArray[np.uint8]]"

    def release(self) -> None:
        """Give the memory back to the device, which fills it again."""
        self.free.put(self.pixels)


class Device:
    def __init__(self, serial: str) -> None:
        self.width, self.height = WIDTH, HEIGHT
        self.serial = serial
        self.features: dict[str, object] = {}
        self._free: queue.Queue[NDArray[np.uint8]] = queue.Queue()
        for _ in range(BUFFERS):
            self._free.put(np.zeros((HEIGHT, WIDTH), np.uint8))
        self._full: queue.Queue[Buffer] = queue.Queue()
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def set(self, feature: str, value: object) -> None:
        self.features[feature] = value

    def start(self) -> None:
        self._thread.start()

    def wait(self, limit_ms: int) -> Buffer | None:
        try:
            return self._full.get(timeout=limit_ms / 1e3)
        except queue.Empty:
            return None

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._is_closed.wait(1 / RATE_HZ):
            try:
                pixels = self._free.get_nowait()
            except queue.Empty:
                continue  # as they do: without a buffer the picture is lost
            number += 1
            pixels[:] = 60
            pixels[100:200, number * 8 % 500 : number * 8 % 500 + 100] = 220
            pixels[0, :4] = list(number.to_bytes(4, "little"))
            self._full.put(Buffer(pixels, number * 1_000_000_000 // RATE_HZ, self._free))


def open_device(serial: str) -> Device:
    return Device(serial)
