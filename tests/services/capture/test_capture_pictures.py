"""What is decoded arrives in the ring: the right pictures, at the right rate, in the right size."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from capture_rig import CAMERA, Played

from framebus.messages import FrameNotice
from framebus.ring import RingReader, newest_ring
from framebus.settings import Detect
from framebus_services.capture.pictures import Pictures
from media import frame_number, frames_of, make_video


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.mp4"
    make_video(path, seconds=3.0, b_frames=2)
    return path


class Shown:
    """Plays files into `Pictures`, and reads each picture from the ring as soon as it is announced."""

    def __init__(self, shm: Path, detect: Detect) -> None:
        self.notices: list[FrameNotice] = []
        self.numbers: list[int] = []
        self.latencies: list[float] = []
        self._shm, self._detect = shm, detect
        self.pictures: Any = None

    def play(self, movie: Path, change: Any = None) -> None:
        played = Played(movie)
        if self.pictures is None:
            self.pictures = Pictures(CAMERA, self._detect, self._shm, 7, played.clock, self._note)
        self.pictures.begin(played)
        for number, packet in enumerate(played.packets()):
            if change is None or change(number, packet) is not None:
                self.pictures.take(packet, played.arrival())
        self.pictures.end()
        played.close()

    def _note(self, notice: FrameNotice, latency_s: float) -> None:
        with RingReader.open(Path(notice.ring)) as ring:
            frame = ring.read(notice.number)
            assert frame is not None
            assert (frame.width, frame.height, frame.epoch) == (notice.width, notice.height, notice.ring_epoch)
            assert notice.slot == notice.number % ring.slots
            self.numbers.append(frame_number(frame.luma))
        self.notices.append(notice)
        self.latencies.append(latency_s)


def test_every_frame_is_in_the_ring_under_its_own_time_when_all_are_wanted(tmp_path: Path, movie: Path) -> None:
    shown = Shown(tmp_path / "shm", Detect(fps=10.0))

    shown.play(movie)

    assert shown.numbers == frames_of(movie) == list(range(30))
    assert [notice.number for notice in shown.notices] == list(range(1, 31))
    assert [notice.pts_us for notice in shown.notices] == [number * 100_000 for number in range(30)]


def test_only_the_wanted_rate_is_converted(tmp_path: Path, movie: Path) -> None:
    shown = Shown(tmp_path / "shm", Detect(fps=2.0))

    shown.play(movie)

    assert shown.numbers == [0, 5, 10, 15, 20, 25]
    assert shown.pictures.tally["frames"] == 30


def test_pictures_are_scaled_to_the_wanted_size(tmp_path: Path, movie: Path) -> None:
    shown = Shown(tmp_path / "shm", Detect(fps=10.0, width=160))

    shown.play(movie)

    assert {(notice.width, notice.height) for notice in shown.notices} == {(160, 120)}
    assert shown.numbers == list(range(30))


def test_captured_at_is_when_the_packet_came_though_b_frames_come_out_later(tmp_path: Path, movie: Path) -> None:
    shown = Shown(tmp_path / "shm", Detect(fps=10.0))

    shown.play(movie)

    up_s = [notice.captured_up_s for notice in shown.notices]
    assert up_s == sorted(up_s)
    assert max(shown.latencies) == pytest.approx(0.2)


def test_a_new_size_is_a_new_ring_with_a_higher_epoch_and_the_old_file_goes(tmp_path: Path, movie: Path) -> None:
    larger = tmp_path / "larger.mp4"
    make_video(larger, seconds=1.0, width=640, height=480)
    shown = Shown(tmp_path / "shm", Detect(fps=10.0))

    shown.play(movie)
    shown.play(larger)

    assert [notice.ring_epoch for notice in shown.notices] == [7] * 30 + [8] * 10
    assert {(notice.width, notice.height) for notice in shown.notices[30:]} == {(640, 480)}
    assert [path.name for path in (tmp_path / "shm").iterdir()] == [f"{CAMERA}.8.ring"]


def test_the_ring_is_removed_at_the_end(tmp_path: Path, movie: Path) -> None:
    shown = Shown(tmp_path / "shm", Detect())
    shown.play(movie)

    shown.pictures.close()

    assert newest_ring(tmp_path / "shm", CAMERA) is None


def test_broken_packets_are_counted_and_stop_nothing(tmp_path: Path, movie: Path) -> None:
    shown = Shown(tmp_path / "shm", Detect(fps=10.0))

    shown.play(movie, lambda number, packet: None if number in (3, 4, 5) else packet)

    assert len(shown.numbers) >= 20
    assert shown.numbers[-1] == 29


def test_who_falls_behind_leaves_out_groups_of_pictures_and_says_so(tmp_path: Path) -> None:
    movie = tmp_path / "long.mp4"
    make_video(movie, seconds=12.0)
    shown = Shown(tmp_path / "shm", Detect(fps=10.0))
    played = Played(movie)
    pictures = Pictures(CAMERA, Detect(fps=10.0), tmp_path / "shm", 7, played.clock, shown._note)
    pictures.begin(played)

    for number, packet in enumerate(played.packets()):
        if number == 35:
            played.clock.advance(5.0)  # the process was held up, and the packets waited
        pictures.take(packet, played.arrival())

    assert pictures.tally["dropped.late"] > 0
    assert shown.numbers[-1] == 119
    pictures.close()
    played.close()


@pytest.fixture
def small_memory(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "memory"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system of its own can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_without_room_for_the_ring_the_trouble_names_needed_and_free_bytes(small_memory: Path, movie: Path) -> None:
    shown = Shown(small_memory, Detect())

    shown.play(movie)

    assert shown.notices == []
    assert shown.pictures.trouble.cause == "no_space"
    assert "262144 are free" in shown.pictures.trouble.detail
    assert "detect.width" in shown.pictures.trouble.detail
    assert shown.pictures.tally["dropped.no_ring"] > 0
