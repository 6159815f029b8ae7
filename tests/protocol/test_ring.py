"""The ring: its bytes, its promises to readers, its trouble with memory; real writer processes where it matters.

`FRAMEBUS_NIGHT=1` runs the long trials.
"""

import os
import random
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from framebus import futex
from framebus.frame import Frame, PixelFormat
from framebus.ring import RingFormatError, RingReader, RingSpaceError, RingWriter, newest_ring, sweep_rings

IS_NIGHT = os.environ.get("FRAMEBUS_NIGHT") == "1"
DELIVERED = {  # of each size, 4 KiB, 64 KiB and 1080p
    (64, 64): 1_000_000 if IS_NIGHT else 10_000,
    (256, 256): 1_000_000 if IS_NIGHT else 10_000,
    (1920, 1080): 1_000_000 if IS_NIGHT else 200,
}
DEADLINE_S = 1_200.0 if IS_NIGHT else 60.0
NIGHT_S = 1_500
LONG_S = 30.0
KILLS = 1_000 if IS_NIGHT else 30

# Fills each frame with a word made from its number, as fast as it can, until `last` or for ever (0).
WRITER = """
import sys
from pathlib import Path
import numpy as np
from framebus.frame import PixelFormat
from framebus.ring import RingWriter

path, width, height, last, checksum = Path(sys.argv[1]), *map(int, sys.argv[2:])
writer = RingWriter.create(path, width=width, height=height, pixel_format=PixelFormat.GRAY8, epoch=1,
                           checksum=bool(checksum))
source = np.empty(width * height // 8, np.uint64)
print("ready", flush=True)
while writer.newest != last or last == 0:
    number = writer.newest + 1
    slot = writer.begin()
    slot.payload.view(np.uint64)[:] = number * 0x9E3779B97F4A7C15 % 2**64
    writer.commit(slot, pts_us=number, captured_at_s=number / 2, captured_boot_ns=-number)
"""


@pytest.fixture
def shm(tmp_path: Path) -> Iterator[Path]:
    """A folder in shared memory, or in the temporary folder where there is none."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    folder = Path("/dev/shm") / f"framebus-test-{os.getpid()}-{tmp_path.name}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@contextmanager
def writing(
    path: Path, *, width: int, height: int, last: int = 0, checksum: bool = False
) -> Iterator[subprocess.Popen]:
    arguments = [str(path), str(width), str(height), str(last), str(int(checksum))]
    with subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            yield child
        finally:
            child.kill()


def write(writer: RingWriter, value: int = 0) -> int:
    picture = np.full(writer.begin().payload.size, value, np.uint8)
    return writer.write(picture, pts_us=value, captured_at_s=value / 2, captured_boot_ns=value)


def is_whole(frame: Frame) -> bool:
    """Whether every byte and every field is the one its number asks for."""
    words = frame.payload.view(np.uint64)
    expected = np.uint64(frame.number * 0x9E3779B97F4A7C15 % 2**64)
    times = (frame.pts_us, frame.captured_at_s, frame.captured_boot_ns)
    return bool((words == expected).all()) and times == (frame.number, frame.number / 2, -frame.number)


def wait_for_frame(reader: RingReader, after: int) -> int:
    deadline = time.monotonic() + LONG_S
    while not reader.wait(after, LONG_S):
        assert time.monotonic() < deadline
    return reader.newest


def sleepers_at(reader: RingReader) -> int:
    """How many threads of this process sleep at the ring."""
    assert reader._mapping is not None
    address = hex(reader._mapping.newest_address)
    calls = [path.read_text().split() for path in Path("/proc/self/task").glob("*/syscall")]
    return sum(address in call for call in calls)


def await_sleeper(reader: RingReader) -> None:
    deadline = time.monotonic() + LONG_S
    while not sleepers_at(reader) and time.monotonic() < deadline:
        pass


def write_when_asleep(writer: RingWriter, reader: RingReader) -> int:
    await_sleeper(reader)
    return write(writer)


def kill_when_asleep(reader: RingReader) -> None:
    await_sleeper(reader)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


@contextmanager
def handled(number: int, handler: Callable[..., None]) -> Iterator[None]:
    """A signal that has this handler for a while."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def mappings_of(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


