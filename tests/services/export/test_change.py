"""Ranges in which the camera changes its picture: several files, one that is encoded, or none."""

from pathlib import Path

import pytest

from framebus.requests import FailKind
from framebus.runner import WorkError
from media import make_video
from services.export.clipping import WatchedReport, make_clip
from services.export.looking import look, lumas
from services.export.recorded import START_S, record


@pytest.fixture
def changed(data: Path, rich_video: Path, tmp_path: Path) -> Path:
    """12 s of 320x240, then 4 s of 640x360, then 4 s of 320x240 again."""
    record(data, rich_video)
    make_video(tmp_path / "wide.mp4", seconds=4, width=640, height=360, audio=True)
    make_video(tmp_path / "back.mp4", seconds=4, b_frames=2, audio=True)
    record(data, tmp_path / "wide.mp4", start_s=START_S + 12.0)
    record(data, tmp_path / "back.mp4", start_s=START_S + 16.0)
    return data


def test_a_change_splits_a_copy_into_parts_that_each_play(changed: Path) -> None:
    report = WatchedReport(changed, "My clip")

    made = make_clip(changed, START_S + 10.3, START_S + 18.0, report=report, thumbnail=True)

    stem = "front/front_2026-09-21_16-13-30_16-13-38_my-clip"
    assert made.files == [f"{stem}.jpg", f"{stem}_part1.mp4", f"{stem}_part2.mp4", f"{stem}_part3.mp4"]
    parts = [look(made.report.temps[name]) for name in made.files[1:]]
    assert [part.size for part in parts] == [(320, 240), (640, 360), (320, 240)]
    assert parts[0].numbers == list(range(100, 120))
    assert parts[1].numbers == list(range(40))
    assert parts[2].numbers[:20] == list(range(20))
    assert [part.sound_s is not None for part in parts] == [True, True, True]


def test_the_result_lists_the_parts(changed: Path) -> None:
    made = make_clip(changed, START_S + 10.3, START_S + 16.0)

    first, second = made.result.parts
    assert (first.start_at_s, first.end_at_s) == pytest.approx((START_S + 10.0, START_S + 12.0))
    assert (second.start_at_s, second.end_at_s) == pytest.approx((START_S + 12.0, START_S + 16.0))
    assert [(part.width, part.height, part.frames) for part in (first, second)] == [(320, 240, 20), (640, 360, 40)]
    assert (made.result.frames, made.result.duration_s) == (60, pytest.approx(6.0))


def test_progress_runs_through_all_parts(changed: Path) -> None:
    made = make_clip(changed, START_S + 10.3, START_S + 18.0)

    assert made.report.steps == ["preparing", "copying", "verifying"]
    assert made.report.percents == sorted(made.report.percents)


@pytest.mark.parametrize("how", [{"on_change": "encode"}, {"mode": "encode"}])
def test_a_change_may_be_encoded_into_one_file_of_the_first_size(changed: Path, how: dict[str, str]) -> None:
    made = make_clip(changed, START_S + 10.3, START_S + 14.0, **how)

    shown = look(made.path)
    assert shown.size == (320, 240)
    assert shown.numbers[:17] == list(range(103, 120))
    assert len(shown.numbers) == 37
    assert made.result.encoder == "libx264"
    bars = lumas(made.path, 20, 1)[0]
    assert bars[:20].mean() < 30  # the wide picture keeps its shape
    assert bars[120].mean() > 80
    assert shown.sound_s == pytest.approx((0.0, 3.7), abs=0.05)


def test_an_instant_timelapse_is_split_like_a_copy(changed: Path) -> None:
    made = make_clip(changed, START_S, START_S + 16.0, mode="timelapse", speed=4, instant=True)

    assert [look(made.report.temps[name]).numbers for name in made.files] == [
        list(range(0, 120, 10)),
        list(range(0, 40, 10)),
    ]


def test_a_change_is_refused_when_asked_for(changed: Path) -> None:
    with pytest.raises(WorkError, match="set on_change=split for a file of each part, or on_change=encode") as caught:
        make_clip(changed, START_S + 10.3, START_S + 14.0, mode="encode", on_change="refuse")

    assert caught.value.kind is FailKind.PERMANENT


def test_more_parts_than_a_job_may_hand_in_are_refused(data: Path, video: Path, tmp_path: Path) -> None:
    make_video(tmp_path / "other.mp4", seconds=1, width=160, height=120)
    make_video(tmp_path / "one.mp4", seconds=1)
    for number in range(16):
        record(data, tmp_path / ("other.mp4", "one.mp4")[number % 2], start_s=START_S + number)

    with pytest.raises(WorkError, match="changes 15 times; at most 15 parts are made: shorten the range"):
        make_clip(data, START_S, START_S + 16.0)
    made = make_clip(data, START_S, START_S + 15.0, report=WatchedReport(data, "n" * 60), thumbnail=True)

    assert len(made.files) == 16


def test_a_thumbnail_is_taken_from_the_part_of_its_moment(changed: Path) -> None:
    made = make_clip(changed, START_S + 10.3, START_S + 16.0, thumbnail=True, thumbnail_at_s=START_S + 13.25)

    assert look(made.report.temps[made.files[0]]).numbers == [12]
