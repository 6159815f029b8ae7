"""Ways to hand pictures from one process to others on the same machine: ours, and what a user would take instead."""

import functools
import mmap
import os
import shutil
import struct
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import zmq

import framebus
from benchmarks.goals import BARE_RING, FRIGATE_SHM, ICEORYX, IMAGEZMQ_PUB, IMAGEZMQ_REQ
from benchmarks.iceoryx import Iceoryx
from benchmarks.queued import FrigateShm, QueuedArrays
from benchmarks.seen import OURS, LeftOut
from benchmarks.transport import FORK, SLOTS, Got, Make, Setup, Transport
from framebus import FrameNotice, PixelFormat, RingWriter
from framebus.client import NoNewsError
from framebus.frame import U8
from framebus.place import Place
from framebus.transport import SocketBus
from framebus_services.dispatcher.proxy import Proxy

CAMERA = "bench"


class Framebus(Transport):
    """The public API: a writer of the ring that publishes notices to who hears them, the proxy, `framebus.frames`."""

    def __init__(self, setup: Setup, slots: int = SLOTS) -> None:
        super().__init__(setup)
        self._slots = slots

    def prepare(self) -> None:
        self.place = Place.at(self.setup.folder)
        ready = FORK.Event()
        self._proxy: BaseProcess = FORK.Process(target=_carry, args=(self.place, ready), daemon=True)
        self._proxy.start()
        ready.wait(10.0)
        assert self._proxy.pid is not None
        self.setup.helpers.append(self._proxy.pid)

    def clean_up(self) -> None:
        self._proxy.kill()
        self._proxy.join()
        shutil.rmtree(self.place.shm, ignore_errors=True)

    def open_producer(self) -> None:
        self._bus = SocketBus(f"capture@{CAMERA}", place=self.place)
        height, width = self.setup.shape[:2]
        self._ring = RingWriter.create(
            self.place.shm / f"{CAMERA}.{self._bus.epoch}.ring",
            width=width,
            height=height,
            pixel_format=PixelFormat.BGR24 if len(self.setup.shape) == 3 else PixelFormat.GRAY8,
            slots=self._slots,
            epoch=self._bus.epoch,
        )

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        ring, at_s = self._ring, time.time()
        in_ring = ring.write(frame, pts_us=number, captured_at_s=at_s, captured_boot_ns=boot_ns)
        height, width = frame.shape[:2]
        self._bus.publish(
            FrameNotice(
                camera=CAMERA,
                ring=str(ring.path),
                slot=in_ring % self._slots,
                number=in_ring,
                ring_epoch=ring.epoch,
                width=width,
                height=height,
                format=PixelFormat.BGR24 if frame.ndim == 3 else PixelFormat.GRAY8,
                pts_us=number,
                captured_at_s=at_s,
                captured_up_s=boot_ns / 1e9,
            )
        )
        self._bus.turn(0.0)

    def open_consumer(self, index: int) -> None:
        self._frames = framebus.frames(CAMERA, every=True, run=self.setup.folder, timeout_s=5.0)

    def receive(self, timeout_s: float) -> Got | None:
        try:
            self._frame = next(self._frames)
        except (NoNewsError, StopIteration):
            return None
        return self._frame.pts_us, self._frame.captured_boot_ns, self._frame.payload

    def done(self) -> bool:
        return self._frame.still_valid()


def _carry(place: Place, ready: Any) -> None:
    proxy = Proxy(place)
    ready.set()
    while proxy.is_alive:
        time.sleep(3_600.0)


_HEAD = struct.Struct("<QQ")