def test_the_bytes_of_a_ring_are_those_of_the_specification(shm: Path) -> None:
    path = shm / "front.5.ring"
    payload = bytes(range(1, 13))

    with RingWriter.create(path, width=4, height=2, slots=4, epoch=5, checksum=True) as writer:
        for number in range(1, 7):
            writer.write(payload, pts_us=-number, captured_at_s=number + 0.25, captured_boot_ns=number * 10)

    raw = path.read_bytes()
    assert len(raw) == 4096 + 4 * 4096
    assert raw[0:8] == b"FBRING1\x00"
    assert raw[8:12] == bytes([1, 0, 0, 0])  # version
    assert raw[12:16] == bytes([4, 0, 0, 0])  # slots
    assert raw[16:24] == bytes([0, 16, 0, 0, 0, 0, 0, 0])  # slot size
    assert raw[24:32] == bytes([5, 0, 0, 0, 0, 0, 0, 0])  # epoch
    assert raw[32:48] == bytes([4, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0])  # width, height, stride, format
    assert raw[48:56] == bytes([6, 0, 0, 0, 0, 0, 0, 0])  # newest
    assert raw[56:4096] == bytes(4040)
    slot = raw[4096 + 2 * 4096 : 4096 + 3 * 4096]  # of frames 2 and 6
    assert slot[0:8] == bytes([4, 0, 0, 0, 0, 0, 0, 0])  # sequence: written twice
    assert slot[8:16] == bytes([6, 0, 0, 0, 0, 0, 0, 0])  # number
    assert slot[16:24] == bytes([250, 255, 255, 255, 255, 255, 255, 255])  # pts_us
    assert slot[24:32] == bytes([0, 0, 0, 0, 0, 0, 0x19, 0x40])  # 6.25
    assert slot[32:40] == bytes([60, 0, 0, 0, 0, 0, 0, 0])
    assert slot[40:44] == bytes([12, 0, 0, 0])
    assert slot[44:48] == zlib.crc32(payload).to_bytes(4, "little")
    assert slot[48:64] == bytes(16)
    assert slot[64:76] == payload
    assert slot[76:] == bytes(4096 - 76)


def test_the_checksum_field_is_zero_where_the_checksum_is_off(shm: Path) -> None:
    path = shm / "front.1.ring"

    with RingWriter.create(path, width=4, height=2, epoch=1, checksum=False) as writer:
        write(writer, 7)

    assert path.read_bytes()[4096 + 4096 + 44 : 4096 + 4096 + 48] == bytes(4)


def test_a_reader_gets_what_was_written_with_number_epoch_and_times(shm: Path) -> None:
    path = shm / "front.9.ring"
    picture = np.arange(48 * 64 * 3, dtype=np.uint32).astype(np.uint8).reshape(48, 64, 3)

    with RingWriter.create(path, width=64, height=48, pixel_format=PixelFormat.BGR24, epoch=9) as writer:
        number = writer.write(picture, pts_us=40_000, captured_at_s=1_700_000_000.5, captured_boot_ns=123)
    with RingReader.open(path) as reader:
        frame = reader.read(number, camera="front")

    assert frame is not None
    assert (frame.camera, frame.number, frame.epoch, frame.missed) == ("front", 1, 9, 0)
    assert (frame.pts_us, frame.captured_at_s, frame.captured_boot_ns) == (40_000, 1_700_000_000.5, 123)
    assert (frame.width, frame.height, frame.pixel_format) == (64, 48, PixelFormat.BGR24)
    assert np.array_equal(frame.pixels, picture)


