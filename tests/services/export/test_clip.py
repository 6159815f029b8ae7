"""Clips from recordings: what is in them, and where they begin and end."""

import itertools
import math
import os
import shutil
from pathlib import Path

import av
import pytest

from framebus.recordings import closed_name, hour_folder
from media import frames_of, packets_of
from services.export.clipping import WatchedReport, make_clip
from services.export.recorded import START_S, Recorded, grow, open_path, record


def payloads(segments: list[Recorded]) -> list[bytes]:
    return [payload for segment in segments for payload in segment.payloads]


def test_a_clip_begins_with_the_key_frame_before_its_start_and_holds_each_packet_once(data: Path, video: Path) -> None:
    segments = record(data, video)

    made = make_clip(data, START_S + 3.35, START_S + 7.5)

    assert packets_of(made.path) == payloads(segments)[30:75]
    assert frames_of(made.path) == list(range(30, 75))
    assert made.result.start_at_s == pytest.approx(START_S + 3.0)
    assert made.result.starts_earlier_s == pytest.approx(0.35)
    assert made.result.end_at_s == pytest.approx(START_S + 7.5)
    assert made.result.frames == 45


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 12.0), (1.0, 4.0), (3.35, 7.5), (2.0, 2.4), (5.99, 6.01)])
def test_with_b_frames_and_sound_no_picture_of_the_range_is_missing_and_none_twice(
    data: Path, rich_video: Path, start_s: float, end_s: float
) -> None:
    segments = record(data, rich_video)
    first, end = int(start_s) * 10, math.ceil(end_s * 10)

    made = make_clip(data, START_S + start_s, START_S + end_s)

    shown = frames_of(made.path)
    assert shown[: end - first] == list(range(first, end))
    assert len(shown[end - first :]) <= 2  # what others are made from stands behind the end
    assert packets_of(made.path) == payloads(segments)[first : first + len(shown)]


def test_sound_comes_along_and_keeps_its_place(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 3.0, START_S + 9.0)

    assert made.result.has_audio
    with av.open(str(made.path)) as container:
        times = [float(packet.pts * packet.time_base) for packet in container.demux(audio=0) if packet.pts is not None]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert times[0] == pytest.approx(0.0, abs=0.03)
    assert times[-1] == pytest.approx(6.0, abs=0.06)
    assert max(steps) < 0.045
    assert min(steps) > 0.0


def test_sound_that_only_some_segments_have_is_left_out(data: Path, rich_video: Path) -> None:
    for segment in record(data, rich_video, with_audio=False)[2:]:
        segment.path.unlink()
    with_sound = record(data.with_name("with-sound"), rich_video)[2:]
    for segment in with_sound:
        shutil.copy(segment.path, data / segment.path.relative_to(data.with_name("with-sound")))

    made = make_clip(data, START_S, START_S + 12.0)

    assert not made.result.has_audio
    assert made.result.warnings == ["sound is left out: a part of the range has none, or another kind of it"]
    assert frames_of(made.path) == list(range(120))


def test_timestamps_run_on_across_segments_whose_clock_jitters(data: Path, video: Path) -> None:
    for segment, jitter_ms in zip(record(data, video), (0, 7, -40, 12, -3, 0), strict=True):
        start_ms = round(segment.start_s * 1_000) + jitter_ms
        segment.path.rename(segment.path.with_name(closed_name(start_ms, 2_000)))

    made = make_clip(data, START_S, START_S + 12.0)

    with av.open(str(made.path)) as container:
        times = [packet.dts for packet in container.demux(video=0) if packet.dts is not None]
    assert times == sorted(set(times))
    assert frames_of(made.path) == list(range(120))
    assert made.result.duration_s == pytest.approx(12.0, abs=0.05)


def test_a_segment_that_lies_over_the_one_before_is_put_behind_it(data: Path, video: Path) -> None:
    segments = record(data, video)[:3]
    for segment in record(data, video)[3:]:
        segment.path.unlink()
    start_ms = round(segments[1].start_s * 1_000) - 500
    segments[1].path.rename(segments[1].path.with_name(closed_name(start_ms, 2_000)))

    made = make_clip(data, START_S, START_S + 6.0)

    assert frames_of(made.path) == list(range(60))


def test_the_open_segment_gives_what_is_whole_of_it(data: Path, rich_video: Path) -> None:
    segments = record(data, rich_video, segment_s=4.0)
    grow(open_path(segments[-1]), segments[-1], 0.7, reaches_s=START_S + 10.5)

    made = make_clip(data, START_S + 5.0, START_S + 60.0, now_at_s=START_S + 12.0)

    shown = frames_of(made.path)
    assert shown == list(range(50, 50 + len(shown)))
    assert 50 + len(shown) > 90
    assert packets_of(made.path) == payloads(segments)[50 : 50 + len(shown)]
    assert made.result.cut_at_s == pytest.approx(made.result.end_at_s)


