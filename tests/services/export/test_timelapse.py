"""Timelapses: key frames, played faster."""

from pathlib import Path

import pytest

from framebus_services.export.keys import FPS
from media import packets_of
from services.export.clipping import make_clip
from services.export.looking import look
from services.export.recorded import START_S, record


def expected(first: int, keys: list[int], speed: float, pictures: int) -> list[int]:
    """The key frame that each picture of a timelapse shows: the newest whose time has come."""
    slots = {max(0, int((key - first) / 10 / speed * FPS + 1e-9)): key for key in reversed(keys)}
    shown, now = [], keys[0]
    for slot in range(pictures):
        now = slots.get(slot, now)
        shown.append(now)
    return shown


@pytest.mark.parametrize("kind", ["video", "rich_video"])
@pytest.mark.parametrize("speed", [2.0, 4.0, 30.0, 60.0, 240.0])
def test_a_timelapse_shows_key_frames_at_a_fixed_rate(
    data: Path, kind: str, speed: float, request: pytest.FixtureRequest
) -> None:
    record(data, request.getfixturevalue(kind))
    pictures = -(-round(12.0 * FPS) // round(speed))

    made = make_clip(data, START_S, START_S + 12.0, mode="timelapse", speed=speed)

    shown = look(made.path)
    assert shown.numbers == expected(0, list(range(0, 120, 10)), speed, pictures)
    assert shown.times_s == pytest.approx([number / FPS for number in range(pictures)], abs=0.001)
    assert made.result.duration_s == pytest.approx(pictures / FPS)
    assert (made.result.speed, made.result.encoder, made.result.has_audio) == (speed, "libx264", False)


def test_a_timelapse_may_be_asked_for_by_its_length(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S, START_S + 12.0, mode="timelapse", duration_s=3.0)

    assert look(made.path).duration_s == pytest.approx(3.0, abs=0.001)
    assert made.result.speed == pytest.approx(4.0)


def test_a_timelapse_begins_with_the_key_frame_before_its_start(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 2.5, START_S + 12.0, mode="timelapse", speed=10)

    assert look(made.path).numbers[0] == 20
    assert made.result.starts_earlier_s == pytest.approx(0.5)
    assert made.result.duration_s == pytest.approx(0.96)


def test_an_instant_timelapse_holds_the_recorded_key_frames_untouched(data: Path, rich_video: Path) -> None:
    segments = record(data, rich_video)
    payloads = [payload for segment in segments for payload in segment.payloads]

    made = make_clip(data, START_S, START_S + 12.0, mode="timelapse", speed=10, instant=True)

    shown = look(made.path)
    assert packets_of(made.path) == payloads[::10]
    assert shown.numbers == list(range(0, 120, 10))
    assert shown.times_s == pytest.approx([int(key / 10 / 10 * FPS) / FPS for key in range(0, 120, 10)], abs=0.001)
    assert shown.duration_s == pytest.approx(1.2, abs=0.001)
    assert made.result.encoder is None
    assert made.report.steps == ["preparing", "copying", "verifying"]


@pytest.mark.parametrize("instant", [False, True])
def test_a_gap_in_a_timelapse_keeps_its_share(data: Path, video: Path, instant: bool) -> None:
    record(data, video)[2].path.unlink()

    made = make_clip(
        data, START_S, START_S + 12.0, mode="timelapse", speed=10, allow_gaps=True, thumbnail=True, instant=instant
    )

    shown = look(made.path)
    assert shown.duration_s == pytest.approx(1.2, abs=0.001)
    at_s = shown.times_s[shown.numbers.index(60)]
    assert at_s == pytest.approx(0.6, abs=0.041)
    assert made.result.gaps == [(START_S + 4.0, START_S + 6.0)]


def test_the_thumbnail_of_a_timelapse_shows_the_moment_asked_for(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(
        data, START_S, START_S + 12.0, mode="timelapse", speed=4, thumbnail=True, thumbnail_at_s=START_S + 7.4
    )

    assert look(made.report.temps[made.files[0]]).numbers == [70]