def test_planes_are_written_in_place_and_read_as_one_picture(shm: Path) -> None:
    path = shm / "front.1.ring"

    with RingWriter.create(path, width=8, height=4, epoch=1) as writer, RingReader.open(path) as reader:
        slot = writer.begin()
        y, u, v = slot.planes
        y[:], u[:], v[:] = 10, 20, 30
        writer.commit(slot, pts_us=0, captured_at_s=0.0, captured_boot_ns=0)
        frame = reader.latest()

    assert (y.shape, u.shape, v.shape) == ((4, 8), (2, 4), (2, 4))
    assert frame is not None
    assert frame.payload.tolist() == [10] * 32 + [20] * 8 + [30] * 8
    assert (frame.luma == 10).all()


def test_a_picture_with_gaps_between_its_rows_is_written_right(shm: Path) -> None:
    path = shm / "front.1.ring"
    wide = np.arange(4 * 100, dtype=np.uint16).reshape(4, 100)

    with RingWriter.create(path, width=8, height=4, pixel_format=PixelFormat.GRAY16, epoch=1) as writer:
        writer.write(wide[:, 10:18], pts_us=0, captured_at_s=0.0, captured_boot_ns=0)
    with RingReader.open(path) as reader:
        frame = reader.latest()

    assert frame is not None
    assert np.array_equal(frame.pixels, wide[:, 10:18])


@pytest.mark.parametrize("picture", [b"short", np.zeros((8, 6), np.uint8), np.zeros((6, 8), np.uint16)])
def test_a_picture_that_does_not_fit_is_refused_and_not_seen(shm: Path, picture: np.ndarray) -> None:
    with RingWriter.create(shm / "front.1.ring", width=8, height=4, epoch=1) as writer:
        with pytest.raises(ValueError, match="does not fit"):
            writer.write(picture, pts_us=0, captured_at_s=0.0, captured_boot_ns=0)

        assert writer.newest == 0


def test_a_frame_is_a_read_only_view_of_the_ring_without_a_copy(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1) as writer, RingReader.open(path) as reader:
        slot = writer.begin()
        writer.commit(slot, pts_us=0, captured_at_s=0.0, captured_boot_ns=0)
        frame, again = reader.read(1), reader.read(1)
        assert frame is not None
        assert again is not None

        slot.payload[:] = 77

        assert (frame.pixels == 77).all()
        assert np.shares_memory(frame.pixels, again.pixels)
        assert not frame.pixels.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            frame.pixels[0, 0] = 1


def test_an_empty_ring_has_no_frame(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1), RingReader.open(path) as reader:
        assert reader.newest == 0
        assert reader.latest() is None
        assert [reader.read(number) for number in (-1, 0, 1, 8, 2**70)] == [None] * 5


def test_a_reader_gets_the_frame_it_asked_for_or_nothing(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, slots=4, epoch=1) as writer, RingReader.open(path) as reader:
        for value in range(1, 11):
            write(writer, value)

        frames = [reader.read(number) for number in range(1, 13)]

    # Frame 7 lies in the slot that is written next, so it counts as gone.
    assert [frame and frame.pts_us for frame in frames] == [None] * 7 + [8, 9, 10] + [None] * 2


def test_a_slot_that_was_begun_and_never_committed_is_skipped(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, slots=4, epoch=1) as writer, RingReader.open(path) as reader:
        for value in range(1, 6):
            write(writer, value)

        writer.begin().payload[:] = 99

        frame = reader.latest()
        assert frame is not None
        assert frame.number == 5
        assert (frame.pixels == 5).all()
        assert reader.read(6) is None
        assert reader.read(2) is None  # the one that was in the begun slot


def test_a_slot_whose_sequence_is_odd_is_skipped_whatever_its_number_says(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1) as writer, RingReader.open(path) as reader:
        write(writer, 1)
        write(writer, 2)

        with path.open("r+b") as file:
            file.seek(4096 + 2 * 4096)
            file.write(b"\x03")

        assert reader.read(2) is None
        frame = reader.latest()
        assert frame is not None
        assert frame.number == 1