def test_a_fragment_that_is_half_written_is_left_out(data: Path, video: Path) -> None:
    segment = record(data, video, segment_s=12.0)[0]
    path = grow(open_path(segment), segment, 1.0, reaches_s=START_S + 12.0)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])  # the last picture lacks its end
    os.utime(path, (START_S + 12.0, START_S + 12.0))

    made = make_clip(data, START_S, START_S + 12.0, now_at_s=START_S + 12.5)

    assert 100 <= made.result.frames < 120
    assert packets_of(made.path) == segment.payloads[: made.result.frames]


def test_a_range_that_reaches_into_now_is_cut_at_what_is_recorded(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S + 6.0, START_S + 30.0, now_at_s=START_S + 15.0)

    assert made.result.cut_at_s == pytest.approx(START_S + 12.0)
    assert made.result.gaps == []
    assert frames_of(made.path) == list(range(60, 120))


def test_a_segment_that_gets_its_final_name_after_the_plan_is_found_again(data: Path, video: Path) -> None:
    segments = record(data, video, segment_s=4.0)
    closed = segments[-1].path.read_bytes()
    path = grow(open_path(segments[-1]), segments[-1], 1.0, reaches_s=START_S + 12.0)
    report = WatchedReport(data)

    def close() -> None:
        path.unlink()
        segments[-1].path.write_bytes(closed)

    report.when["copying"] = close
    made = make_clip(data, START_S, START_S + 60.0, report=report, now_at_s=START_S + 12.5)

    assert frames_of(made.path) == list(range(made.result.frames))
    assert made.result.frames >= 110


def test_an_allowed_gap_is_told_and_keeps_its_length(data: Path, video: Path) -> None:
    record(data, video)[2].path.unlink()

    made = make_clip(data, START_S, START_S + 12.0, allow_gaps=True)

    assert frames_of(made.path) == [*range(40), *range(60, 120)]
    assert made.result.gaps == [(START_S + 4.0, START_S + 6.0)]
    assert made.result.duration_s == pytest.approx(12.0)


def test_a_start_inside_an_allowed_gap_begins_with_the_next_picture(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S - 5.0, START_S + 2.0, allow_gaps=True)

    assert frames_of(made.path) == list(range(20))
    assert made.result.starts_earlier_s == 0.0
    assert made.result.gaps == [(START_S - 5.0, START_S)]


def test_times_may_be_written_with_a_zone(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, "2026-09-21T16:13:23+02:00", "2026-09-21T14:13:25Z")

    assert frames_of(made.path) == list(range(30, 50))


def test_the_name_is_camera_local_time_and_the_name_of_the_job(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S + 3.3, START_S + 7.0, report=WatchedReport(data, "My clip"), thumbnail=True)

    stem = "front/front_2026-09-21_16-13-23_16-13-27_my-clip"
    assert made.files == [f"{stem}.jpg", f"{stem}.mp4"]


def test_the_title_stands_in_the_file(data: Path, video: Path) -> None:
    record(data, video)

    made = make_clip(data, START_S, START_S + 2.0, title="../../Ärger am Tor")

    with av.open(str(made.path)) as container:
        assert container.metadata["title"] == "../../Ärger am Tor"
    assert made.files == ["front/front_2026-09-21_16-13-20_16-13-22.mp4"]


def test_the_thumbnail_shows_a_key_frame_in_the_middle_of_the_range(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S + 3.2, START_S + 9.0, thumbnail=True)

    assert frames_of(made.report.temps[made.files[0]]) == [60]


def test_progress_names_each_step_and_never_goes_back(data: Path, rich_video: Path) -> None:
    record(data, rich_video)

    made = make_clip(data, START_S, START_S + 12.0)

    assert made.report.steps == ["preparing", "copying", "verifying"]
    assert made.report.percents == sorted(made.report.percents)
    assert 0.0 <= made.report.percents[0] <= made.report.percents[-1] <= 100.0


def test_the_result_fits_into_the_answer_even_with_many_gaps(data: Path, video: Path) -> None:
    segment = record(data, video)[0]
    for number in range(150):
        start_s = START_S + 100.0 + 10.0 * number
        folder = hour_folder(data, "front", start_s)
        folder.mkdir(parents=True, exist_ok=True)
        os.link(segment.path, folder / closed_name(round(start_s * 1_000), 2_000))

    made = make_clip(data, START_S + 100.0, START_S + 1_600.0, allow_gaps=True)

    assert len(made.result.gaps) == 100
    assert made.result.frames == 150 * 20
