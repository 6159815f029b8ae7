"""What goes into the recorder is on disk, in segments with the right names, whatever happens."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import capture_rig
import pytest
from capture_rig import CAMERA, Played, make_recorder, record

from framebus.recordings import list_segments, parse_segment
from framebus.testing import FakeClock
from framebus_services.capture.salvage import MAX_TRIES
from framebus_services.video.mp4 import Mp4Writer, UnsupportedError
from media import frames_of, make_video, packets_of

GROUPS = [
    (fps, gop_frames, b_frames) for fps in (5, 12, 15, 25) for gop_frames in (7, 13, 25) for b_frames in (1, 2, 3)
]
"""streams whose last picture of a segment comes now before, now after the border of a fragment"""


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    make_video(path, seconds=6.0)
    return path


def paths(data: Path, closed: list[Any]) -> list[Path]:
    return [data / segment.path for segment in closed]


def no_beat() -> None:
    pass


def spans(closed: list[Any], start_s: float) -> list[tuple[float, float]]:
    """Start after `start_s`, and duration, of each segment."""
    return [(round(segment.start_at_s - start_s, 3), segment.duration_s) for segment in closed]


def boxes(path: Path) -> list[bytes]:
    """The kinds of a file's outer boxes."""
    data, at, kinds = path.read_bytes(), 0, []
    while at < len(data):
        kinds.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return kinds


@pytest.mark.parametrize(("b_frames", "audio"), [(0, False), (2, False), (0, True), (2, True)])
def test_every_packet_of_the_camera_is_in_the_segments_unchanged(tmp_path: Path, b_frames: int, audio: bool) -> None:
    movie = tmp_path / "movie.mp4"
    make_video(movie, seconds=7.0, b_frames=b_frames, audio=audio)
    closed: list[Any] = []
    played = Played(movie)

    record(make_recorder(tmp_path, played.clock, closed), played)

    assert len(closed) >= 3
    assert [packet for path in paths(tmp_path, closed) for packet in packets_of(path)] == packets_of(movie)
    assert [number for path in paths(tmp_path, closed) for number in frames_of(path)] == list(range(70))


@pytest.mark.parametrize(("fps", "gop_frames", "b_frames"), GROUPS)
def test_no_picture_of_a_stream_with_b_frames_is_hidden(
    tmp_path: Path, fps: int, gop_frames: int, b_frames: int
) -> None:
    movie = tmp_path / "movie.mp4"
    make_video(movie, seconds=8.0, fps=fps, gop_frames=gop_frames, b_frames=b_frames, width=64, height=48)
    closed: list[Any] = []
    played = Played(movie)

    record(make_recorder(tmp_path, played.clock, closed), played)

    assert [number for path in paths(tmp_path, closed) for number in frames_of(path)] == list(range(8 * fps))


def test_segments_are_named_by_wall_time_and_follow_each_other_without_gap(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)
    start_s = played.clock.wall_s()

    record(make_recorder(tmp_path, played.clock, closed), played)

    assert spans(closed, start_s) == [(0.0, 2.0), (2.0, 2.0), (4.0, 2.0)]
    listed = list_segments(tmp_path, CAMERA, start_s, start_s + 10)
    assert [segment.path for segment in listed] == paths(tmp_path, closed)
    assert [segment.size_bytes for segment in closed] == [path.stat().st_size for path in paths(tmp_path, closed)]


def test_from_one_segment_to_the_next_it_is_recording_all_the_while(tmp_path: Path, movie: Path) -> None:
    told: list[bool] = []

    class Closed(list[Any]):
        def append(self, _: object) -> None:
            told.append(recorder.is_recording)

    played = Played(movie)
    recorder = make_recorder(tmp_path, played.clock, Closed())
    assert not recorder.is_recording

    record(recorder, played)

    assert told == [True, True, False]  # the last one closes as the connection ends
    assert not recorder.is_recording


def test_a_closed_segment_has_an_index_begins_at_zero_and_knows_its_length(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)
    record(make_recorder(tmp_path, played.clock, closed), played)

    with av.open(str(paths(tmp_path, closed)[1])) as container:
        assert container.streams.video[0].frames == 20
        assert container.start_time == 0
        assert container.duration == 2_000_000
    assert boxes(paths(tmp_path, closed)[1]) == [b"ftyp", b"free", b"mdat", b"moov"]


def test_a_first_packet_that_was_late_does_not_shift_the_wall_time(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)
    start_s = played.clock.wall_s()
    recorder = make_recorder(tmp_path, played.clock, closed)
    recorder.begin(played)

    for number, packet in enumerate(played.packets()):
        arrival = played.arrival()
        late_s = 1.5 if number == 0 else 0.0
        recorder.take(packet, type(arrival)(arrival.wall_s + late_s, arrival.boot_s + late_s))
    recorder.end()

    assert closed[0].start_at_s == pytest.approx(start_s)