@pytest.mark.parametrize("has_futex", [True, False])
def test_who_waits_for_a_frame_has_it_when_it_is_written(
    shm: Path, monkeypatch: pytest.MonkeyPatch, has_futex: bool
) -> None:
    if not has_futex:
        monkeypatch.setattr(futex, "_call", None)
    path = shm / "front.1.ring"
    with (
        RingWriter.create(path, width=16, height=16, epoch=1) as writer,
        RingReader.open(path) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        for number in range(1, 20):
            waited = pool.submit(wait_for_frame, reader, number - 1)

            assert write(writer) == waited.result(LONG_S)


def test_a_process_that_may_only_read_is_woken_by_the_writer_of_another(shm: Path) -> None:
    path = shm / "front.1.ring"
    with writing(path, width=64, height=64, last=1_000), RingReader.open(path) as reader:
        number = 0
        while number < 1_000:
            number = wait_for_frame(reader, number)


@pytest.mark.parametrize("has_futex", [True, False])
def test_a_wait_without_a_frame_ends_at_its_limit(shm: Path, monkeypatch: pytest.MonkeyPatch, has_futex: bool) -> None:
    if not has_futex:
        monkeypatch.setattr(futex, "_call", None)
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=16, height=16, epoch=1) as writer, RingReader.open(path) as reader:
        write(writer)

        assert reader.wait(0, LONG_S), "it is there already"
        assert not any(reader.wait(1, limit_s) for limit_s in (-1.0, 0.0, 0.02))


def test_a_wait_lasts_to_its_limit_where_there_is_no_futex(shm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(futex, "_call", None)
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=16, height=16, epoch=1), RingReader.open(path) as reader:
        start_s = time.monotonic()
        reader.wait(0, 10 * futex.LOOK_S)

        assert time.monotonic() - start_s >= 10 * futex.LOOK_S


@pytest.mark.skipif(futex._call is None, reason="this system has no futex")
def test_a_wait_ends_when_the_writer_closes_the_ring(shm: Path) -> None:
    path = shm / "front.1.ring"
    writer = RingWriter.create(path, width=16, height=16, epoch=1)
    with RingReader.open(path) as reader, ThreadPoolExecutor(1) as pool:
        waited = pool.submit(reader.wait, 0, LONG_S)
        await_sleeper(reader)
        writer.close()

        assert waited.result(LONG_S / 2) is False


@pytest.mark.skipif(futex._call is None, reason="this system has no futex")
def test_a_signal_whose_handler_returns_does_not_end_a_wait(shm: Path) -> None:
    def write_later(*_: object) -> None:
        written.append(pool.submit(write_when_asleep, writer, reader))

    path = shm / "front.1.ring"
    written: list[Future[int]] = []
    with (
        handled(signal.SIGUSR1, write_later),
        RingWriter.create(path, width=16, height=16, epoch=1) as writer,
        RingReader.open(path) as reader,
        ThreadPoolExecutor(2) as pool,
    ):
        killed = pool.submit(kill_when_asleep, reader)
        has_come = reader.wait(0, LONG_S)
        killed.result(LONG_S)

        assert has_come
        assert [one.result(LONG_S) for one in written] == [1]


@pytest.mark.skipif(futex._call is None, reason="this system has no futex")
def test_a_signal_whose_handler_raises_ends_a_wait(shm: Path) -> None:
    class Interrupted(Exception): ...

    def interrupt(*_: object) -> None:
        raise Interrupted

    path = shm / "front.1.ring"
    with (
        handled(signal.SIGUSR1, interrupt),
        RingWriter.create(path, width=16, height=16, epoch=1),
        RingReader.open(path) as reader,
        ThreadPoolExecutor(1) as pool,
    ):
        killed = pool.submit(kill_when_asleep, reader)
        with pytest.raises(Interrupted):
            reader.wait(0, LONG_S)
        killed.result(LONG_S)


