"""The reader's thread: that it is watched, tries again, and ends."""

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from framebus.addresses import parse_address
from framebus.clock import SystemClock
from framebus.testing import FakeClock
from framebus_services.capture.reader import Phase, Reader
from framebus_services.capture.source import FileSource
from media import make_video

LIMIT_S = 5.0


class Hanging:
    """A connection that hangs until it is let go."""

    def __init__(self) -> None:
        self.is_begun = threading.Event()
        self.is_let_go = threading.Event()

    def __call__(self, *_: object) -> Any:
        self.is_begun.set()
        self.is_let_go.wait(LIMIT_S)
        raise ConnectionRefusedError(111, "Connection refused")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.is_let_go.set()


def reader(connect: Any, clock: Any, on_change: Any = lambda: None, sinks: Any = (), **more: Any) -> Reader:
    return Reader(parse_address("rtsp://10.0.0.5/1"), connect, sinks, clock, on_change, **more)


def test_a_reader_that_is_stuck_is_not_healthy_and_says_once_where(
    hanging: Hanging, caplog: pytest.LogCaptureFixture
) -> None:
    awake = FakeClock()
    stuck = reader(hanging, FakeClock(), awake_s=awake.boot_s)
    stuck.start()
    assert hanging.is_begun.wait(LIMIT_S)
    assert stuck.is_healthy()

    awake.advance(58.0)

    assert not stuck.is_healthy()
    assert not stuck.is_healthy()
    (told,) = [record.getMessage() for record in caplog.records if "stuck at" in record.getMessage()]
    assert "threading.py:" in told
    hanging.is_let_go.set()
    stuck.stop(LIMIT_S)


def test_a_machine_that_slept_has_no_stuck_reader(hanging: Hanging) -> None:
    clock = FakeClock()
    slept = reader(hanging, clock)
    slept.start()
    assert hanging.is_begun.wait(LIMIT_S)

    clock.advance(8 * 3_600.0)  # boot time counts sleep

    assert slept.is_healthy()
    hanging.is_let_go.set()
    slept.stop(LIMIT_S)


class Repairing:
    """A sink that repairs something big before the first connection: a step of 100 s whenever it is told to."""

    def __init__(self, awake: FakeClock) -> None:
        self._awake = awake
        self.steps = 0
        self.has_stepped = threading.Barrier(2, timeout=LIMIT_S)

    def open(self, beat: Callable[[], None]) -> None:
        for _ in range(3):
            self._awake.advance(100.0)
            beat()
            self.has_stepped.wait()
            self.has_stepped.wait()

    def end(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_long_repair_that_gets_on_is_not_stuck(hanging: Hanging) -> None:
    awake = FakeClock()
    repairing = Repairing(awake)
    hanging.is_let_go.set()
    busy = reader(hanging, FakeClock(), sinks=[repairing], awake_s=awake.boot_s)

    busy.start()

    for _ in range(3):
        repairing.has_stepped.wait()
        assert busy.is_healthy()
        repairing.has_stepped.wait()
    busy.stop(LIMIT_S)


def test_a_source_whose_texts_can_not_be_decoded_is_down_with_a_cause_and_tried_again() -> None:
    changed = threading.Event()

    def fail(*_: object) -> Any:
        raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid continuation byte")

    garbled = reader(fail, SystemClock(), changed.set)
    garbled.start()

    assert changed.wait(LIMIT_S)
    assert garbled.link.trouble is not None
    assert garbled.link.retry_at_s is not None
    assert garbled.is_healthy()
    garbled.stop(LIMIT_S)


def test_a_file_with_a_title_in_latin_1_is_played(tmp_path: Path) -> None:
    whole, garbled = tmp_path / "whole.mkv", tmp_path / "garbled.mkv"
    with av.open(str(whole), "w") as container:
        container.metadata["title"] = "Cafeteria"
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    garbled.write_bytes(whole.read_bytes().replace(b"Cafeteria", b"Caf\xe9teria"))

    source = FileSource(parse_address(f"file://{garbled}"), FakeClock(), lambda _: False)

    assert next(source.items()).is_keyframe
    source.close()


def test_a_file_that_was_cut_behind_its_key_frame_is_played_again_and_again(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    make_video(whole, seconds=2.0)
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if packet.dts is not None and 3 <= number < 15:
                packet.stream = stream
                target.mux(packet)
    file = FileSource(parse_address(f"file://{cut}"), FakeClock(), lambda _: False)

    times = [packet.dts for packet in islice(file.items(), 30) if packet.dts is not None]

    file.close()
    assert len(times) == 30
    assert times == sorted(set(times))


def test_a_bare_stream_is_played_at_its_own_pace_again_and_again(tmp_path: Path) -> None:
    bare = tmp_path / "bare.h264"
    make_video(bare, seconds=1.0, fps=10)
    clock = FakeClock()

    def wait(seconds: float) -> bool:
        clock.advance(seconds)
        return False

    file, begun_s = FileSource(parse_address(f"file://{bare}"), clock, wait), clock.boot_s()
    times_s = [float(packet.dts * packet.time_base) for packet in islice(file.items(), 21) if packet.dts is not None]

    file.close()
    assert times_s == pytest.approx([0.1 * number for number in range(21)])
    assert clock.boot_s() - begun_s == pytest.approx(2.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_died_is_not_healthy() -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a fault of ours")

    dead = reader(fail, SystemClock())
    dead.start()
    dead._thread.join(LIMIT_S)

    assert not dead.is_healthy()


def test_a_failed_connection_is_told_with_its_cause_and_stopping_does_not_wait_for_the_next(hanging: Hanging) -> None:
    changed = threading.Event()
    refused = reader(hanging, SystemClock(), changed.set)
    hanging.is_let_go.set()

    refused.start()

    assert changed.wait(LIMIT_S)
    assert refused.link.phase is Phase.DOWN
    assert refused.link.trouble is not None
    assert refused.link.trouble.cause == "refused"
    refused.stop(LIMIT_S)
    assert not refused._thread.is_alive()
