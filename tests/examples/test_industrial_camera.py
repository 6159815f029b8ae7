"""Cameras of one's own in a real group: one that writes the ring, and one that reads the system's camera program."""

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from framebus import Frame, PixelFormat, client
from framebus.requests import GetStats
from framebus.ring import RingReader
from groups import RunningGroup, running_group, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
SDK = Path(__file__).parent


def settings_in(example: str) -> dict[str, Any]:
    """The configuration that stands in an example's docstring."""
    text = (EXAMPLES / example).read_text()
    parsed: dict[str, Any] = yaml.safe_load(text.split('"""')[1].split("\n\n")[1])
    return parsed


@pytest.fixture(scope="module")
def group() -> Iterator[RunningGroup]:
    (row,) = settings_in("industrial_camera.py")["services"].values()
    command = [sys.executable, str(EXAMPLES / row["command"][1])]
    bench = {**row, "command": command, "env": {"PYTHONPATH": str(SDK)}}
    with running_group({"services": {"bench": bench, "export": False}}) as group:
        group.await_ready()
        yield group


def number_of(frame: Frame) -> int:
    return int.from_bytes(bytes(frame.pixels[0, :4]), "little")


def frames_of(group: RunningGroup, count: int, *, every: bool = True) -> list[Frame]:
    own = []
    for frame in client.frames("bench", every=every, run=group.place.run):
        copy = frame.copy()
        if copy is not None:
            own.append(copy)
        if len(own) == count:
            break
    return own


def test_every_picture_of_an_industrial_camera_is_a_numpy_view_with_its_hardware_time(group: RunningGroup) -> None:
    frames = frames_of(group, 60)

    assert {(frame.width, frame.height, frame.pixel_format) for frame in frames} == {(640, 512, PixelFormat.GRAY8)}
    assert frames[0].pixels.shape == (512, 640)
    numbers = [number_of(frame) for frame in frames]
    left_out = sum(frame.missed for frame in frames[1:])
    assert numbers[-1] - numbers[0] == 59 + left_out
    assert all(frame.pts_us == number * 1_000_000 // 60 for frame, number in zip(frames, numbers, strict=True))


def test_frames_of_the_ring_of_another_program_arrive_in_enrich(group: RunningGroup) -> None:
    def seen() -> int:
        stats = client.ask("enrich", GetStats(), run=group.place.run)
        return stats.counters.get("frames.bench", 0)

    first = wait_until(seen, "frames in enrich")
    wait_until(lambda: seen() > first + 30, "more frames in enrich")


def test_a_slow_cell_never_slows_the_camera_and_is_told_what_it_missed(group: RunningGroup) -> None:
    stream = client.frames("bench", every=True, run=group.place.run)
    first = next(stream)
    (path,) = group.place.shm.glob("bench.*.ring")
    with RingReader.open(path) as ring:
        begun, begun_at_us = ring.newest, first.pts_us

        wait_until(lambda: ring.newest >= begun + 60, "60 more frames, while nobody reads on")
        late = next(stream)
        stream.close()

    assert late.missed == late.number - first.number - 1 > 40
    # 60 pictures took the second that they take when nobody looks: none was kept back.
    assert (late.pts_us - begun_at_us) / 1e6 == pytest.approx((late.number - first.number) / 60, rel=0.2)


def test_leaving_the_loop_leaks_nothing_however_often_a_cell_is_run(group: RunningGroup) -> None:
    frames_of(group, 1)  # what is made once stays
    process = psutil.Process()
    before = process.num_fds(), threading.active_count()

    for _ in range(20):
        for frame in client.frames("bench", every=True, run=group.place.run):
            kept = frame.luma  # as a cell does, whose last value stays
            break
        with pytest.raises(ZeroDivisionError):
            stumble(group)

    assert kept.shape == (512, 640)
    del frame, kept  # what a cell still shows holds its ring, and nothing else
    assert (process.num_fds(), threading.active_count()) == before
    assert "bench." not in Path("/proc/self/maps").read_text()


def stumble(group: RunningGroup) -> None:
    """A cell that fails at its first frame."""
    for frame in client.frames("bench", run=group.place.run):
        _ = frame.number // 0


RPICAM = """#!{python}
import sys, time
options = dict(zip(sys.argv[1:], sys.argv[2:]))
assert options["--codec"] == "yuv420" and options["--output"] == "-", sys.argv
width, height = int(options["--width"]), int(options["--height"])
number = 0
while number < 1_000:
    luma = bytes([16 + number % 200]) * (width * height)
    sys.stdout.buffer.write(luma + bytes([128]) * (width * height // 2))
    sys.stdout.buffer.flush()
    number += 1
    time.sleep(0.05)
"""


def test_a_ribbon_camera_is_shown_and_recorded_and_its_program_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "rpicam-vid"
    program.write_text(RPICAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (camera,) = settings_in("ribbon_camera.py")["cameras"].values()
    garden = {**camera, "source": str(EXAMPLES / "ribbon_camera.py"), "record": {"segment_s": 1}}

    with running_group({"cameras": {"garden": garden}, "services": {"enrich": False, "export": False}}) as group:
        frame = next(iter(client.frames("garden", run=group.place.run, timeout_s=20.0)))
        wait_until(lambda: list((group.place.data / "recordings").rglob("*.mp4")), "a segment")

        assert (frame.width, frame.height, frame.pixel_format) == (1280, 720, PixelFormat.I420)

    assert not [
        process for process in psutil.process_iter(["cmdline"]) if str(program) in (process.info["cmdline"] or [])
    ]