def test_begin_gives_the_same_slot_until_it_is_committed(shm: Path) -> None:
    with RingWriter.create(shm / "front.1.ring", width=8, height=4, epoch=1) as writer:
        first = writer.begin()
        again = writer.begin()
        number = writer.commit(again, pts_us=0, captured_at_s=0.0, captured_boot_ns=0)
        following = writer.begin()

        assert first is again
        assert number == 1
        assert following is not first
        with pytest.raises(ValueError, match="not begun"):
            writer.commit(first, pts_us=0, captured_at_s=0.0, captured_boot_ns=0)


def test_a_frame_stays_valid_until_the_writer_is_within_one_slot_of_it(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, slots=4, epoch=1) as writer, RingReader.open(path) as reader:
        write(writer, 1)
        frame = reader.read(1)
        assert frame is not None

        valid = []
        for value in range(2, 7):
            valid.append(frame.still_valid())
            write(writer, value)

        assert valid == [True, True, True, False, False]


def test_a_reader_stopped_in_mid_read_learns_that_its_pixels_are_no_longer_valid(shm: Path) -> None:
    path = shm / "front.1.ring"
    with writing(path, width=256, height=256), RingReader.open(path) as reader:
        frame = next_frame(reader)
        overwritten_at = frame.number + 3 * reader.slots

        wait_until_newest(reader, overwritten_at)

        assert not frame.still_valid()
        assert frame.copy() is None


def test_a_copy_outlives_the_slot(shm: Path) -> None:
    path = shm / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, slots=4, epoch=1) as writer, RingReader.open(path) as reader:
        write(writer, 1)
        frame = reader.read(1, camera="front")
        assert frame is not None
        frame.missed = 2

        own = frame.copy()
        for value in range(2, 12):
            write(writer, value)

        assert own is not None
        assert own.still_valid()
        assert (own.pixels == 1).all()
        assert (own.camera, own.number, own.missed) == ("front", 1, 2)


def test_a_payload_that_does_not_match_its_checksum_is_never_delivered(shm: Path) -> None:
    path = shm / "front.1.ring"
    with (
        RingWriter.create(path, width=8, height=4, epoch=1, checksum=True) as writer,
        RingReader.open(path) as reader,
    ):
        slot = writer.begin()
        slot.payload[:] = 5
        writer.commit(slot, pts_us=0, captured_at_s=0.0, captured_boot_ns=0)
        frame = reader.read(1)
        assert frame is not None
        assert frame.still_valid()

        slot.payload[-1] = 6  # as a machine that reorders stores may show it

        assert not frame.still_valid()
        assert frame.copy() is None
        assert reader.read(1) is None
        assert reader.latest() is None


@pytest.mark.parametrize("checksum", [False, True])
def test_no_frame_is_torn_or_wrong_beside_a_writer_at_full_speed(shm: Path, checksum: bool) -> None:
    path = shm / "front.1.ring"
    last = 10_000
    delivered = wrong = 0

    with writing(path, width=256, height=256, last=last, checksum=checksum), RingReader.open(path) as reader:
        deadline = time.monotonic() + 60
        number = 0
        while number != last and time.monotonic() < deadline:
            frame = reader.latest()
            if frame is None:
                continue
            looks_whole = is_whole(frame)
            if frame.still_valid():
                number = frame.number
                delivered += 1
                wrong += not looks_whole

    assert number == last
    assert delivered > 1
    assert wrong == 0


