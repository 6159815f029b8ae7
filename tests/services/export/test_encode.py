"""Clips that are encoded anew: exact, in the size of their preset, with the sound as it was."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from framebus.settings import HardwareEncoder
from framebus_services.export.params import Preset
from framebus_services.export.presets import PRESETS
from media import make_video
from services.export.clipping import UNPACED, WatchedReport, make_clip
from services.export.looking import look, lumas, psnr
from services.export.recorded import START_S, record


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 12.0), (3.35, 7.5), (2.0, 2.4), (5.95, 6.45)])
def test_an_encoded_clip_shows_each_picture_of_the_range_once(
    data: Path, rich_video: Path, start_s: float, end_s: float
) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + start_s, START_S + end_s, mode="encode")

    shown = look(made.path)
    wanted = [number for number in range(120) if start_s - 0.001 <= number / 10 < end_s - 0.001]
    assert shown.numbers == wanted
    assert shown.times_s == pytest.approx([(number - wanted[0]) / 10 for number in wanted], abs=0.001)
    assert shown.duration_s == pytest.approx(len(wanted) / 10, abs=0.001)
    assert made.result.frames == len(wanted)
    assert made.result.encoder == "libx264"


def test_pictures_and_sound_of_an_encoded_clip_stay_together(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 3.35, START_S + 9.0, mode="encode")

    sound_s = look(made.path).sound_s
    assert sound_s is not None
    assert sound_s[0] == pytest.approx(0.0, abs=0.03)
    assert sound_s[1] == pytest.approx(5.6, abs=0.03)


def test_an_encoded_clip_looks_like_what_was_recorded(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 3.0, START_S + 5.0, mode="encode", preset="quality")

    pairs = zip(lumas(made.path, 0, 20), lumas(rich_video, 30, 20), strict=True)
    assert min(psnr(one, other) for one, other in pairs) > 35.0


@pytest.mark.parametrize(
    ("preset", "size"), [("small", (640, 480)), ("hd", (960, 720)), ("full_hd", (960, 720)), ("quality", (960, 720))]
)
def test_a_preset_makes_the_picture_smaller_and_never_larger(
    data: Path, tmp_path: Path, preset: str, size: tuple[int, int]
) -> None:
    make_video(tmp_path / "large.mp4", seconds=1, width=960, height=720)
    record(data, tmp_path / "large.mp4")

    made = make_clip(data, START_S, START_S + 1.0, mode="encode", preset=preset)

    assert look(made.path).size == size == (made.result.width, made.result.height)
    assert look(made.path).numbers == list(range(10))


def test_every_preset_is_in_the_table_and_has_even_sides() -> None:
    assert set(PRESETS) == set(Preset)
    for quality in PRESETS.values():
        assert all(side % 2 == 0 for side in quality.size_of(1_919, 1_079))


def test_a_hardware_encoder_that_is_asked_for_and_fails_gives_way_to_software(data: Path, video: Path) -> None:
    if os.path.exists("/dev/nvidia0"):
        pytest.skip("this machine has the hardware")
    record(data, video)
    settings = replace(UNPACED, encoder=HardwareEncoder.NVENC)

    made = make_clip(data, START_S, START_S + 4.0, mode="encode", settings=settings)

    assert made.report.steps == ["preparing", "encoding_retry", "verifying"]
    assert made.result.encoder == "libx264"
    assert made.result.warnings[0].startswith("h264_nvenc: ")
    assert made.result.warnings[0].endswith("software went on")
    assert look(made.path).numbers == list(range(40))


def test_hardware_that_nobody_asked_for_is_tried_without_a_word(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(
        data, START_S, START_S + 2.0, mode="encode", settings=replace(UNPACED, encoder=HardwareEncoder.AUTO)
    )

    assert made.report.steps == ["preparing", "encoding", "verifying"]
    assert made.result.warnings == []


def test_encoding_hears_between_pictures_that_it_must_end(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S, START_S + 12.0, mode="encode")

    assert made.report.calls > 120 / 50
    assert made.report.percents == sorted(made.report.percents)


def test_a_gap_in_an_encoded_clip_keeps_its_length(data: Path, rich_video: Path) -> None:
    record(data, rich_video)[2].path.unlink()

    made = make_clip(data, START_S, START_S + 12.0, mode="encode", allow_gaps=True)

    shown = look(made.path)
    assert shown.numbers == [*range(40), *range(60, 120)]
    assert shown.times_s[40] == pytest.approx(6.0, abs=0.001)
    assert made.result.gaps == [(START_S + 4.0, START_S + 6.0)]


def test_the_title_of_an_encoded_clip_stands_in_the_file(data: Path, video: Path) -> None:
    record(data, video)
    report = WatchedReport(data, "../name")

    made = make_clip(data, START_S, START_S + 1.0, mode="encode", title="../../etc", report=report)

    assert b"../../etc" in made.path.read_bytes()
    assert made.files == ["front/front_2026-09-21_16-13-20_16-13-21_name.mp4"]
