"""Mending of timestamps, wall time, pacing, and the choice of frames: values in, values out."""

from collections import Counter
from fractions import Fraction
from typing import Any

import av
import pytest

from framebus.settings import Detect
from framebus_services.capture.pacing import Pacer
from framebus_services.capture.sampling import FrameGate, picture_size
from framebus_services.capture.timestamps import Arrival, Mender, WallTime

TICK = Fraction(1, 1_000)


def packet(dts: int | None, pts: int | None = None, *, duration: int = 100, is_key: bool = False) -> Any:
    made: Any = av.Packet(b"x")
    made.time_base, made.duration, made.is_keyframe = TICK, duration, is_key
    made.dts, made.pts = dts, pts if pts is not None else dts
    return made


def times(packets: list[Any]) -> list[tuple[int | None, int | None]]:
    return [(each.pts, each.dts) for each in packets]


def test_the_first_packet_without_any_time_is_written_one_step_before_the_next() -> None:
    mender = Mender(Counter())

    first = mender.mend(packet(None, is_key=True))
    second = mender.mend(packet(500))

    assert first == []
    assert times(second) == [(400, 400), (500, 500)]


def test_first_packets_with_b_frames_get_rising_dts_below_their_pts() -> None:
    mender = Mender(Counter())
    for pts in (None, 800, 600):
        assert mender.mend(packet(None, pts)) == []

    ready = mender.mend(packet(500, 700))

    assert [each.dts for each in ready] == [200, 300, 400, 500]
    assert [each.pts for each in ready] == [500, 800, 600, 700]


def test_later_packets_without_dts_are_dropped_and_counted() -> None:
    tally: Counter[str] = Counter()
    mender = Mender(tally)
    mender.mend(packet(0))

    assert mender.mend(packet(None)) == []
    assert tally["dropped.no_dts"] == 1


def test_a_dts_that_goes_back_a_little_is_raised_above_the_last() -> None:
    tally: Counter[str] = Counter()
    mender = Mender(tally)
    mender.mend(packet(1_000))

    ready = mender.mend(packet(900))

    assert times(ready) == [(1_001, 1_001)]
    assert tally["mended.dts"] == 1


def test_a_pts_below_its_dts_is_raised() -> None:
    assert times(Mender(Counter()).mend(packet(1_000, 10))) == [(1_000, 1_000)]


@pytest.mark.parametrize(("dts", "jumps"), [(10_900, False), (11_001, True), (100, False), (-1, True)])
def test_more_than_ten_seconds_ahead_or_one_back_is_a_jump(dts: int, jumps: bool) -> None:
    mender = Mender(Counter())
    mender.mend(packet(1_000))

    assert mender.jumps(packet(dts)) is jumps


def test_wall_time_follows_the_packet_that_was_delayed_least() -> None:
    wall = WallTime()

    came = ((0.0, 102.0), (1.0, 101.0), (2.0, 102.5))
    delays = [wall.note(pts_s, Arrival(5_000.0 + at_s, at_s)) for pts_s, at_s in came]

    assert delays == [0.0, 0.0, 0.5]
    assert wall.at_s(0.0) == 5_100.0


def test_wall_time_forgets_a_delay_after_a_minute_so_that_a_drifting_clock_is_followed() -> None:
    wall = WallTime()
    for second in range(200):
        wall.note(float(second), Arrival(second * 1.01, second * 1.01))  # the camera's clock is 1 % slow

    assert wall.at_s(200.0) == pytest.approx(202.0, abs=0.7)


def test_wall_time_starts_anew_when_the_cameras_clock_jumped_back() -> None:
    wall = WallTime()
    wall.note(5_000.0, Arrival(100.0, 100.0))

    assert wall.note(0.0, Arrival(101.0, 101.0)) == 0.0
    assert wall.at_s(0.0) == 101.0


def test_pacing_waits_until_media_is_due_and_never_hurries_after_a_pause() -> None:
    pacer = Pacer()

    moments = ((0.0, 50.0), (1.0, 50.2), (1.1, 51.2), (1.2, 99.0), (1.3, 99.0))
    waits = [pacer.wait_s(media_s, now_s) for media_s, now_s in moments]

    assert waits == pytest.approx([0.0, 0.8, 0.0, 0.0, 0.1])


@pytest.mark.parametrize(
    ("source_hz", "wanted_hz", "expected"), [(25.0, 5.0, 50), (12.5, 5.0, 50), (10.0, 10.0, 100), (5.0, 10.0, 50)]
)
def test_the_gate_lets_the_wanted_number_of_frames_pass(source_hz: float, wanted_hz: float, expected: int) -> None:
    gate = FrameGate(wanted_hz)

    passed = [gate.passes(number / source_hz) for number in range(round(10 * source_hz))]

    assert sum(passed) == pytest.approx(expected, abs=1)


def test_the_gate_stands_timestamps_that_jitter() -> None:
    gate = FrameGate(10.0)

    passed = [gate.passes(number / 10 + (0.008 if number % 2 else -0.008)) for number in range(100)]

    assert sum(passed) == 100


def test_the_gate_opens_at_once_after_timestamps_jumped_back() -> None:
    gate = FrameGate(5.0)
    gate.passes(1_000.0)

    assert gate.passes(3.0)


@pytest.mark.parametrize(
    ("source", "detect", "size"),
    [
        ((640, 360), Detect(), (640, 360)),
        ((3_840, 2_160), Detect(), (1_280, 720)),
        ((2_592, 1_944), Detect(), (960, 720)),
        ((1_080, 1_920), Detect(), (404, 720)),
        ((1_920, 1_080), Detect(width=640), (640, 360)),
        ((1_920, 1_080), Detect(height=480), (854, 480)),
        ((1_920, 1_080), Detect(width=300, height=300), (300, 300)),
        ((641, 361), Detect(), (640, 360)),
    ],
)
def test_pictures_keep_their_shape_and_have_even_sides(
    source: tuple[int, int], detect: Detect, size: tuple[int, int]
) -> None:
    assert picture_size(*source, detect) == size