@pytest.mark.timeout(NIGHT_S if IS_NIGHT else 100)
@pytest.mark.parametrize(("width", "height", "wanted"), [(*size, wanted) for size, wanted in DELIVERED.items()])
def test_every_copy_delivered_beside_a_writer_at_full_speed_is_whole(
    shm: Path, width: int, height: int, wanted: int
) -> None:
    path = shm / "front.1.ring"
    numbers: set[int] = set()  # where both share one core, a turn of the reader sees the same few frames
    delivered = wrong = refused = 0

    with writing(path, width=width, height=height), RingReader.open(path) as reader:
        deadline = time.monotonic() + DEADLINE_S
        while (
            delivered < wanted or len(numbers) < min(wanted, 10_000) // 20 or refused == 0
        ) and time.monotonic() < deadline:
            # From the newest to the oldest within reach, which the writer overtakes most often.
            back = (delivered + refused) % (reader.slots - 1)
            frame = reader.read(reader.newest - back)
            own = frame and frame.copy()
            if own is None:
                refused += 1
            else:
                delivered += 1
                numbers.add(own.number)
                wrong += not is_whole(own)

    assert delivered >= wanted
    assert len(numbers) >= min(wanted, 10_000) // 20
    assert refused > 0
    assert wrong == 0


@pytest.mark.timeout(NIGHT_S if IS_NIGHT else 100)
def test_a_writer_killed_in_mid_copy_leaves_readers_the_frames_before(shm: Path) -> None:
    chance = random.Random(20)
    killed_in_mid_copy = 0

    for attempt in range(KILLS):
        path = shm / f"front.{attempt}.ring"
        with writing(path, width=1920, height=1080) as child, RingReader.open(path) as reader:
            wait_until_newest(reader, chance.randrange(1, 40))

            child.send_signal(signal.SIGKILL)
            child.wait(timeout=10)

            started_at = time.monotonic()
            newest = reader.newest
            frames = [reader.read(number) for number in range(newest - 8, newest + 9)]
            took_s = time.monotonic() - started_at
            whole = [frame for frame in frames if frame is not None]
            assert all(is_whole(frame) and frame.still_valid() for frame in whole)
            # Killed between its last two stores it would leave a frame nobody is told of: `newest` is the truth.
            assert [frame.number for frame in whole] == list(range(max(1, newest - 6), newest + 1))
            latest = reader.latest()
            assert latest is not None
            assert latest.number == newest
            assert took_s < 1.0, "nobody waits for the writer"
            sequences = path.read_bytes()[4096 :: (path.stat().st_size - 4096) // 8][:8]
            killed_in_mid_copy += any(low_byte % 2 for low_byte in sequences)
        path.unlink()

    assert killed_in_mid_copy > 0


def next_frame(reader: RingReader) -> Frame:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        frame = reader.latest()
        if frame is not None:
            return frame
    raise AssertionError("no frame came within 30 s")


def wait_until_newest(reader: RingReader, number: int) -> None:
    deadline = time.monotonic() + 30
    while reader.newest < number:
        assert time.monotonic() < deadline, f"frame {number} did not come within 30 s"


def test_the_file_is_for_its_owner_alone_and_so_is_the_folder_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "group" / "front.1.ring"

    with RingWriter.create(path, width=8, height=4, epoch=1) as writer:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]
        assert (writer.path, writer.epoch) == (path, 1)


def test_all_memory_is_reserved_when_the_ring_is_made(shm: Path) -> None:
    path = shm / "front.1.ring"

    with RingWriter.create(path, width=640, height=480, epoch=1) as writer:
        assert writer.size_bytes == 4096 + 8 * 462_848
        assert path.stat().st_size == writer.size_bytes
        assert path.stat().st_blocks * 512 >= writer.size_bytes


def test_a_ring_that_exists_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1) as first, RingReader.open(path) as reader:
        with pytest.raises(FileExistsError):
            RingWriter.create(path, width=8, height=4, epoch=1)

        write(first, 3)
        assert reader.newest == 1
        assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [(7, 4), (0, 4), (8, 20_000)])
def test_a_ring_of_a_size_that_cannot_be_is_refused_and_leaves_nothing(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="size"):
        RingWriter.create(tmp_path / "front.1.ring", width=size[0], height=size[1], epoch=1)

    assert list(tmp_path.iterdir()) == []


