"""iceoryx2 as a transport of pictures: lent memory, written once, and an event that wakes the reader."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np

from benchmarks.seen import LeftOut
from benchmarks.transport import SLOTS, Got, Setup, Transport
from framebus.frame import U8

HEAD_WORDS = 2  # number and time before the pixels
HEAD_BYTES = 8 * HEAD_WORDS


class Iceoryx(Transport):
    """Publish and subscribe of byte slices, with an event service beside it, as its examples do."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        try:
            import iceoryx2
        except ImportError:
            raise LeftOut("pip install iceoryx2") from None
        self._package = iceoryx2
        self._prefix = f"bench-{os.getpid()}-{setup.port}-"

    def clean_up(self) -> None:
        for path in Path("/dev/shm").glob(f"{self._prefix}*"):  # processes that are killed leave theirs
            path.unlink(missing_ok=True)

    def _open(self) -> None:
        package = self._package
        package.set_log_level(package.LogLevel.Error)
        config = package.config.default()
        config.global_cfg.prefix = package.FileName.new(self._prefix)
        config.global_cfg.root_path = package.Path.new(str(self.setup.folder))
        self._node = package.NodeBuilder.new().config(config).create(package.ServiceType.Ipc)
        named = self._node.service_builder(package.ServiceName.new("pictures"))
        self._pictures = (
            named.publish_subscribe(package.Slice[ctypes.c_uint8])
            .max_publishers(1)
            .max_subscribers(8)
            .subscriber_max_buffer_size(SLOTS)
            .subscriber_max_borrowed_samples(4)
            .enable_safe_overflow(True)
            .open_or_create()
        )
        self._events = self._node.service_builder(package.ServiceName.new("events")).event()
        self._events = self._events.open_or_create()

    def open_producer(self) -> None:
        self._open()
        size_bytes = self.setup.size_bytes + HEAD_BYTES
        self._publisher = self._pictures.publisher_builder().initial_max_slice_len(size_bytes).create()
        self._notifier = self._events.notifier_builder().create()

    def open_consumer(self, index: int) -> None:
        self._open()
        self._subscriber = self._pictures.subscriber_builder().create()
        self._listener = self._events.listener_builder().create()

    def send(self, frame: U8, number: int, boot_ns: int) -> None:
        sample = self._publisher.loan_slice_uninit(self.setup.size_bytes + HEAD_BYTES)
        address = ctypes.cast(sample.payload().as_ptr(), ctypes.c_void_p).value
        assert address is not None
        (ctypes.c_uint64 * HEAD_WORDS).from_address(address)[:] = [number, boot_ns]
        ctypes.memmove(address + HEAD_BYTES, frame.ctypes.data, self.setup.size_bytes)
        sample.assume_init().send()
        self._notifier.notify()

    def receive(self, timeout_s: float) -> Got | None:
        end_s = time.monotonic() + timeout_s
        while (sample := self._subscriber.receive()) is None:
            left_s = end_s - time.monotonic()
            if left_s <= 0.0:
                return None
            self._listener.timed_wait(self._package.Duration.from_millis(max(1, round(left_s * 1_000))))
        self._sample = sample
        payload = sample.payload()
        address = ctypes.cast(payload.as_ptr(), ctypes.c_void_p).value
        assert address is not None
        data = np.frombuffer((ctypes.c_uint8 * payload.len()).from_address(address), np.uint8)
        number, boot_ns = data[:HEAD_BYTES].view(np.uint64).tolist()
        return number, boot_ns, data[HEAD_BYTES:]

    def done(self) -> bool:
        self._sample.delete()
        return True