class PubSub(Transport):
    """pyzmq as its documentation shows it for arrays: no copies but those into and out of the kernel."""

    def open_producer(self) -> None:
        self._socket = self._made(zmq.PUB)
        self._socket.bind(f"ipc://{self.setup.folder}/frames")

    def open_consumer(self, index: int) -> None:
        self._socket = self._made(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(f"ipc://{self.setup.folder}/frames")

    def _made(self, kind: int) -> zmq.Socket[bytes]:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        made = context.socket(kind)
        made.set_hwm(1_000)  # what is in flight is bounded by the window; a low mark loses frames of a burst
        made.setsockopt(zmq.LINGER, 0)
        return made

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        self._socket.send(_HEAD.pack(number, boot_ns), zmq.SNDMORE)
        self._socket.send(frame.data, copy=False)

    def receive(self, timeout_s: float) -> Got | None:
        if not self._socket.poll(round(timeout_s * 1_000)):
            return None
        number, boot_ns = _HEAD.unpack(self._socket.recv())
        return number, boot_ns, np.frombuffer(self._socket.recv(copy=False).buffer, np.uint8)


class BareRing(PubSub):
    """The limit: shared memory mapped once, one copy, a notice of 16 bytes without a proxy, nothing checked."""

    def prepare(self) -> None:
        self._path = Path("/dev/shm") / f"bare-ring-{os.getpid()}-{self.setup.port}"
        with self._path.open("wb") as file:
            file.truncate(self.setup.size_bytes * SLOTS)

    def clean_up(self) -> None:
        self._path.unlink()

    def open_producer(self) -> None:
        super().open_producer()
        self._map()

    def open_consumer(self, index: int) -> None:
        super().open_consumer(index)
        self._map()

    def _map(self) -> None:
        with self._path.open("r+b") as file:
            mapped = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._ring = np.frombuffer(mapped, np.uint8).reshape(SLOTS, *self.setup.shape)

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        np.copyto(self._ring[number % SLOTS], frame)
        self._socket.send(_HEAD.pack(number, boot_ns))

    def receive(self, timeout_s: float) -> Got | None:
        if not self._socket.poll(round(timeout_s * 1_000)):
            return None
        number, boot_ns = _HEAD.unpack(self._socket.recv())
        return number, boot_ns, self._ring[number % SLOTS].reshape(-1)


class ImageZmq(Transport):
    """imagezmq: whole pictures over TCP."""

    def __init__(self, setup: Setup, *, is_req_rep: bool) -> None:
        super().__init__(setup)
        self._is_req_rep = is_req_rep
        try:
            import imagezmq
        except ImportError:
            raise LeftOut("pip install imagezmq") from None
        self._package = imagezmq

    def open_producer(self) -> None:
        # REQ connects to its hub; PUB binds.
        to = f"tcp://127.0.0.1:{self.setup.port}"
        self._sender = self._package.ImageSender(to, REQ_REP=self._is_req_rep)

    def open_consumer(self, index: int) -> None:
        self._hub = self._package.ImageHub(f"tcp://127.0.0.1:{self.setup.port}", REQ_REP=self._is_req_rep)

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        self._sender.send_image(f"{number} {boot_ns}", frame)

    def receive(self, timeout_s: float) -> Got | None:
        if not self._hub.zmq_socket.poll(round(timeout_s * 1_000)):
            return None
        text, image = self._hub.recv_image()
        if self._is_req_rep:
            self._hub.send_reply(b"OK")
        number, boot_ns = text.split()
        return int(number), int(boot_ns), image.reshape(-1)


ARRAYS_IN_ZMQ, ARRAYS_IN_QUEUE = "pyzmq PUB/SUB, copy=False", "mp.Queue with arrays"

TRANSPORTS: dict[str, Make] = {
    OURS: Framebus,
    BARE_RING: BareRing,
    ICEORYX: Iceoryx,
    IMAGEZMQ_REQ: functools.partial(ImageZmq, is_req_rep=True),
    IMAGEZMQ_PUB: functools.partial(ImageZmq, is_req_rep=False),
    FRIGATE_SHM: FrigateShm,
    ARRAYS_IN_ZMQ: PubSub,
    ARRAYS_IN_QUEUE: QueuedArrays,
}
