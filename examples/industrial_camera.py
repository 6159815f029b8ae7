"""Shows an industrial camera (GenICam and the like) as a camera of framebus: a program of its own that writes the ring.

services:
  bench:
    command: [python3, industrial_camera.py]     # a python3 that has framebus, and the camera maker's package
    settings: {sdk: acme_camera, serial: "22813", exposure_us: 5000}

`sdk` is a module like those of the makers: `open_device(serial)` gives a device that fills buffers of its own in a
thread of its own. Adapt `Grabber` to yours; the rest stays. As a source plug-in this would be shorter, and recorded; a
program of its own is for what must not share a process with anything.
"""

import importlib
import threading
import time
from functools import partial
from typing import Annotated, Any

from msgspec import Meta, Struct

from framebus import Bus, CameraStatus, FrameNotice, PixelFormat, RingWriter, run
from framebus.messages import CameraState
from framebus.ring import sweep_rings

BEAT_S = 1.0
WAIT_MS = 200
SLOTS = 8


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sdk: str
    serial: str
    camera: str = "bench"
    exposure_us: Annotated[int, Meta(ge=10, le=10_000_000)] = 5_000


class Bench:
    """The service: a ring, the thread that fills it, and the camera's status once a second."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._settings = bus.settings(Settings)
        self._device: Any = importlib.import_module(self._settings.sdk).open_device(self._settings.serial)
        self._device.set("ExposureTime", self._settings.exposure_us)
        sweep_rings(bus.place.shm, self._settings.camera, None)  # of a life before that was killed
        self._ring = RingWriter.create(
            bus.place.shm / f"{self._settings.camera}.{bus.epoch}.ring",
            width=self._device.width,
            height=self._device.height,
            pixel_format=PixelFormat.GRAY8,  # BGR24, GRAY16 and BAYER_RGGB8 go as well
            slots=SLOTS,
            epoch=bus.epoch,  # greater in each life of this process
        )
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._grab, name="grabber", daemon=True)
        bus.every(BEAT_S, self._tell)
        self._thread.start()

    def is_healthy(self) -> bool:
        """The launcher starts the process again when this is False for some seconds."""
        return self._thread.is_alive()

    def stop(self) -> None:
        self._is_stopping.set()
        self._thread.join(2.0)
        self._device.close()
        self._ring.unlink()

    def _grab(self) -> None:
        self._device.start()
        while not self._is_stopping.is_set():
            buffer = self._device.wait(WAIT_MS)  # waits without the interpreter's lock, at most 200 ms
            if buffer is None:
                continue
            pts_us = buffer.timestamp_ns // 1_000  # the hardware's own clock
            at_s, boot_ns = time.time(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            number = self._ring.write(buffer.pixels, pts_us=pts_us, captured_at_s=at_s, captured_boot_ns=boot_ns)
            buffer.release()
            notice = FrameNotice(
                camera=self._settings.camera,
                ring=str(self._ring.path),
                slot=number % SLOTS,
                number=number,
                ring_epoch=self._ring.epoch,
                width=self._device.width,
                height=self._device.height,
                format=PixelFormat.GRAY8,
                pts_us=pts_us,
                captured_at_s=at_s,
                captured_up_s=boot_ns / 1e9,
            )
            self._bus.call_soon(partial(self._bus.publish, notice))  # the bus belongs to the other thread

    def _tell(self) -> None:
        self._bus.publish(
            CameraStatus(
                camera=self._settings.camera,
                state=CameraState.ONLINE if self._ring.newest else CameraState.CONNECTING,
                since_at_s=time.time(),
                source=self._settings.sdk,
                width=self._device.width,
                height=self._device.height,
                ring_bytes=self._ring.size_bytes,
            )
        )


if __name__ == "__main__":
    raise SystemExit(run("bench", Bench))