def test_a_ring_of_three_slots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 4"):
        RingWriter.create(tmp_path / "front.1.ring", width=8, height=4, slots=3, epoch=1)


def test_a_full_shared_memory_is_an_error_with_both_sizes_and_leaves_no_file(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        with pytest.raises(RingSpaceError) as caught:
            RingWriter.create(folder / "front.1.ring", width=640, height=480, epoch=1)

        assert caught.value.needed_bytes == 3_706_880
        assert caught.value.free_bytes == 1_048_576
        assert "3706880" in str(caught.value)
        assert "1048576" in str(caught.value)
        assert list(folder.iterdir()) == []
        with RingWriter.create(folder / "front.2.ring", width=64, height=48, epoch=2) as writer:
            assert write(writer, 1) == 1
    finally:
        subprocess.run(["umount", folder], check=True)


ASKING = """
import sys
from pathlib import Path
from framebus.frame import PixelFormat
from framebus.ring import RingSpaceError, RingWriter

try:
    RingWriter.create(Path(sys.argv[1]), width=4096, height=2048, pixel_format=PixelFormat.GRAY8, epoch=1)
except RingSpaceError as error:
    print(error.needed_bytes, error.free_bytes)
    sys.exit(78)
"""


def test_a_ring_of_64_mb_in_shared_memory_of_32_mb_ends_with_an_exit_code_and_both_sizes_and_no_signal(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs, which takes root: {mounted.stderr.strip()}")
    try:
        command = [sys.executable, "-c", ASKING, str(folder / "front.1.ring")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

        assert done.returncode == 78  # a signal would be negative
        needed_bytes, free_bytes = map(int, done.stdout.split())
        assert needed_bytes > 64 * 1024 * 1024
        assert free_bytes == 32 * 1024 * 1024
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_ring_greater_than_all_shared_memory_is_refused_at_once(shm: Path) -> None:
    state = os.statvfs(shm)
    total_bytes = state.f_blocks * state.f_frsize
    if total_bytes == 0 or shm.parent != Path("/dev/shm"):
        pytest.skip("shared memory has no limit here")

    with pytest.raises(RingSpaceError) as caught:
        RingWriter.create(shm / "front.1.ring", width=8, height=4, slots=total_bytes // 4096 + 1, epoch=1)

    assert caught.value.needed_bytes == 4096 + (total_bytes // 4096 + 1) * 4096
    assert 0 <= caught.value.free_bytes <= total_bytes
    assert list(shm.iterdir()) == []


def damaged(path: Path, offset: int, value: bytes) -> Path:
    with RingWriter.create(path, width=8, height=4, epoch=1):
        pass
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(value)
    return path


@pytest.mark.parametrize(
    ("offset", "value", "reason"),
    [
        (0, b"RIFF", "magic"),
        (8, struct.pack("<I", 2), "version 2"),
        (12, struct.pack("<I", 3), "3 slots"),
        (12, struct.pack("<I", 9), "its header needs 40960"),
        (16, struct.pack("<Q", 64), "slot size 64"),
        (32, struct.pack("<I", 7), "size 7x4"),
        (40, struct.pack("<I", 16), "stride 16"),
        (44, struct.pack("<I", 77), "77"),
    ],
)
def test_a_file_that_is_no_ring_is_refused_with_the_reason(
    tmp_path: Path, offset: int, value: bytes, reason: str
) -> None:
    path = damaged(tmp_path / "front.1.ring", offset, value)

    with pytest.raises(RingFormatError, match=reason):
        RingReader.open(path)


@pytest.mark.parametrize("size_bytes", [0, 100, 4096, 4096 + 8 * 4096 - 1])
def test_a_file_that_is_too_short_is_refused(tmp_path: Path, size_bytes: int) -> None:
    path = damaged(tmp_path / "front.1.ring", 0, b"")
    os.truncate(path, size_bytes)

    with pytest.raises(RingFormatError, match=f"{size_bytes} bytes"):
        RingReader.open(path)


def test_a_ring_that_went_away_is_not_found(tmp_path: Path) -> None:
    path = tmp_path / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1) as writer:
        writer.unlink()
        writer.unlink()

    with pytest.raises(FileNotFoundError):
        RingReader.open(path)


def test_a_reader_goes_on_with_a_ring_that_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1) as writer, RingReader.open(path) as reader:
        writer.unlink()
        write(writer, 4)

        frame = reader.latest()

        assert frame is not None
        assert (frame.pixels == 4).all()


def test_closing_beside_living_frames_is_harmless_and_leaks_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "front.1.ring"
    writer = RingWriter.create(path, width=8, height=4, epoch=1)
    reader = RingReader.open(path)
    write(writer, 3)
    frame = reader.latest()
    assert frame is not None
    pixels = frame.pixels

    reader.close()
    reader.close()
    writer.close()
    writer.close()

    assert (pixels == 3).all()
    assert frame.still_valid()
    assert mappings_of(path) == 1
    del frame
    assert (pixels == 3).all()
    del pixels
    assert mappings_of(path) == 0


def test_a_closed_ring_says_so(tmp_path: Path) -> None:
    path = tmp_path / "front.1.ring"
    writer = RingWriter.create(path, width=8, height=4, epoch=1)
    reader = RingReader.open(path)
    writer.close()
    reader.close()

    with pytest.raises(ValueError, match="closed"):
        writer.begin()
    with pytest.raises(ValueError, match="closed"):
        reader.latest()


def test_opening_many_times_leaks_no_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "front.1.ring"
    with RingWriter.create(path, width=8, height=4, epoch=1) as writer:
        write(writer, 3)
        before = len(os.listdir("/proc/self/fd"))

        for _ in range(50):
            with RingReader.open(path) as reader:
                reader.latest()

        assert len(os.listdir("/proc/self/fd")) == before


def test_a_newer_epoch_is_found_by_number_not_by_name(tmp_path: Path) -> None:
    for name in ("front.9.ring", "front.10.ring", "front.x.ring", "front_door.99.ring", ".front.11.ring.abc.tmp"):
        (tmp_path / name).touch()

    assert newest_ring(tmp_path, "front") == tmp_path / "front.10.ring"
    assert newest_ring(tmp_path, "back") is None
    assert newest_ring(tmp_path / "missing", "front") is None


def test_a_reader_of_the_old_ring_finds_the_one_of_a_restarted_writer(tmp_path: Path) -> None:
    with (
        RingWriter.create(tmp_path / "front.1.ring", width=8, height=4, epoch=1) as old,
        RingReader.open(tmp_path / "front.1.ring") as reader,
        RingWriter.create(tmp_path / "front.2.ring", width=16, height=8, epoch=2) as new,
    ):
        write(old, 1)
        write(new, 2)
        newest = newest_ring(tmp_path, "front")
        assert newest is not None
        assert newest != reader.path

        with RingReader.open(newest) as following:
            frame = following.latest()

    assert frame is not None
    assert (frame.epoch, frame.width, frame.pts_us) == (2, 16, 2)


def test_sweeping_removes_the_cameras_orphans_and_nothing_else(tmp_path: Path) -> None:
    for name in ("front.1.ring", "front.2.ring", "front.3.ring", ".front.4.ring.abc.tmp", "back.1.ring", "front.txt"):
        (tmp_path / name).touch()

    removed = sweep_rings(tmp_path, "front", keep=tmp_path / "front.3.ring")

    assert removed == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.1.ring", "front.3.ring", "front.txt"]
    assert sweep_rings(tmp_path, "front", keep=None) == 1
    assert sweep_rings(tmp_path / "missing", "front", keep=None) == 0