def test_the_open_segment_can_be_read_up_to_the_last_second(tmp_path: Path, movie: Path) -> None:
    played = Played(movie)
    recorder = make_recorder(tmp_path, played.clock, [], segment_s=60.0)
    recorder.begin(played)

    for packet in played.packets():
        recorder.take(packet, played.arrival())

    part = next((tmp_path / "recordings").rglob("*.part"))
    assert len(frames_of(part)) >= 60 - 11
    recorder.end()


def test_a_name_that_is_taken_is_left_alone_and_the_new_segment_is_called_2(tmp_path: Path, movie: Path) -> None:
    first: list[Any] = []
    second: list[Any] = []

    for closed in (first, second):
        played = Played(movie, FakeClock())
        record(make_recorder(tmp_path, played.clock, closed), played)

    assert [Path(segment.path).stem + "-2" for segment in first] == [Path(segment.path).stem for segment in second]
    assert all(parse_segment(path) is not None for path in paths(tmp_path, second))
    assert frames_of(paths(tmp_path, first)[0]) == frames_of(paths(tmp_path, second)[0]) == list(range(20))


@pytest.mark.parametrize("jump_s", [3_600, -30])
def test_a_jump_of_the_cameras_clock_starts_a_new_segment_at_the_next_key_frame(
    tmp_path: Path, movie: Path, jump_s: int
) -> None:
    closed: list[Any] = []
    played = Played(movie)
    start_s = played.clock.wall_s()

    def jump(number: int, packet: Any) -> Any:
        if number >= 33:
            ticks = round(jump_s / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return packet

    recorder = make_recorder(tmp_path, played.clock, closed, segment_s=60.0)
    record(recorder, played, jump)

    assert [frames_of(path) for path in paths(tmp_path, closed)] == [list(range(33)), list(range(40, 60))]
    assert spans(closed, start_s) == [(0.0, 3.3), (4.0, 2.0)]
    assert recorder.tally["dropped.before_key_frame"] == 7


def test_a_dts_that_goes_back_for_one_packet_costs_no_frame(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)

    def slip(number: int, packet: Any) -> Any:
        if number in (5, 25):
            packet.dts -= 3 * packet.duration
        return packet

    record(make_recorder(tmp_path, played.clock, closed), played, slip)

    assert [number for path in paths(tmp_path, closed) for number in frames_of(path)] == list(range(60))


def test_the_first_packet_without_times_as_rtsp_gives_it_is_recorded(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)

    def strip(number: int, packet: Any) -> Any:
        if number == 0:
            packet.pts = packet.dts = None
        return packet

    record(make_recorder(tmp_path, played.clock, closed), played, strip)

    assert [number for path in paths(tmp_path, closed) for number in frames_of(path)] == list(range(60))


def test_recording_waits_for_a_key_frame(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)
    recorder = make_recorder(tmp_path, played.clock, closed)

    record(recorder, played, lambda number, packet: None if number == 0 else packet)

    assert frames_of(paths(tmp_path, closed)[0])[0] == 10
    assert recorder.tally["dropped.before_key_frame"] == 9


@pytest.mark.parametrize(
    ("since_s", "with_sound"),
    [
        (0.5, [1, 0]),  # the first pictures wait for it
        (1.5, [0, 1, 0]),  # not that long
    ],
)
def test_sound_that_falls_silent_does_not_hold_the_pictures_back(
    tmp_path: Path, since_s: float, with_sound: list[int]
) -> None:
    movie = tmp_path / "movie.mp4"
    make_video(movie, seconds=12.0, audio=True)
    played = Played(movie)
    closed: list[Any] = []
    recorder = make_recorder(tmp_path, played.clock, closed, segment_s=60.0)
    recorder.begin(played)

    for packet in played.packets():
        is_video = packet.stream_index == played.video.index
        if is_video or since_s < packet.pts * packet.time_base < 3:
            recorder.take(packet, played.arrival())

    part = next((tmp_path / "recordings").rglob("*.part"))
    assert len(frames_of(part)) >= 50
    recorder.end()
    streams = []
    for path in paths(tmp_path, closed):
        with av.open(str(path)) as container:
            streams.append(len(container.streams.audio))
    assert streams == with_sound
    assert [number for path in paths(tmp_path, closed) for number in frames_of(path)] == list(range(120))


def test_a_killed_recorder_leaves_a_file_that_the_next_one_repairs(tmp_path: Path, movie: Path) -> None:
    killed = subprocess.run([sys.executable, capture_rig.__file__, tmp_path, movie, "45"], timeout=20)
    assert killed.returncode == -signal.SIGKILL

    closed: list[Any] = []
    make_recorder(tmp_path, FakeClock(), closed).open(no_beat)

    numbers = frames_of(paths(tmp_path, closed)[0])
    assert numbers == list(range(len(numbers)))
    assert 45 - 11 <= len(numbers) <= 45
    assert closed[0].duration_s == pytest.approx(len(numbers) / 10)
    assert list((tmp_path / "recordings").rglob("*.part")) == []


@pytest.fixture
def part(tmp_path: Path, movie: Path) -> Path:
    """What a killed recorder left behind, of the first 45 frames."""
    subprocess.run([sys.executable, capture_rig.__file__, tmp_path, movie, "45"], timeout=20)
    return next((tmp_path / "recordings").rglob("*.part"))


def test_what_only_began_is_removed_and_counted(tmp_path: Path, part: Path) -> None:
    with part.open("rb") as file:
        begin = file.read(600)
    part.write_bytes(begin)
    empty = part.with_name("1767250800000.mp4.part")
    empty.touch()
    recorder = make_recorder(tmp_path, FakeClock(), [])

    recorder.open(no_beat)

    assert list(part.parent.iterdir()) == []
    assert recorder.tally["removed.begun"] == 2


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_a_file_cut_in_the_index_of_its_last_fragment_keeps_all_before_it(
    tmp_path: Path, part: Path, share: float
) -> None:
    data = part.read_bytes()
    index = data.rindex(b"moof") - 4
    length = int.from_bytes(data[index : index + 4], "big")
    part.write_bytes(data[: index + round(share * length)])  # as a disk that fills up leaves it
    closed: list[Any] = []

    make_recorder(tmp_path, FakeClock(), closed).open(no_beat)

    numbers = frames_of(paths(tmp_path, closed)[0])
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 45 - 21


def test_what_holds_no_frame_is_set_aside_and_counted_and_not_tried_again(tmp_path: Path) -> None:
    hour = tmp_path / "recordings" / CAMERA / "2026-01-01" / "07"
    hour.mkdir(parents=True)
    (hour / "1767250800000.mp4.part").write_bytes(bytes(100) + os.urandom(10_000))
    (hour / "1767250900000.mp4.part").write_bytes(os.urandom(10_000))
    (hour / "notes.txt").write_text("not ours")
    first, second = make_recorder(tmp_path, FakeClock(), []), make_recorder(tmp_path, FakeClock(), [])

    first.open(no_beat)
    second.open(no_beat)

    assert sorted(path.name for path in hour.iterdir()) == [
        "1767250800000.mp4.bad",
        "1767250900000.mp4.bad",
        "notes.txt",
    ]
    assert first.tally["kept.unreadable"] == 2
    assert second.tally["kept.unreadable"] == 0


def test_a_text_in_the_file_that_is_no_utf_8_does_not_keep_it_from_being_repaired(tmp_path: Path, part: Path) -> None:
    part.write_bytes(part.read_bytes().replace(b"VideoHandler", b"Vid\xe9oHandler"))
    closed: list[Any] = []

    make_recorder(tmp_path, FakeClock(), closed).open(no_beat)

    assert len(frames_of(paths(tmp_path, closed)[0])) >= 45 - 11


@pytest.mark.parametrize(
    "error",
    [
        UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid"),
        UnsupportedError("no such codec in an MP4"),
        MemoryError(),
        av.error.PatchWelcomeError(1, "Not yet implemented in FFmpeg, patches welcome"),
    ],
)
def test_whatever_a_damaged_file_leads_to_only_sets_it_aside(
    tmp_path: Path, part: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Mp4Writer, "close", fail)
    recorder = make_recorder(tmp_path, FakeClock(), [])

    recorder.open(no_beat)

    assert [path.name for path in part.parent.iterdir()] == [part.with_suffix(".bad").name]
    assert recorder.tally["kept.unreadable"] == 1


def test_a_disk_that_fails_while_repairing_leaves_the_file_for_the_next_time(
    tmp_path: Path, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Mp4Writer, "mux", fail)

    make_recorder(tmp_path, FakeClock(), []).open(no_beat)

    assert part.exists()


def repair_and_die(data: Path) -> None:
    """Repair in a process that aborts at the tenth packet, as FFmpeg does on some damage."""
    beats = iter(range(10))
    if (child := os.fork()) == 0:
        try:
            make_recorder(data, FakeClock(), []).open(lambda: None if next(beats, None) is not None else os._exit(1))
        finally:
            os._exit(0)  # never on into the rest of the tests
    os.waitpid(child, 0)


def test_a_file_that_ends_the_process_again_and_again_is_set_aside(tmp_path: Path, part: Path) -> None:
    recorder = make_recorder(tmp_path, FakeClock(), [])
    for _ in range(MAX_TRIES):
        repair_and_die(tmp_path)
        assert part.exists()

    recorder.open(no_beat)

    assert [path.name for path in part.parent.iterdir()] == [part.with_suffix(".bad").name]
    assert recorder.tally["kept.unreadable"] == 1


def test_a_repair_that_was_cut_short_once_is_made_at_the_next_start(tmp_path: Path, part: Path) -> None:
    closed: list[Any] = []
    repair_and_die(tmp_path)

    make_recorder(tmp_path, FakeClock(), closed).open(no_beat)

    assert len(closed) == 1
    assert [path.suffix for path in part.parent.iterdir()] == [".mp4"]


def test_a_repair_that_gets_on_says_so_with_every_packet(tmp_path: Path, part: Path) -> None:
    beats: list[None] = []
    closed: list[Any] = []

    make_recorder(tmp_path, FakeClock(), closed).open(lambda: beats.append(None))

    assert len(beats) > len(frames_of(paths(tmp_path, closed)[0]))


def test_a_segment_killed_between_its_two_names_is_not_recorded_twice(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    played = Played(movie)
    record(make_recorder(tmp_path, played.clock, closed), played)
    final = paths(tmp_path, closed)[0]
    part = final.with_name(f"{final.stem.partition('_')[0]}.mp4.part")
    os.link(final, part)
    again: list[Any] = []

    make_recorder(tmp_path, played.clock, again).open(no_beat)

    assert again == []
    assert not part.exists()
    assert final.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system of its own can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_pauses_recording_and_it_goes_on_when_there_is_room(small_disk: Path, movie: Path) -> None:
    filler = small_disk / "filler"
    room_bytes = movie.stat().st_size // 2
    state = os.statvfs(small_disk)
    filler.write_bytes(bytes(state.f_bavail * state.f_frsize - room_bytes))
    closed: list[Any] = []
    clock = FakeClock()
    recorder = make_recorder(small_disk, clock, closed, segment_s=60.0)

    record(recorder, Played(movie, clock))
    trouble = recorder.trouble
    finals_when_full = list(closed)
    filler.unlink()
    clock.advance(5.0)
    record(recorder, Played(movie, clock))

    assert trouble is not None
    assert trouble.cause == "no_space"
    assert "MB free" in trouble.detail
    assert finals_when_full == []
    assert recorder.trouble is None
    assert frames_of(paths(small_disk, closed)[-1]) == list(range(60))
    repaired = frames_of(paths(small_disk, closed)[0])
    assert repaired == list(range(len(repaired)))
    assert len(repaired) > 0
    assert len(closed) == 2


def test_below_the_floor_the_segment_is_closed_and_recording_pauses(tmp_path: Path, movie: Path) -> None:
    closed: list[Any] = []
    clock = FakeClock()
    recorder = make_recorder(tmp_path, clock, closed, floor_share=1.0, floor_limit_bytes=2**62)

    record(recorder, Played(movie, clock))

    assert recorder.trouble is not None
    assert recorder.trouble.cause == "no_space"
    assert "must stay free" in recorder.trouble.detail
    assert closed == []
    assert [path for path in (tmp_path / "recordings").rglob("*") if path.is_file()] == []


def test_video_that_an_mp4_can_not_hold_is_trouble_and_leaves_no_file(tmp_path: Path) -> None:
    movie = tmp_path / "movie.webm"
    make_video(movie, seconds=2.0, codec="libvpx")
    played = Played(movie)
    recorder = make_recorder(tmp_path, played.clock, [])

    record(recorder, played)

    assert recorder.trouble is not None
    assert recorder.trouble.cause == "codec"
    assert "vp" in recorder.trouble.detail
    assert [path for path in (tmp_path / "recordings").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["movie.ts", "movie.mkv", "movie.mov"])
def test_video_from_other_containers_is_recorded_whole(tmp_path: Path, name: str) -> None:
    movie = tmp_path / name
    make_video(movie, seconds=3.0)
    closed: list[Any] = []
    played = Played(movie)

    record(make_recorder(tmp_path, played.clock, closed), played)

    assert [number for path in paths(tmp_path, closed) for number in frames_of(path)] == list(range(30))


def test_the_options_of_the_container_are_spelled_as_ffmpeg_knows_them(tmp_path: Path, movie: Path) -> None:
    played = Played(movie)
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture() as lines:
            writer = Mp4Writer(tmp_path / "x.mp4", [played.video])
            for packet in played.packets():
                writer.mux(packet, 0)
            writer.close()
    finally:
        av.logging.set_level(None)

    assert [text for _, _, text in lines if "not" in text] == []
